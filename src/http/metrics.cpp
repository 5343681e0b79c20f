// SPDX-License-Identifier: Apache-2.0
#include "src/http/metrics.hpp"

#include <algorithm>

#include "src/http/prometheus.hpp"

namespace yonder::http {

void metrics::request(std::string_view route, unsigned status) { ++requests_[{std::string(route), status}]; }

void metrics::call_ended(std::string_view task, errc code, std::chrono::nanoseconds took) {
  auto found = tasks_.find(task);
  if (found == tasks_.end()) found = tasks_.emplace(task, task_numbers()).first;
  auto& numbers = found->second;
  auto const seconds = std::chrono::duration<double>(took).count();
  ++numbers.ended[code];
  ++numbers.durations[static_cast<std::size_t>(std::lower_bound(bounds.begin(), bounds.end(), seconds) -
                                               bounds.begin())];
  numbers.seconds += seconds;
}

std::string metrics::text(std::size_t running) const {
  prometheus_text out;
  out.begin("yonder_http_requests_total", "counter", "Requests that were answered.");
  for (auto const& [key, count] : requests_)
    out.sample("yonder_http_requests_total", {{"route", key.first}, {"status", std::to_string(key.second)}},
               count);
  out.begin("yonder_http_calls_running", "gauge", "Calls that requests have begun and that have not ended.");
  out.sample("yonder_http_calls_running", {}, running);
  out.begin("yonder_http_calls_total", "counter",
            "Calls that requests have begun and that have ended, by their code.");
  for (auto const& [task, numbers] : tasks_)
    for (auto const& [code, count] : numbers.ended)
      out.sample("yonder_http_calls_total",
                 {{"task", task}, {"code", code == errc{} ? "ok" : std::string(to_string(code))}}, count);
  out.begin("yonder_http_call_duration_seconds", "histogram",
            "From a request's arrival to the end of its call.");
  for (auto const& [task, numbers] : tasks_)
    out.histogram("yonder_http_call_duration_seconds", {{"task", task}}, bounds, numbers.durations,
                  numbers.seconds);
  return std::move(out).finish();
}

}  // namespace yonder::http
