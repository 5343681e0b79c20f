// SPDX-License-Identifier: Apache-2.0
#include "src/http/metrics.hpp"

#include <algorithm>
#include <set>
#include <string_view>

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

void write_traces(prometheus_text& out, runtime_snapshot const& program) {
  out.begin("yonder_traced_total", "counter", "Calls and attempts whose traces were written.");
  out.sample("yonder_traced_total", {}, program.traced);
  out.begin("yonder_traces_lost_total", "counter", "Calls and attempts whose traces were lost.");
  out.sample("yonder_traces_lost_total", {}, program.traces_lost);
}

labels labels_of(task_snapshot const& task) { return {{"task", task.name}, {"pool", task.pool}}; }

void write_tasks(prometheus_text& out, std::vector<task_snapshot> const& tasks) {
  out.begin("yonder_task_calls_total", "counter", "Calls that have ended, whoever made them, by their code.");
  for (auto const& task : tasks) {
    auto const ended = [&](std::string const& code, std::uint64_t count) {
      auto its = labels_of(task);
      its.emplace_back("code", code);
      out.sample("yonder_task_calls_total", its, count);
    };
    ended("ok", task.succeeded);
    ended("cancelled", task.cancelled);
    for (auto const& [code, count] : task.failed)
      if (code != errc::cancelled) ended(word_for(code), count);
  }
  out.begin("yonder_task_calls", "gauge", "Calls that have not ended, whoever made them.");
  for (auto const& task : tasks) out.sample("yonder_task_calls", labels_of(task), task.calls - task.ended());
  out.begin("yonder_task_argument_bytes_total", "counter", "Bytes in which calls came.");
  for (auto const& task : tasks)
    out.sample("yonder_task_argument_bytes_total", labels_of(task), task.argument_bytes);
  out.begin("yonder_task_result_bytes_total", "counter", "Bytes in which workers have returned values.");
  for (auto const& task : tasks)
    out.sample("yonder_task_result_bytes_total", labels_of(task), task.result_bytes);
  out.begin("yonder_task_run_seconds", "histogram", "How long attempts that returned a value ran.");
  for (auto const& task : tasks) {
    if (std::all_of(task.runs.begin(), task.runs.end(), [](auto count) { return count == 0; })) continue;
    std::vector<double> ends;
    for (std::size_t i = 0; i + 1 < task.runs.size(); ++i)
      ends.push_back(static_cast<double>(std::uint64_t{1} << i) * 1e-6);
    out.histogram("yonder_task_run_seconds", labels_of(task), ends, task.runs,
                  std::chrono::duration<double>(task.run_time).count());
  }
}

double seconds_of(std::chrono::nanoseconds time) { return std::chrono::duration<double>(time).count(); }

// How many calls went together.
void write_groups(prometheus_text& out, std::string_view name, std::string_view help,
                  std::vector<task_snapshot> const& tasks, std::vector<std::uint64_t> task_snapshot::*counts,
                  std::uint64_t task_snapshot::*calls) {
  out.begin(name, "histogram", help);
  for (auto const& task : tasks) {
    if (task.*calls == 0) continue;
    std::vector<double> ends;
    for (std::size_t i = 0; i + 1 < (task.*counts).size(); ++i)
      ends.push_back(static_cast<double>(std::uint64_t{1} << i));
    out.histogram(name, labels_of(task), ends, task.*counts, static_cast<double>(task.*calls));
  }
}

void write_queues(prometheus_text& out, std::vector<queue_snapshot> const& queues) {
  out.begin("yonder_task_calls_queued", "gauge", "Calls that wait for a worker, by the pool that has such.");
  for (auto const& one : queues)
    out.sample("yonder_task_calls_queued", {{"task", one.task}, {"pool", one.pool}},
               std::uint64_t{one.calls});
  out.begin("yonder_task_queue_age_seconds", "gauge", "For how long the first of them has waited.");
  for (auto const& one : queues)
    out.sample("yonder_task_queue_age_seconds", {{"task", one.task}, {"pool", one.pool}},
               seconds_of(one.oldest));
}

void write_pools(prometheus_text& out, runtime_snapshot const& hub) {
  out.begin("yonder_pool_workers", "gauge", "Workers of a pool.");
  for (auto const& pool : hub.pools)
    for (auto const& [state, count] :
         {std::pair("idle", pool.idle_workers), std::pair("busy", pool.workers - pool.idle_workers),
          std::pair("starting", pool.starting_workers), std::pair("parked", pool.parked_workers)})
      out.sample("yonder_pool_workers", {{"pool", pool.name}, {"state", state}}, std::uint64_t{count});
  out.begin("yonder_pool_max_workers", "gauge", "Workers that a pool may have.");
  for (auto const& pool : hub.pools)
    out.sample("yonder_pool_max_workers", {{"pool", pool.name}}, std::uint64_t{pool.max});
  out.begin("yonder_pool_calls_queued", "gauge", "Calls that wait for a worker of the pool.");
  for (auto const& pool : hub.pools)
    out.sample("yonder_pool_calls_queued", {{"pool", pool.name}}, std::uint64_t{pool.queued});
  if (!hub.gpus.empty()) {
    out.begin("yonder_pool_gpu_memory_leased_bytes", "gauge",
              "Memory of GPUs that workers of a pool were given.");
    for (auto const& pool : hub.pools)
      out.sample("yonder_pool_gpu_memory_leased_bytes", {{"pool", pool.name}}, pool.gpu_memory);
  }
  out.begin("yonder_pool_queue_age_seconds", "gauge", "For how long the first of them has waited.");
  for (auto const& pool : hub.pools) {
    std::chrono::nanoseconds oldest{};
    for (auto const& queue : hub.queues)
      if (queue.pool == pool.name) oldest = std::max(oldest, queue.oldest);
    out.sample("yonder_pool_queue_age_seconds", {{"pool", pool.name}}, seconds_of(oldest));
  }
}

