// SPDX-License-Identifier: Apache-2.0
#include "src/http/metrics.hpp"

#include <algorithm>

#include "src/http/prometheus.hpp"

namespace yonder::http {

namespace {

std::string word_for(errc code) { return code == errc{} ? "ok" : std::string(to_string(code)); }

void write_hub(prometheus_text& out, runtime_snapshot const& hub) {
  struct {
    std::string_view name, type, help;
    std::uint64_t value;
  } const numbers[]{
      {"yonder_clients", "gauge", "Connected programs that call.", hub.clients},
      {"yonder_workers_starting", "gauge", "Workers that were started and have not connected.",
       hub.starting_workers},
      {"yonder_calls", "gauge", "Calls that have not ended.", hub.calls},
      {"yonder_calls_queued", "gauge", "Calls that wait for a worker.", hub.queued},
      {"yonder_calls_delayed", "gauge", "Calls that wait for their next attempt.", hub.delayed},
      {"yonder_call_bytes", "gauge", "Bytes of the arguments of calls that have not ended.", hub.bytes},
      {"yonder_attempts_total", "counter", "Attempts that were given to a worker.", hub.attempts},
      {"yonder_retries_total", "counter", "Attempts after a first one.", hub.retries},
      {"yonder_workers_lost_total", "counter", "Workers that ended or fell silent with work in their hands.",
       hub.workers_lost},
      {"yonder_workers_killed_total", "counter", "Workers that were ended, after a timeout say.",
       hub.workers_killed},
      {"yonder_traced_total", "counter", "Calls and attempts whose traces were written.", hub.traced},
      {"yonder_traces_lost_total", "counter", "Calls and attempts whose traces were lost.", hub.traces_lost},
      {"yonder_worker_start_failures_total", "counter", "Workers that did not start.", hub.start_failures},
  };
  for (auto const& one : numbers) {
    out.begin(one.name, one.type, one.help);
    out.sample(one.name, {}, one.value);
  }
  out.begin("yonder_workers", "gauge", "Connected workers.");
  out.sample("yonder_workers", {{"state", "idle"}}, std::uint64_t{hub.idle_workers});
  out.sample("yonder_workers", {{"state", "busy"}}, std::uint64_t{hub.workers - hub.idle_workers});
}

void write_tasks(prometheus_text& out, std::vector<task_snapshot> const& tasks) {
  out.begin("yonder_task_calls_total", "counter", "Calls that have ended, whoever made them, by their code.");
  for (auto const& task : tasks) {
    out.sample("yonder_task_calls_total", {{"task", task.name}, {"code", "ok"}}, task.succeeded);
    out.sample("yonder_task_calls_total", {{"task", task.name}, {"code", "cancelled"}}, task.cancelled);
    for (auto const& [code, count] : task.failed)
      if (code != errc::cancelled)
        out.sample("yonder_task_calls_total", {{"task", task.name}, {"code", word_for(code)}}, count);
  }
  out.begin("yonder_task_calls", "gauge", "Calls that have not ended, whoever made them.");
  for (auto const& task : tasks)
    out.sample("yonder_task_calls", {{"task", task.name}}, task.calls - task.ended());
  out.begin("yonder_task_run_seconds", "histogram", "How long attempts that returned a value ran.");
  for (auto const& task : tasks) {
    std::vector<double> ends;
    for (std::size_t i = 0; i + 1 < task.runs.size(); ++i)
      ends.push_back(static_cast<double>(std::uint64_t{1} << i) * 1e-6);
    out.histogram("yonder_task_run_seconds", {{"task", task.name}}, ends, task.runs,
                  std::chrono::duration<double>(task.run_time).count());
  }
}

// Two of one name are told apart by their numbers.
void write_schedules(prometheus_text& out, std::vector<schedule_snapshot> const& schedules) {
  struct {
    std::string_view name, help;
    std::uint64_t schedule_snapshot::*count;
  } const numbers[]{
      {"yonder_schedule_runs_total", "Calls that schedules have made.", &schedule_snapshot::runs},
      {"yonder_schedule_failures_total", "Of them, those that failed.", &schedule_snapshot::failed},
      {"yonder_schedule_skipped_total", "Times at which none was made, as the one before went on.",
       &schedule_snapshot::skipped},
  };
  for (auto const& one : numbers) {
    out.begin(one.name, "counter", one.help);
    for (auto const& schedule : schedules)
      out.sample(one.name, {{"schedule", schedule.name}, {"id", std::to_string(schedule.id)}},
                 schedule.*one.count);
  }
}

}  // namespace

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

std::string metrics::text(std::size_t running, runtime_snapshot const& hub,
                          std::vector<schedule_snapshot> const& schedules) const {
  prometheus_text out;
  write_hub(out, hub);
  write_tasks(out, hub.tasks);
  write_schedules(out, schedules);
  out.begin("yonder_http_requests_total", "counter", "Requests that were answered.");
  for (auto const& [key, count] : requests_)
    out.sample("yonder_http_requests_total", {{"route", key.first}, {"status", std::to_string(key.second)}},
               count);
  out.begin("yonder_http_calls_running", "gauge", "Calls that requests have begun and that have not ended.");
  out.sample("yonder_http_calls_running", {}, std::uint64_t{running});
  out.begin("yonder_http_calls_total", "counter",
            "Calls that requests have begun and that have ended, by their code.");
  for (auto const& [task, numbers] : tasks_)
    for (auto const& [code, count] : numbers.ended)
      out.sample("yonder_http_calls_total", {{"task", task}, {"code", word_for(code)}}, count);
  out.begin("yonder_http_call_duration_seconds", "histogram",
            "From a request's arrival to the end of its call.");
  for (auto const& [task, numbers] : tasks_)
    out.histogram("yonder_http_call_duration_seconds", {{"task", task}}, bounds, numbers.durations,
                  numbers.seconds);
  return std::move(out).finish();
}

}  // namespace yonder::http
