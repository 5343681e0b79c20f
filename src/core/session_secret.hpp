// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
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

}  // namespace yonder::core
