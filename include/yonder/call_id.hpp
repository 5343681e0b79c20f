// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "yonder/detail/export.hpp"

namespace yonder {

// Names one call everywhere: the runtime that called (drawn at random), and the call's number there, from 1.
struct call_id {
  std::uint64_t session = 0;  // of the runtime that called
  std::uint64_t number = 0;   // there, from 1

  friend auto operator<=>(call_id const&, call_id const&) = default;  // NOLINT(modernize-use-nullptr)
};

// 32 hexadecimal digits.
YONDER_API std::string to_string(call_id const& id);

// What to_string() writes; none: it is something else.
YONDER_API std::optional<call_id> parse_call_id(std::string_view text) noexcept;

}  // namespace yonder
