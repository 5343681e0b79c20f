// SPDX-License-Identifier: Apache-2.0
#include "src/core/dispatcher.hpp"

#include "src/core/check.hpp"
#include "src/core/mutant.hpp"

#include <algorithm>

namespace yonder::core {
namespace {

constexpr duration shortest_run = 200;  // ns; what is measured in microseconds may read 0
constexpr int candidates = 4;           // busy workers that are asked for room before a call waits
constexpr std::size_t kept_lanes = 8;   // of a function; where there are more, those go that are empty

lane_place* place_in(lane& one, image const& by) {
  auto const found =
      std::find_if(one.places.begin(), one.places.end(), [&](auto const& place) { return place->by == &by; });
  return found == one.places.end() ? nullptr : found->get();
}

// More than what runs.
bool has_waiting(worker_session const& worker) { return worker.items > worker.concurrency; }

// Something that it runs, or will run next, is fenced: what waits behind that might wait for long.
bool is_stuck(worker_session& worker) {
  auto const places = worker.places();
  for (std::size_t i = 0; i < places; ++i)
    if (worker.outstanding[i].call == nullptr && !worker.outstanding[i].ended) return true;
  return false;
}

// A call that must have no neighbours is in it.
bool is_taken(worker_session& worker) {
  if (worker.concurrency == 1) return false;
  return worker.outstanding.front().alone;
}

// Small frames overtake those that are still leaving, and are started before them.
std::size_t place_of(worker_session& worker, std::size_t bytes) {
  auto index = worker.outstanding.size();
  if (worker.conn.reliable() || link::is_bulk(bytes)) return index;
  while (index > worker.running) {
    auto const& before = worker.outstanding[index - 1];
    if (!link::is_bulk(before.frame_bytes) || worker.conn.was_transmitted(before.sequence)) break;
    --index;
  }
  return index;
}

}  // namespace

void add_place(lane& one, image& by) {
  auto& place = *one.places.emplace_back(std::make_unique<lane_place>());
  place.of = &one;
  place.by = &by;
}

// --- queues

service_rank dispatcher::rank_of(call_record const& call) {
  return core::rank_of(call.priority, YONDER_MUTANT(depth_ignored) ? 0 : call.depth);
}

// Where calls like this one wait.
lane& dispatcher::lane_of(call_record const& call) {
  auto& queue = call.function->queue;
  auto const rank = rank_of(call);
  auto* const recent = queue.recent;
  if (recent != nullptr && recent->flow == call.flow && recent->rank == rank) return *recent;
  auto& held = queue.lanes[{call.flow, rank}];
  if (held == nullptr) {
    held = std::make_unique<lane>();
    held->function = call.function;
    held->flow = call.flow;
    held->rank = rank;
    for (auto* const by : call.function->offers) add_place(*held, *by);
    queue.in_order.push_back(*held);
  }
  queue.recent = held.get();
  if (recent != nullptr && recent->calls.empty() && queue.in_order.size() > kept_lanes) forget(*recent);
  return *held;
}

void dispatcher::forget(lane& empty) {
  auto& queue = empty.function->queue;
  queue.in_order.remove(empty);
  queue.lanes.erase({empty.flow, empty.rank});
}

// The first call of the lane is another one than before.
void dispatcher::reorder(lane& one) {
  for (auto const& place : one.places) place->by->order.update(*place);
}

void dispatcher::enqueue(time_point now, call_record& call) {
  call.stage = call_stage::queued;
  call.stamp = ++last_stamp_;
  call.queued_since = now;
  call.charged = {};
  auto& lane = lane_of(call);
  call.lane = &lane;
  lane.calls.push_back(call);
  if (&lane.calls.front() == &call) reorder(lane);
  queue_grew(now, call);
}

void dispatcher::requeue(time_point now, call_record& call) {
  call.stage = call_stage::queued;
  auto& lane = lane_of(call);
  call.lane = &lane;
  call_record* place = nullptr;
  auto const earlier = [&](call_record const& one) {
    return one.stamp < call.stamp || (one.stamp == call.stamp && one.id.number < call.id.number);
  };
  for (auto* one = lane.calls.first(); one != nullptr && earlier(*one); one = lane.calls.after(*one))
    place = one;
  YONDER_CHECK(call.stamp != 0 && call.stamp <= last_stamp_, "a call is queued again that never was");
  if (place != nullptr) {
    lane.calls.insert_after(*place, call);
  } else {
    lane.calls.push_front(call);
    reorder(lane);
  }
  for (auto const charged = std::exchange(call.charged, {}); auto const& one : lane.places)
    if (one->by->number == charged.image) one->by->order.refund(*one, charged, call.count);
  queue_grew(now, call);
}

void dispatcher::queue_before(time_point now, call_record& call, call_record& front) {
  YONDER_CHECK(front.stamp == call.stamp && front.id.number < call.id.number, "a queue is out of order");
  auto& lane = *(front.lane = call.lane);
  lane.calls.insert_before(call, front);
  if (&lane.calls.front() == &front) reorder(lane);
  count_items(*front.function, -static_cast<std::ptrdiff_t>(front.count));  // it was counted in `call`
  queue_grew(now, front);
}

void dispatcher::count_items(function_record& function, std::ptrdiff_t more) {
  function.queue.items += static_cast<std::size_t>(more);
  if (function.pool != nullptr) function.pool->queued_items += static_cast<std::size_t>(more);
}

void dispatcher::count_ordered(function_record& function, std::ptrdiff_t more) {
  function.ordered += static_cast<std::size_t>(more);
  if (function.pool != nullptr) function.pool->ordered_items += static_cast<std::size_t>(more);
}

void dispatcher::queue_grew(time_point now, call_record const& call) {
  if (call.depth != 0 && !(YONDER_MUTANT(stuck_later_unseen) && call.attempt != 0)) nested_came_ = true;
  auto& function = *call.function;
  ++queued_;
  if (++function.queue.size == 1) waits_.began(now, function);
  if (function.batches) batch_due_ = std::min(batch_due_, add(now, call.batching.max_wait));
  if (function.pool != nullptr) ++function.pool->queued;
  count_items(function, call.count);
  if (!function.offers.empty() || unoffered_.contains(function)) return;
  unoffered_.push_back(function);
  unknown_due_ = std::min(unknown_due_, now);
}

void dispatcher::take(call_record& call, worker_session const& worker) {
  auto* const place = place_in(*call.lane, *worker.program);
  YONDER_CHECK(place != nullptr, "a worker is given a call of a function that it does not offer");
  YONDER_CHECK(&call.lane->calls.front() == &call, "a call is given to a worker before its turn");
  call.charged = worker.program->order.charge(*place, call.count);
  dequeue(call);
}

void dispatcher::dequeue(call_record& call) {
  auto& function = *call.function;
  YONDER_CHECK(call.lane != nullptr && call.lane->calls.contains(call) && queued_ != 0,
               "a call leaves a queue that it is not in");
  YONDER_CHECK(function.pool == nullptr || function.pool->queued != 0, "a pool has lost count of what waits");
  auto& lane = *std::exchange(call.lane, nullptr);
  auto const was_first = &lane.calls.front() == &call;
  lane.calls.remove(call);
  --queued_;
  --function.queue.size;
  if (function.pool != nullptr) --function.pool->queued;
  count_items(function, -static_cast<std::ptrdiff_t>(call.count));
  if (was_first) reorder(lane);
  auto& queue = function.queue;
  if (lane.calls.empty() && &lane != queue.recent && queue.in_order.size() > kept_lanes) forget(lane);
  if (function.queue.empty() && !function.was_offered && unoffered_.contains(function))
    unoffered_.remove(function);
}

// --- assignment

duration dispatcher::estimate_of(function_record const& function) const {
  return std::min(function.estimate, limits_.prefetch);
}

bool dispatcher::fits(worker_session const& worker, call_record const& call) const {
  auto const bytes = worker.backlog_bytes + (call.count == 1 ? call.bytes : call.payload / call.count);
  if (call.alone && worker.concurrency > 1) return false;
  return worker.backlog + estimate_of(*call.function) <= prefetch_of(worker) &&
         (bytes <= limits_.bytes || YONDER_MUTANT(prefetched_bytes_ignored)) && !worker.conn.crowded();
}

// As many wait as make a batch, or one for as long as it may.
bool dispatcher::is_batch_due(time_point now, function_record& function) const {
  std::uint64_t items = 0, weight = 0;
  auto due = false;
  function.queue.each_lane([&](lane& one) {
    auto& first = one.calls.front();
    auto const& most = first.batching;
    due = due || first.alone || add(first.queued_since, most.max_wait) <= now;
    for (auto* call = &first; call != nullptr && !due; call = one.calls.after(*call)) {
      items += call->count;
      due = items >= most.max_items;
      if (most.max_weight == 0) continue;
      auto const left = most.max_weight - std::min(weight, most.max_weight);
      due = due || call->batching.weight >= left / call->count + (left % call->count != 0 ? 1 : 0);
      weight += due ? 0 : call->batching.weight * call->count;
    }
  });
  return due;
}

dispatcher::candidate dispatcher::find_worker(time_point now, image& one, call_record& call,
                                              bool prefetch) const {
  auto some_end = false;
  auto const lasts = [&](worker_session& worker) {
    if (outlasts(now, worker, call)) return true;
    worker.passed_over = need_of(worker, call) <= worker.lasts;
    some_end = true;
    return false;
  };
  auto const waits =
      YONDER_MUTANT(batch_waits_idly) && call.function->batches && !is_batch_due(now, *call.function);
  auto* const idle = waits ? nullptr : free_worker(one, lasts);
  if (idle != nullptr && !(prefetch && YONDER_RARELY())) return {idle};
  auto const first = [](auto& list, auto&& takes) {
    auto* busy = list.first();
    for (int left = candidates; busy != nullptr && left != 0; --left) {
      if (takes(*busy)) return busy;
      busy = list.after(*busy);
    }
    return static_cast<worker_session*>(nullptr);
  };
  if (!one.open.empty() && !call.alone) {
    auto* const open = first(one.open, [&](auto& worker) { return !worker.conn.crowded() && lasts(worker); });
    if (open != nullptr) return {open};
  }
  worker_session* busy = nullptr;
  if (prefetch && !call.function->batches) {
    busy = first(one.available,
                 [&](auto& worker) { return fits(worker, call) && !is_late(now, worker) && lasts(worker); });
  } else if (prefetch && is_batch_due(now, *call.function)) {
    auto const takes = [&](auto& worker) {
      auto const alone = call.alone && worker.concurrency > 1;
      return !alone && !has_waiting(worker) && !worker.conn.crowded() && lasts(worker);
    };
    busy = first(one.available, takes);
    if (busy == nullptr) busy = first(one.computing, takes);
  }
  return {busy != nullptr ? busy : idle, some_end};
}

dispatcher::assignment dispatcher::next_of(time_point now, image& one, bool prefetch) const {
  auto const has_room = !one.idle.empty() || !one.open.empty() ||
                        (prefetch && !(one.available.empty() && one.computing.empty()));
  if (one.order.empty() || !has_room) return {};
  auto* call = &one.order.front().calls.front();
  auto [worker, some_end] = find_worker(now, one, *call, prefetch);
  auto const collects = [&](function_record& function) {
    if (!function.batches || is_batch_due(now, function)) return false;
    auto first = never;
    function.queue.each_lane([&](lane& each) { first = std::min(first, each.calls.front().queued_since); });
    return add(first, limits_.prefetch) > now;
  };
  if (worker == nullptr && prefetch && !one.available.empty() && collects(*call->function)) {
    // It holds nobody back. One that is due does, and one that has collected for the prefetch time, which may
    // go on for hours: what comes behind it would take, again and again, the room that it waits for.
    function_record const* last = nullptr;
    auto last_collects = false;
    auto* const next = one.order.first_of([&](lane_place const& place) {
      auto& function = *place.of->function;
      if (std::exchange(last, &function) != &function) last_collects = collects(function);
      return !last_collects;
    });
    if (next == nullptr) return {};
    call = &next->of->calls.front();
    auto const found = find_worker(now, one, *call, prefetch);
    worker = found.worker;
    some_end = some_end || found.some_end;
  }
  if (worker == nullptr && some_end) {  // what takes less time goes before it
    auto* const next = one.order.first_of([&](lane_place const& place) {
      return find_worker(now, one, place.of->calls.front(), prefetch).worker != nullptr;
    });
    if (next == nullptr) return {};
    call = &next->of->calls.front();
    worker = find_worker(now, one, *call, prefetch).worker;
  }
  return worker == nullptr ? assignment{} : assignment{call, worker};
}

call_record* dispatcher::next_in(function_record& function, image& one) {
  if (function.queue.empty()) return nullptr;
  if (auto& first = one.order.front(); first.function == &function) return &first.calls.front();
  lane_place* best = nullptr;
  function.queue.each_lane([&](lane& each) {
    auto* const place = place_in(each, one);
    if (best == nullptr || one.order.comes_before(*place, *best)) best = place;
  });
  return &best->of->calls.front();
}

dispatcher::assignment dispatcher::next(time_point now) {
  if (queued_ == 0) {
    batch_due_ = never;
    return {};
  }
  if (batch_due_ <= now) {
    batch_due_ = never;
    for (auto const& [key, function] : functions_) {
      if (!function->batches) continue;
      function->queue.each_lane([&](lane& one) {
        auto const& first = one.calls.front();
        if (auto const due = add(first.queued_since, first.batching.max_wait); due > now)
          batch_due_ = std::min(batch_due_, due);
      });
    }
  }
  if (in_order_.size() > 1) {
    for (auto* const one : in_order_) {
      if (auto const found = next_of(now, *one, false); found.call != nullptr) return found;
    }
  }
  for (auto* const one : in_order_) {
    if (auto const found = next_of(now, *one, true); found.call != nullptr) return found;
  }
  return {};
}

std::size_t dispatcher::assigned(time_point now, call_record& call, worker_session& worker,
                                 std::uint32_t sequence, std::size_t bytes) {
  YONDER_CHECK(worker.in_service() || YONDER_MUTANT(drain_ignored),
               "work is given to a worker that takes none");
  YONDER_CHECK(call.worker == nullptr, "a call is given to two workers");
  call.stage = call_stage::assigned;
  call.worker = &worker;
  waits_.served(now, *call.function);
  auto const estimate = estimate_of(*call.function) * call.count;
  worker.backlog += estimate;
  worker.backlog_bytes += bytes;
  worker.items += call.count;
  worker.passed_over = false;
  if (worker.outstanding.empty()) worker.began_since = now;
  worker.all_recalled = false;
  auto const place = place_of(worker, bytes);
  if (call.order != nullptr) ++call.order->attempts;
  worker.outstanding.insert(place, {.call = &call,
                                    .id = call.id,
                                    .count = call.count,
                                    .number = call.attempt,
                                    .sequence = sequence,
                                    .estimate = estimate,
                                    .bytes = bytes,
                                    .frame_bytes = bytes,
                                    .alone = call.alone,
                                    .order = call.order});
  // Whatever it was put before may wait now, which ran or was to be next.
  if (place + 1 != worker.outstanding.size()) worker.program->waits_as.several = true;
  if (worker.counted_singles) note_waiting(worker, place);
  update_load(now, worker);
  return place;
}

std::size_t dispatcher::assigned(time_point now, std::span<call_record* const> company,
                                 worker_session& worker, call_id first, std::uint32_t sequence) {
  if (worker.outstanding.empty()) worker.began_since = now;
  worker.all_recalled = false;
  waits_.served(now, *company.front()->function);
  std::size_t bytes = 0;
  for (auto const* call : company) bytes += call->bytes;
  auto const place = place_of(worker, bytes);
  auto const estimate = estimate_of(*company.front()->function);
  worker.backlog += estimate;
  worker.passed_over = false;
  for (std::uint32_t i = 0; i < company.size(); ++i) {
    auto& call = *company[i];
    YONDER_CHECK(call.worker == nullptr && call.count == 1, "a call is given to two workers");
    call.stage = call_stage::assigned;
    call.worker = &worker;
    worker.backlog_bytes += call.bytes;
    worker.outstanding.insert(place + i, {.call = &call,
                                          .id = {first.session, first.number + i},
                                          .number = 1,
                                          .sequence = sequence,
                                          .place = i,
                                          .estimate = i == 0 ? estimate : 0,
                                          .bytes = call.bytes,
                                          .frame_bytes = bytes,
                                          .in_company = true,
                                          .order = call.order});
    if (call.order != nullptr) ++call.order->attempts;
  }
  ++worker.items;
  worker.in_company += company.size();
  if (worker.counted_singles) note_waiting(worker, place);
  update_load(now, worker);
  return place;
}

void dispatcher::adopt(time_point now, call_record* call, worker_session& worker, call_id id,
                       std::uint32_t number) const {
  if (worker.outstanding.empty()) worker.began_since = now;
  ++worker.items;
  auto* const order = call != nullptr ? call->order : nullptr;
  if (order != nullptr) ++order->attempts;
  worker.outstanding.push_back({.call = call, .id = id, .number = number, .adopted = true, .order = order});
  if (call == nullptr) return;
  call->stage = call_stage::assigned;
  call->worker = &worker;
  call->attempt = number;
}

void dispatcher::adopt(call_record& call, worker_session& worker, std::size_t index) {
  auto& attempt = worker.outstanding[index];
  attempt.call = &call;
  attempt.order = call.order;
  if (call.order != nullptr) ++call.order->attempts;
  call.stage = call_stage::assigned;
  call.worker = &worker;
  call.attempt = attempt.number;
}

void dispatcher::split(worker_session& worker, std::size_t index, std::uint32_t at) {
  YONDER_CHECK(index < worker.outstanding.size() && at != 0 && at < worker.outstanding[index].count,
               "an attempt is split beside its items");
  auto& rest = worker.outstanding[index];
  auto front = rest;
  front.count = at;
  front.estimate = rest.estimate / rest.count * at;
  front.bytes = rest.bytes / rest.count * at;
  rest.id.number += at;
  rest.place += at;
  rest.count -= at;
  rest.estimate -= front.estimate;
  rest.bytes -= front.bytes;
  if (rest.stop_by != never) rest.told_to_stop = rest.sequence;  // it has known that for long
  rest.stop_by = never;
  if (rest.ended) ++worker.ended;
  worker.outstanding.insert(index, front);
}

void dispatcher::answered(time_point now, worker_session& worker, std::size_t index) {
  auto& list = worker.outstanding;
  YONDER_CHECK(index < list.size(), "a slot is freed that a worker does not have");
  YONDER_CHECK(worker.backlog >= list[index].estimate && worker.backlog_bytes >= list[index].bytes,
               "a worker gives back more than it was given");
  auto const joined = [&](std::size_t other) {
    return other < list.size() && list[other].runs_with(list[index]);
  };
  if (joined(index + 1))
    list[index + 1].estimate += list[index].estimate;  // they run until the last has answered
  else
    worker.backlog -= list[index].estimate;
  worker.backlog_bytes -= list[index].bytes;
  if (!joined(index + 1) && (index == 0 || !joined(index - 1))) worker.items -= list[index].count;
  if (list[index].in_company) --worker.in_company;
  if (list[index].ended) --worker.ended;
  list.erase(index);
  if (index < worker.running) --worker.running;
  if (index < worker.concurrency) worker.began_since = now;
  update_load(now, worker);
}

void dispatcher::measure(function_record& function, duration ran) const {
  auto& estimate = function.estimate;
  ran = std::max(ran, shortest_run);
  estimate = estimate == never ? ran : estimate + (ran - estimate) / 8;
}

// --- workers

worker_load dispatcher::load_of(worker_session& worker) const {
  if (!worker.in_service() && !YONDER_MUTANT(drain_ignored)) return worker_load::out_of_service;
  if (worker.quiet && !YONDER_MUTANT(silence_given_work)) return worker_load::out_of_service;
  if (worker.awaits_record != 0 || worker.awaits_read != 0) return worker_load::out_of_service;
  // A task that waits there may wait for what nobody else takes.
  if (worker.yields && worker.waiting_attempts == 0) return worker_load::out_of_service;
  if (worker.outstanding.empty()) return worker_load::idle;
  if (is_taken(worker)) return worker_load::full;
  if (worker.items < worker.concurrency) return worker_load::open;
  auto const room = worker.backlog < prefetch_of(worker) &&
                    worker.outstanding.size() < limits_.attempts + worker.concurrency - 1;
  if (is_stuck(worker) || worker.nests != 0) return worker_load::full;
  if (room) return worker_load::available;
  return has_waiting(worker) ? worker_load::full : worker_load::computing;
}

void dispatcher::update_load(time_point now, worker_session& worker) {
  if (worker.program == nullptr) return;  // it has not come so far
  move_to(now, worker, load_of(worker));
  count_loaded(worker);
}

void dispatcher::move_to(time_point now, worker_session& worker, worker_load load) {
  auto& program = *worker.program;
  if (worker.load == load && load != worker_load::available && load != worker_load::open) return;
  if (worker.load == worker_load::idle) {
    program.idle.remove(worker);
    if (worker.pool != nullptr) worker.pool->idle.remove(worker);
  } else if (worker.load == worker_load::open) {
    program.open.remove(worker);
  } else if (worker.load == worker_load::available) {
    program.available.remove(worker);
  } else if (worker.load == worker_load::computing) {
    program.computing.remove(worker);
  }
  worker.load = load;
  if (load == worker_load::idle) {
    worker.idle_since = now;
    program.idle.push_front(worker);
    if (worker.pool != nullptr) worker.pool->idle.push_back(worker);
  } else if (load == worker_load::open) {
    program.open.push_back(worker);
  } else if (load == worker_load::available) {
    program.available.push_back(worker);
  } else if (load == worker_load::computing) {
    program.computing.push_back(worker);
  }
}

void dispatcher::join(time_point now, worker_session& worker, image& program) {
  worker.program = &program;
  worker.served_since = now;
  ++program.workers;
  ++in_service_;
  if (is_of_own_program(program)) {
    ++own_in_service_;
    if (program.workers == 1) own_program_changed(program.home->own_model);
  }
  if (worker.pool != nullptr) {
    ++worker.pool->in_service;
    if (worker.pool->program != &program && !worker.pool->on_demand) learn(now, *worker.pool, program);
  }
  update_load(now, worker);
  unknown_due_ = now;
}

}  // namespace yonder::core
