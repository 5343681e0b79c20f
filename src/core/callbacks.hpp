// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/frame.hpp"
#include "src/core/metadata.hpp"

#include <cstddef>
#include <cstdint>

// Tasks that are called with the outcome of a call when that has ended.
namespace yonder::core {

// Calls of clients have lower numbers.
inline constexpr std::uint64_t first_callback = std::uint64_t{1} << 56;
inline constexpr std::size_t most_callbacks = 16;  // of each other

// The id of the call that a call's callback is.
constexpr call_id callback_id(call_id const& of) noexcept {
  constexpr std::uint64_t other_session = 0x63616c6c6261636b;
  return {of.number < first_callback ? of.session ^ other_session : of.session, of.number + first_callback};
}

// The call that these terms make of an outcome. One that takes any is given a yonder::completion, encoded:
// u64 session, u64 number, u16 code, type and message (u64 size, less than 4096 bytes), u8 whether there is a
// value; then that.
frame make_callback(callback_terms const& terms, call_id const& of, frame const& outcome);

}  // namespace yonder::core
