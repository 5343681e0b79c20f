// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace yonder::transport {

// What the two ends of a connection say before their first frames, all numbers little-endian:
//   4 bytes "YNDS" | u8 version 1 | u8 what | u16 0 | u32 start | u64 session
struct greeting {
  enum class kind : std::uint8_t {
    hello = 1,    // of who connects: session, and its how manieth connection this is
    enrols = 2,   // of who connects with a token: an enrolment request follows
    welcome = 3,  // the answer: frames may come. To a token: the answer to its request follows
    refusal = 4   // the answer: who connects may not, and would not if it tried again
  };
  static constexpr std::size_t size = 20;

  kind what = kind::hello;
  std::uint32_t start = 0;
  std::uint64_t session = 0;

  std::array<std::byte, size> bytes() const noexcept;
  // False: it is none.
  static bool read(std::span<std::byte const> bytes, greeting& read) noexcept;
  friend bool operator==(greeting const&, greeting const&) = default;
};

}  // namespace yonder::transport
