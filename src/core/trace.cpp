// SPDX-License-Identifier: Apache-2.0
#include "src/core/trace.hpp"

#include "src/core/metadata.hpp"

#include <algorithm>

namespace yonder::core {
namespace {

bool is_hex(std::string_view text) noexcept {
  return text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool is_id(std::string_view text) noexcept {
  return is_hex(text) && text.find_first_not_of('0') != std::string_view::npos;
}

void write_hex(char* at, std::uint64_t number) noexcept {
  for (auto* place = at + 16; place != at; number >>= 4U) *--place = "0123456789abcdef"[number & 15U];
}

// Numbers of calls follow each other, and each session counts its own: this tells those of one trace apart
// (the finalizer of MurmurHash3, which maps only 0 to 0).
std::uint64_t span_of(call_id const& call) noexcept {
  auto mixed = call.session ^ (call.number * 0x9e3779b97f4a7c15U);
  mixed = (mixed ^ (mixed >> 33U)) * 0xff51afd7ed558ccdU;
  mixed = (mixed ^ (mixed >> 33U)) * 0xc4ceb9fe1a85ec53U;
  return std::max<std::uint64_t>(mixed ^ (mixed >> 33U), 1);
}

}  // namespace

bool is_traceparent(std::string_view text) noexcept {
  return text.size() == traceparent_size && text.starts_with("00-") && text[35] == '-' && text[52] == '-' &&
         is_id(text.substr(3, 32)) && is_id(text.substr(36, 16)) && is_hex(text.substr(53));
}

bool is_sampled(std::string_view traceparent) noexcept {
  if (traceparent.empty()) return true;
  auto const last = traceparent.back();
  auto const digit = last <= '9' ? last - '0' : last - 'a' + 10;
  return (digit & 1) != 0;
}

trace_of::trace_of(std::string_view given, call_id const& call) noexcept {
  constexpr std::string_view form = "00-00000000000000000000000000000000-0000000000000000-00";
  static_assert(form.size() == traceparent_size);
  auto const is_given = given.size() == traceparent_size;
  std::copy_n((is_given ? given : form).begin(), traceparent_size, text_.begin());
  if (!is_given) {
    write_hex(text_.data() + 3, call.session);
    write_hex(text_.data() + 19, call.number);
  }
  write_hex(text_.data() + 36, span_of(call));
}

}  // namespace yonder::core