// Where there is none, nothing is said.
void write_gpus(prometheus_text& out, std::vector<gpu_snapshot> const& gpus) {
  if (gpus.empty()) return;
  out.begin("yonder_gpu_memory_bytes", "gauge", "Memory of a GPU of the hub's machine.");
  for (auto const& gpu : gpus) out.sample("yonder_gpu_memory_bytes", {{"gpu", gpu.id}}, gpu.memory);
  out.begin("yonder_gpu_memory_leased_bytes", "gauge", "Of it, what workers were given.");
  for (auto const& gpu : gpus) out.sample("yonder_gpu_memory_leased_bytes", {{"gpu", gpu.id}}, gpu.leased);
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

void add_to(std::vector<std::pair<errc, std::uint64_t>>& failed, errc code, std::uint64_t count) {
  auto const found =
      std::find_if(failed.begin(), failed.end(), [code](auto const& one) { return one.first == code; });
  if (found == failed.end())
    failed.emplace_back(code, count);
  else
    found->second += count;
}

// Of a task of which a worker has run nothing.
void add_to(task_snapshot& all, task_snapshot const& task) {
  all.calls += task.calls;
  all.succeeded += task.succeeded;
  all.cancelled += task.cancelled;
  all.argument_bytes += task.argument_bytes;
  all.result_bytes += task.result_bytes;
  for (auto const& [code, count] : task.failed) add_to(all.failed, code, count);
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

void metrics::gather_unserved(runtime_snapshot& hub) {
  // Of a pool that is forgotten there are no rows: others may have their names.
  std::set<task_and_pool> there;
  for (auto const& task : hub.tasks) there.emplace(task.name, task.pool);
  std::erase_if(unserved_, [&](auto const& row) { return !there.contains(row); });
  task_snapshot others;
  std::set<task_and_pool> gathered;
  std::erase_if(hub.tasks, [&](task_snapshot& task) {
    bool const is_served = task.calls_in_frames != 0;
    task_and_pool row(task.name, task.pool);
    if (is_served) unserved_.erase(row);
    if (is_served || unserved_.contains(row)) return false;
    if (!task.name.empty() && unserved_.size() < most_unserved)
      return unserved_.insert(std::move(row)), false;
    add_to(others, task);
    gathered.insert(std::move(row));
    return true;
  });
  if (gathered.empty()) return;
  auto const nameless = std::find_if(hub.tasks.begin(), hub.tasks.end(),
                                     [](auto const& task) { return task.name.empty() && task.pool.empty(); });
  if (nameless != hub.tasks.end())
    add_to(*nameless, others);
  else
    hub.tasks.push_back(std::move(others));
  // A task that the hub counts among those without a name has no row, and may have a queue.
  std::set<std::string_view> kept;
  for (auto const& task : hub.tasks) kept.insert(task.name);
  auto const is_nameless = [&](queue_snapshot const& one) {
    return gathered.contains({one.task, one.pool}) || !kept.contains(one.task);
  };
  std::map<std::string, queue_snapshot> queues;  // by pool
  std::erase_if(hub.queues, [&](queue_snapshot const& one) {
    if (!is_nameless(one)) return false;
    auto& queue = queues.try_emplace(one.pool, queue_snapshot{.task = {}, .pool = one.pool}).first->second;
    queue.calls += one.calls;
    queue.oldest = std::max(queue.oldest, one.oldest);
    return true;
  });
  for (auto& [pool, queue] : queues) hub.queues.push_back(std::move(queue));
}

std::string metrics::text(std::size_t running, runtime_snapshot const& hub, bool has_hub,
                          std::vector<schedule_snapshot> const& schedules) const {
  prometheus_text out;
  if (has_hub) {
    write_hub(out, hub);
    write_tasks(out, hub.tasks);
    write_groups(out, "yonder_task_frame_calls", "How many calls a worker was given at once.", hub.tasks,
                 &task_snapshot::frames, &task_snapshot::calls_in_frames);
    write_groups(out, "yonder_task_batch_calls", "How many calls of a batched task were run together.",
                 hub.tasks, &task_snapshot::batches, &task_snapshot::calls_in_batches);
    write_queues(out, hub.queues);
    write_pools(out, hub);
    write_gpus(out, hub.gpus);
  }
  write_traces(out, hub);
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
