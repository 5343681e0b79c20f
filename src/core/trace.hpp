// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/frame.hpp"

#include <array>
#include <span>
#include <string_view>

// W3C Trace Context (https://www.w3.org/TR/trace-context/): "00-<32 hex>-<16 hex>-<2 hex>".
namespace yonder::core {

inline constexpr std::size_t traceparent_size = 55;

// Lower case, neither id all zeros, and of version 00.
bool is_traceparent(std::string_view text) noexcept;

// The field of a call or an assignment; empty: it has none that is one.
std::string_view read_traceparent(std::span<std::byte const> metadata);

// The flag `sampled`; also where nothing is given.
bool is_sampled(std::string_view traceparent) noexcept;

// What the call hands on with what it asks others for: `given`, or, where that is empty, a trace of its own
// under its id; with the call as the parent.
class trace_of {
 public:
  trace_of(std::string_view given, call_id const& call) noexcept;
  std::string_view text() const noexcept { return {text_.data(), text_.size()}; }
  std::string_view trace() const noexcept { return text().substr(3, 32); }
  std::string_view span() const noexcept { return text().substr(36, 16); }  // of the call

 private:
  std::array<char, traceparent_size> text_;
};

}  // namespace yonder::core
