// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "src/core/time_zone.hpp"

namespace yonder::runtime_detail {

// A time zone as the bytes of a TZif file (RFC 8536) say it; what holds for ever is known to the end of 2199.
// Throws std::runtime_error, in words, for bytes that are none.
core::time_zone parse_tzif(std::span<std::byte const> file);

// The zone of this name, "Europe/Berlin", of the system's data (TZDIR, or /usr/share/zoneinfo); "UTC" is
// known without them. Throws std::runtime_error, in words, where there is none.
core::time_zone load_time_zone(std::string const& name);

}  // namespace yonder::runtime_detail
