// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/types.hpp"

#include <vector>

// Calls with arguments that are the values of other calls of their session: the hub puts these in.
namespace yonder::core {

inline constexpr std::size_t max_awaited = 1024;  // arguments of one call
// What the failure of a call begins with that failed because one of those did.
inline constexpr std::string_view argument_not_made = "an argument was not made: ";

// An argument whose value is to come.
struct awaited_argument {
  std::uint64_t number = 0;  // of the call whose value it is
  std::uint32_t offset = 0;  // where it belongs in the payload, and among the buffers, as they are without it
  std::uint32_t buffer = 0;
  bool sole = false;  // its own caller has no use for the value
};

// The value of each, in their order; they rise by their offsets.
struct argument_value {
  awaited_argument where;
  std::span<std::byte const> bytes;
  std::span<buffer const> buffers;
};

// Whether the arguments lie in this frame, in order.
bool are_within(frame const& message, std::span<awaited_argument const> arguments);
// The call with the values in their places.
frame compose(frame const& message, std::span<argument_value const> values);

}  // namespace yonder::core
