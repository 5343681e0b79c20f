// SPDX-License-Identifier: Apache-2.0
//
// Where traces go: runtime_options::traces, and the variables that OpenTelemetry's exporters read
// (https://opentelemetry.io/docs/specs/otel/protocol/exporter/).
#include "src/runtime/trace_setup.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <string_view>
#include <utility>
#include <vector>

#include "src/platform/process.hpp"
#include "src/platform/stderr_writer.hpp"
#include "yonder/error.hpp"

namespace yonder::runtime_detail {
namespace {

using pairs = std::vector<std::pair<std::string, std::string>>;
using environment = std::function<std::string(char const*)>;

[[noreturn]] void refuse_traces(std::string message) {
  detail::throw_error({.code = errc::bad_configuration, .message = std::move(message)});
}

int digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  auto const lower = static_cast<char>(c | 0x20);
  return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return text;
}

// "key1=value1,key2=value2", with the values in percent.
pairs pairs_in(std::string_view text) {
  pairs found;
  while (!text.empty()) {
    auto const end = std::min(text.find(','), text.size());
    auto const one = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    auto const middle = one.find('=');
    if (middle == std::string_view::npos) continue;
    std::string value;
    auto const encoded = trimmed(one.substr(middle + 1));
    for (std::size_t i = 0; i < encoded.size(); ++i) {
      auto const coded = encoded[i] == '%' && i + 2 < encoded.size() && digit(encoded[i + 1]) >= 0 &&
                         digit(encoded[i + 2]) >= 0;
      value += coded ? static_cast<char>(digit(encoded[i + 1]) * 16 + digit(encoded[i + 2])) : encoded[i];
      if (coded) i += 2;
    }
    found.emplace_back(trimmed(one.substr(0, middle)), std::move(value));
  }
  return found;
}

// What holds for traces alone goes before what holds for all signals.
std::string of_traces(environment const& variable, char const* own, char const* common) {
  auto value = variable(own);
  return value.empty() ? variable(common) : value;
}

http::poster_options poster_of(trace_options const& options, environment const& variable) {
  http::poster_options how;
  struct {
    char const* name;
    std::string value;
    bool is_whole;
  } const places[]{
      {"trace_options::endpoint", options.endpoint, false},
      {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"), true},
      {"OTEL_EXPORTER_OTLP_ENDPOINT", variable("OTEL_EXPORTER_OTLP_ENDPOINT"), false}};
  for (auto const& one : places) {
    if (one.value.empty()) continue;
    how.endpoint = one.value;
    how.named_by = std::string(one.name) + ": '" + one.value + "'";
    if (one.is_whole) break;
    while (how.endpoint.ends_with('/')) how.endpoint.pop_back();
    how.endpoint += "/v1/traces";
    break;
  }
  how.fields =
      pairs_in(of_traces(variable, "OTEL_EXPORTER_OTLP_TRACES_HEADERS", "OTEL_EXPORTER_OTLP_HEADERS"));
  auto const patience =
      of_traces(variable, "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT");
  constexpr long longest = 60'000;
  if (auto const stated = std::strtol(patience.c_str(), nullptr, 10); stated > 0)
    how.patience = std::chrono::milliseconds(std::min(stated, longest));
  return how;
}

pairs resource_of(environment const& variable) {
  auto all = pairs_in(variable("OTEL_RESOURCE_ATTRIBUTES"));
  auto name = variable("OTEL_SERVICE_NAME");
  bool named = false;
  for (auto& [key, value] : all) {
    if (key != "service.name") continue;
    named = true;
    if (!name.empty()) value = name;
  }
  if (!named)
    all.emplace_back("service.name", name.empty() ? std::string(::program_invocation_short_name) : name);
  all.emplace_back("process.pid", std::to_string(::getpid()));
  return all;
}

bool is_off(environment const& variable) {
  auto const disabled = variable("OTEL_SDK_DISABLED");
  return disabled == "true" || disabled == "TRUE" || variable("OTEL_TRACES_EXPORTER") == "none";
}

}  // namespace

std::shared_ptr<trace_writer> open_traces(runtime_options const& options, bool embeds_hub,
                                          http::gateway_factory const* factory, environment const& variable) {
  auto const& wanted = options.traces;
  if (!embeds_hub) {
    if (wanted.endpoint.empty() && wanted.file.empty()) return nullptr;
    refuse_traces("runtime_options::traces: the hub is elsewhere, and what happens to calls is seen there");
  }
  trace_writer::config how;
  how.file = wanted.file.empty() ? variable("YONDER_TRACE_FILE") : wanted.file;
  auto const told = poster_of(wanted, variable);
  auto const exports = !told.endpoint.empty() && (!wanted.endpoint.empty() || !is_off(variable));
  if (exports && factory != nullptr)
    how.poster = factory->open_poster(told);
  else if (exports && !wanted.endpoint.empty())
    refuse_traces("to send traces to '" + wanted.endpoint +
                  "' this program must be linked with yonder::http");
  if (how.file.empty() && how.poster == nullptr) return nullptr;
  how.resource = resource_of(variable);
  how.tell = [log = options.log](std::string const& line) {
    if (log)
      log(line);
    else
      platform::stderr_writer().write("yonder: " + line + "\n");
  };
  return std::make_shared<trace_writer>(std::move(how));
}

}  // namespace yonder::runtime_detail
