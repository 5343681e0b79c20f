// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/trace_spans.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "src/core/trace.hpp"
#include "src/runtime/json_text.hpp"
#include "yonder/call.hpp"
#include "yonder/errc.hpp"

namespace yonder::runtime_detail {
namespace {

// Bytes of the character of UTF-8 that begins there (RFC 3629, section 4); 0: none does.
std::size_t character_at(std::string_view text) {
  auto const byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  auto const first = byte(0);
  std::size_t const size = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if (size == 0 || first > 0xf4 || size > text.size()) return 0;
  for (std::size_t i = 1; i < size; ++i)
    if ((byte(i) & 0xc0U) != 0x80) return 0;
  bool const is_long = (first == 0xe0 && byte(1) < 0xa0) || (first == 0xf0 && byte(1) < 0x90);
  bool const is_none = (first == 0xed && byte(1) > 0x9f) || (first == 0xf4 && byte(1) > 0x8f);
  return is_long || is_none ? 0 : size;
}

enum class part : std::uint8_t { queue = 1, attempt, start, run };

// Of a call's span and a part of it (SplitMix64; Steele, Lea, Flood 2014).
std::string id_within(std::string_view call, std::uint32_t attempt, part which) {
  auto const number = std::strtoull(std::string(call).c_str(), nullptr, 16);
  core::random_source mixed(number ^ (std::uint64_t{attempt} << 8U | static_cast<std::uint8_t>(which)));
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(mixed.next() | 1U));
  return text;
}

std::string id_of(core::call_id const& call) { return to_string(call_id{call.session, call.number}); }

void append_field(std::string& out, std::string_view name, std::string_view text) {
  if (out.back() != '{') out += ',';
  append_json(out, name);
  out += ':';
  append_json(out, text);
}

void append_attribute(std::string& out, std::string_view name, std::string_view text) {
  if (out.back() != '[') out += ',';
  out += R"({"key":)";
  append_json(out, name);
  out += R"(,"value":{"stringValue":)";
  append_json(out, text);
  out += "}}";
}

void append_span(std::string& out, trace_span const& one, std::int64_t wall_offset) {
  constexpr int internal = 1, server = 2, failed = 2;
  out += '{';
  append_field(out, "traceId", one.trace);
  append_field(out, "spanId", one.id);
  if (!one.parent.empty()) append_field(out, "parentSpanId", one.parent);
  append_field(out, "name", one.name);
  out += R"(,"kind":)" + std::to_string(one.is_call ? server : internal);
  append_field(out, "startTimeUnixNano", std::to_string(one.begin + wall_offset));
  append_field(out, "endTimeUnixNano", std::to_string(one.end + wall_offset));
  out += R"(,"attributes":[)";
  for (auto const& [name, text] : one.attributes) append_attribute(out, name, text);
  if (one.code != errc{}) append_attribute(out, "error.type", to_string(one.code));
  out += R"(],"status":{)";
  if (one.code != errc{}) {
    out += R"("code":)" + std::to_string(failed);
    append_field(out, "message", to_string(one.code));
  }
  out += "}}";
}

}  // namespace

void append_json(std::string& out, std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  out += '"';
  while (!text.empty()) {
    auto const size = character_at(text);
    auto const code = static_cast<unsigned char>(text.front());
    if (size == 0)
      out += '?';
    else if (code == '"' || code == '\\')
      (out += '\\') += text.front();
    else if (code < 0x20)
      ((out += "\\u00") += digits[code >> 4U]) += digits[code & 15U];
    else
      out += text.substr(0, size);
    text.remove_prefix(std::max<std::size_t>(size, 1));
  }
  out += '"';
}

