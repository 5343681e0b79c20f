// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "src/core/types.hpp"

// What a hub says of calls (out::traced), as spans of a trace: for OpenTelemetry, and for Perfetto.
namespace yonder::runtime_detail {

struct trace_span {
  std::string trace{};   // 32 hexadecimal digits
  std::string id{};      // 16
  std::string parent{};  // 16; empty: it has none
  std::string name{};
  core::time_point begin = 0;
  core::time_point end = 0;
  bool is_call = false;
  errc code{};  // 0: it went well
  std::vector<std::pair<std::string_view, std::string>> attributes{};
};

// Of a call: one. Of an attempt: queue (of the call), attempt, and in that start and run. Their ids follow
// from the call's, which is the one that this_call::trace() hands on.
std::vector<trace_span> spans_of(core::out::traced const& said);

// The body of an ExportTraceServiceRequest as JSON (OpenTelemetry Protocol 1.x). `wall_offset`: what the time
// of day is ahead of the spans' clock, in nanoseconds since 1970. `resource`: attributes, service.name among
// them.
std::string otlp_json(std::span<core::out::traced const> said, std::int64_t wall_offset,
                      std::vector<std::pair<std::string, std::string>> const& resource);

// Events of a Chrome trace ("Trace Event Format"), one JSON object after the other: calls and their waits as
// asynchronous ones, runs on a track of their worker's, several tracks where it runs several at once.
class chrome_events {
 public:
  explicit chrome_events(core::time_point begin) : begin_(begin) {}
  // Appends to `out` those of one, each with a comma and a line's end before it, but for the very first.
  void add(std::string& out, core::out::traced const& said);

 private:
  struct track {
    std::string worker;
    core::time_point busy_until = 0;
  };
  std::size_t track_of(std::string& out, core::out::traced const& said);
  void begin_event(std::string& out);
  void pair(std::string& out, std::string_view name, std::string const& id, core::time_point from,
            core::time_point to);
  std::string microseconds(core::time_point time) const;

  core::time_point begin_;
  bool first_ = true;
  std::vector<track> tracks_;
};

}  // namespace yonder::runtime_detail
