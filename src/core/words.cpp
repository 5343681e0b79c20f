// SPDX-License-Identifier: Apache-2.0
#include "src/core/words.hpp"

namespace yonder::core {

std::string in_words(duration time) {
  struct unit {
    duration length;
    char const* name;
  };
  constexpr unit units[] = {{second, " s"}, {millisecond, " ms"}, {microsecond, " us"}};
  for (auto const& each : units)
    if (time % each.length == 0) return std::to_string(time / each.length) + each.name;
  return std::to_string(time) + " ns";
}

std::string roughly_in_words(duration time) {
  for (auto const unit : {second, millisecond, microsecond})
    if (time >= 10 * unit) return in_words(time - time % unit);
  return in_words(time);
}

namespace {
constexpr char digits[] = "0123456789abcdef";
}  // namespace

std::string build_in_digits(std::uint64_t build) {
  std::string text(16, '0');
  for (std::size_t i = 0; i < 16; ++i) text[15 - i] = digits[build >> (4 * i) & 15U];
  return text;
}

std::string build_in_words(std::uint64_t build) { return "build " + build_in_digits(build); }

std::string in_words(program_build const& one) {
  auto text = one.build == 0 ? std::string("a build that is not told") : build_in_words(one.build);
  return one.program.empty() ? text : text + " of '" + one.program + "'";
}

std::string in_words(call_id const& id) {
  std::string text(32, '0');
  for (std::size_t i = 0; i < 16; ++i) {
    text[15 - i] = digits[id.session >> (4 * i) & 15U];
    text[31 - i] = digits[id.number >> (4 * i) & 15U];
  }
  return text;
}

std::string excess_in_words(std::size_t bytes, std::size_t buffers, frame_limits const& most,
                            std::string_view what, std::string_view whose) {
  auto const counted = [&](std::uint64_t found, char const* unit, std::uint64_t limit) {
    return std::string(what) + " " + std::to_string(found) + unit + "; the " + std::string(whose) +
           " receives at most " + std::to_string(limit);
  };
  if (buffers > most.max_buffers) return counted(buffers, " buffers", most.max_buffers);
  return counted(bytes, " bytes", most.max_frame_bytes) + " (runtime_options::max_call_bytes of the " +
         std::string(whose) + ", and " + std::to_string(frame_envelope) + " for what surrounds them)";
}

std::string excess_in_words(frame const& message, frame_limits const& most, std::string_view what,
                            std::string_view whose) {
  return excess_in_words(size_of(message), message.buffers.size(), most, what, whose);
}

failure failure_of(errc code, std::string text) {
  failure error;
  error.code = code;
  error.message = std::move(text);
  return error;
}

failure copy_of(failure const& error) {
  failure made;
  made.code = error.code;
  made.function = error.function;
  made.type_name = error.type_name;
  made.message = error.message;
  made.payload = byte_buffer::copy_of(error.payload.bytes());
  made.attempt = error.attempt;
  made.worker = error.worker;
  made.signal = error.signal;
  made.exit_status = error.exit_status;
  made.stderr_tail = error.stderr_tail;
  return made;
}

}  // namespace yonder::core
