// SPDX-License-Identifier: Apache-2.0
// How much a worker may be given, also one whose allocation ends.
#include "src/core/dispatcher.hpp"

#include "src/core/mutant.hpp"

#include <algorithm>

namespace yonder::core {

// Of the worker's time, at most; without a timeout as long as such calls have run so far, unless all that it
// ever had was less.
duration dispatcher::need_of(worker_session const& worker, call_record const& call) {
  if (call.policy.timeout != 0) return call.policy.timeout;
  return call.function->estimate <= worker.lasts ? call.function->estimate : 0;
}

// So many calls like this one end, one after the other, before the worker takes no more.
std::uint64_t dispatcher::runs_left(time_point now, worker_session const& worker, call_record const& call) {
  auto const left = std::max<duration>(0, worker.drains_at - now);
  auto const need = need_of(worker, call);
  return static_cast<std::uint64_t>(need == 0 ? left : left / need);
}

bool dispatcher::outlasts(time_point now, worker_session const& worker, call_record const& call) {
  if (worker.drains_at == never || YONDER_MUTANT(allocation_ignored)) return true;
  return runs_left(now, worker, call) > worker.items / worker.concurrency;
}

bool dispatcher::has_free_worker(image& one) {
  return free_worker(one, [](worker_session const& idle) { return !idle.passed_over; }) != nullptr;
}

std::uint32_t dispatcher::room(time_point now, worker_session const& worker, call_record const& call) const {
  if (call.count == 1 || (call.alone && worker.concurrency > 1)) return 1;
  if (call.function->home != nullptr && call.function->home->needs.isolate) return 1;
  std::uint64_t most = call.count;
  if (worker.drains_at != never) {
    auto const before = worker.items / worker.concurrency;
    auto const runs = runs_left(now, worker, call);
    most = std::min<std::uint64_t>(most, runs - std::min<std::uint64_t>(runs, before));
  }
  if (YONDER_RARELY()) {
    most = std::min<std::uint64_t>(most, 1 + call.id.number % call.count);
  } else {
    auto const left = std::max<duration>(0, prefetch_of(worker) - worker.backlog);
    auto const places = worker.concurrency - std::min<std::size_t>(worker.items, worker.concurrency);
    auto const by_time = std::max(places, static_cast<std::size_t>(left / estimate_of(*call.function)));
    auto const by_bytes = (limits_.bytes - std::min(worker.backlog_bytes, limits_.bytes)) /
                          std::max<std::size_t>(1, call.payload / call.count);
    most = std::min<std::uint64_t>({most, by_time, by_bytes});
  }
  return static_cast<std::uint32_t>(std::max<std::uint64_t>(1, most));
}

std::uint32_t dispatcher::room_behind(worker_session const& worker, call_record const& call,
                                      load_to_come const& others) const {
  auto const& function = *call.function;
  auto const isolated = function.home != nullptr && function.home->needs.isolate;
  if (call.alone || isolated || function.batches || worker.drains_at != never || YONDER_RARELY()) return 0;
  if (worker.outstanding.size() + others.records >= limits_.attempts) return 0;
  auto const left = std::max<duration>(0, prefetch_of(worker) - worker.backlog);
  auto const by_time = static_cast<std::size_t>(left / estimate_of(function));
  auto const by_bytes = limits_.bytes - std::min(worker.backlog_bytes + others.bytes, limits_.bytes);
  auto const most = std::min({std::size_t{call.count}, by_time - std::min(others.items, by_time),
                              by_bytes / std::max<std::size_t>(1, call.payload / call.count)});
  return static_cast<std::uint32_t>(most);
}

}  // namespace yonder::core
