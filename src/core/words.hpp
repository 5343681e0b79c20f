// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/builds.hpp"
#include "src/core/types.hpp"
#include "yonder/detail/export.hpp"

#include <string>

// For messages.
namespace yonder::core {

// In the largest unit of which it is a whole number: "2 s", "1500 ms", "250 us", "7 ns".
std::string in_words(duration time);
// For what was measured: likewise, without what nobody reads of it: "54 s", "1500 ms".
std::string roughly_in_words(duration time);

// 32 hexadecimal digits, as yonder::to_string(call_id) has them.
std::string in_words(call_id const& id);

// "build 00c0ffee00c0ffee of 'app'"; of one that was not told "a build that it does not tell, of 'app'".
std::string in_words(program_build const& one);
// "build 00c0ffee00c0ffee"
YONDER_API std::string build_in_digits(std::uint64_t build);  // 16 of them, hexadecimal
std::string build_in_words(std::uint64_t build);

// What a frame is past: "the result takes 300000 bytes; the hub receives at most 262145
// (runtime_options::max_call_bytes of the hub, and 262144 for what surrounds them)". `what`: "the arguments
// take", `whose`: "hub".
std::string excess_in_words(std::size_t bytes, std::size_t buffers, frame_limits const& most,
                            std::string_view what, std::string_view whose);
std::string excess_in_words(frame const& message, frame_limits const& most, std::string_view what,
                            std::string_view whose);

}  // namespace yonder::core