std::vector<trace_span> spans_of(core::out::traced const& said) {
  core::trace_of const its(said.traceparent, said.call);
  trace_span call{.trace = std::string(its.trace()),
                  .id = std::string(its.span()),
                  .name = said.function,
                  .begin = said.since,
                  .end = said.ended,
                  .is_call = true,
                  .code = said.code,
                  .attributes = {{"yonder.call", id_of(said.call)}, {"yonder.task", said.function}}};
  if (said.items > 1) call.attributes.emplace_back("yonder.items", std::to_string(said.items));
  if (said.traceparent.size() == core::traceparent_size) call.parent = said.traceparent.substr(36, 16);
  if (said.attempt == 0) return {std::move(call)};
  auto const made = [&](part which, std::string name, core::time_point begin, core::time_point end) {
    trace_span one{.trace = call.trace,
                   .id = id_within(call.id, said.attempt, which),
                   .parent = call.id,
                   .name = std::move(name),
                   .begin = begin,
                   .end = std::max(begin, end)};
    one.attributes = call.attributes;
    one.attributes.emplace_back("yonder.attempt", std::to_string(said.attempt));
    return one;
  };
  auto const began = std::max(said.began, said.assigned);
  std::vector<trace_span> all{
      made(part::queue, "queue", said.since, said.assigned),
      made(part::attempt, "attempt " + std::to_string(said.attempt), said.assigned, said.ended),
      made(part::start, "start", said.assigned, began), made(part::run, "run", began, said.ended)};
  for (auto* const one : {&all[1], &all[3]}) {
    one->code = said.code;
    one->attributes.emplace_back("yonder.worker", said.worker);
  }
  for (auto* const one : {&all[2], &all[3]}) one->parent = all[1].id;
  return all;
}

std::string otlp_json(std::span<core::out::traced const> said, std::int64_t wall_offset,
                      std::vector<std::pair<std::string, std::string>> const& resource) {
  std::string out = R"({"resourceSpans":[{"resource":{"attributes":[)";
  for (auto const& [name, text] : resource) append_attribute(out, name, text);
  out += R"(]},"scopeSpans":[{"scope":{"name":"yonder"},"spans":[)";
  for (auto const& each : said)
    for (auto const& one : spans_of(each)) {
      if (out.back() != '[') out += ',';
      append_span(out, one, wall_offset);
    }
  return out + "]}]}]}";
}

std::string chrome_events::microseconds(core::time_point time) const {
  char text[32];
  std::snprintf(text, sizeof text, "%.3f", static_cast<double>(time - begin_) / 1e3);
  return text;
}

void chrome_events::begin_event(std::string& out) { out += std::exchange(first_, false) ? "{" : ",\n{"; }

void chrome_events::pair(std::string& out, std::string_view name, std::string const& id,
                         core::time_point from, core::time_point to) {
  for (auto const* const phase : {"b", "e"}) {
    begin_event(out);
    append_field(out, "name", name);
    append_field(out, "cat", "call");
    append_field(out, "ph", phase);
    append_field(out, "id", id);
    out += R"(,"pid":1,"tid":0,"ts":)" + microseconds(*phase == 'b' ? from : to) + "}";
  }
}

// The first of the worker's on which nothing runs at that time.
std::size_t chrome_events::track_of(std::string& out, core::out::traced const& said) {
  auto const found = std::find_if(tracks_.begin(), tracks_.end(), [&](track const& one) {
    return one.worker == said.worker && one.busy_until <= said.began;
  });
  if (found != tracks_.end()) return static_cast<std::size_t>(found - tracks_.begin()) + 1;
  tracks_.push_back({said.worker});
  begin_event(out);
  append_field(out, "name", "thread_name");
  append_field(out, "ph", "M");
  out += R"(,"pid":1,"tid":)" + std::to_string(tracks_.size()) + R"(,"args":{"name":)";
  append_json(out, said.worker);
  out += "}}";
  return tracks_.size();
}

void chrome_events::add(std::string& out, core::out::traced const& said) {
  auto const id = id_of(said.call);
  if (said.attempt == 0) return pair(out, said.function, id, said.since, said.ended);
  pair(out, "queue", id, said.since, said.assigned);
  auto const began = std::max(said.began, said.assigned);
  pair(out, "start", id, said.assigned, began);
  auto const place = track_of(out, said);
  tracks_[place - 1].busy_until = said.ended;
  begin_event(out);
  append_field(out, "name", said.function);
  append_field(out, "cat", "run");
  append_field(out, "ph", "X");
  out += R"(,"pid":1,"tid":)" + std::to_string(place) + R"(,"ts":)" + microseconds(began) + R"(,"dur":)";
  char text[32];
  std::snprintf(text, sizeof text, "%.3f", static_cast<double>(said.ended - began) / 1e3);
  (out += text) += R"(,"args":{)";
  append_field(out, "call", id);
  append_field(out, "attempt", std::to_string(said.attempt));
  if (said.items > 1) append_field(out, "calls", std::to_string(said.items));
  if (said.code != errc{}) append_field(out, "error", to_string(said.code));
  out += "}}";
}

}  // namespace yonder::runtime_detail
