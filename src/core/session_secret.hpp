// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "yonder/detail/export.hpp"

// The id of a session is told to others, with every call; what it is the hash of is told to hubs only. So a
// hub knows whose a session is that it has never seen, or no longer.
namespace yonder::core {

using session_secret = std::array<std::uint64_t, 2>;  // drawn at random

// Never 0.
std::uint64_t session_of(session_secret const& secret) noexcept;

// FIPS 180-4.
YONDER_API std::array<std::uint8_t, 32> sha256(std::span<std::uint8_t const> message) noexcept;

// The same of a message that comes in pieces.
class YONDER_API sha256_state {
 public:
  void add(std::span<std::uint8_t const> piece) noexcept;
  // Of all that was added; once, and nothing is added behind it.
  std::array<std::uint8_t, 32> digest() noexcept;

 private:
  using block = std::array<std::uint8_t, 64>;
  void add_block(block const& taken) noexcept;

  std::array<std::uint32_t, 8> words_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  block taken_{};  // what has not filled a block so far, from its beginning
  std::size_t taken_size_ = 0;
  std::uint64_t size_ = 0;  // bytes, of all that was added
};

}  // namespace yonder::core
