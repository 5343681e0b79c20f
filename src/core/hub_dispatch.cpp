// SPDX-License-Identifier: Apache-2.0
// The hub: which worker runs which call, and when.
#include "src/core/hub_state.hpp"
#include "src/core/mutant.hpp"
#include "src/core/words.hpp"

#include <algorithm>

namespace yonder::core {
namespace {

constexpr duration shortest_run = 200;  // ns; what is measured in microseconds may read 0
constexpr int candidates = 4;           // busy workers that are asked for room before a call waits
constexpr std::size_t names_told = 20;

// --- a binary heap of the functions that one image offers and that have a queue, by the stamp of its first
// call

function_record::offer& offer_of(function_record& function, image const& by) {
  return *std::find_if(function.offers.begin(), function.offers.end(),
                       [&](auto const& one) { return one.by == &by; });
}

void put(image& one, std::size_t index, function_record& function) {
  one.heap[index] = &function;
  offer_of(function, one).place = index + 1;
}

void sift(image& one, std::size_t index) {
  auto& heap = one.heap;
  auto& moved = *heap[index];
  while (index != 0 && moved.head_stamp() < heap[(index - 1) / 2]->head_stamp()) {
    put(one, index, *heap[(index - 1) / 2]);
    index = (index - 1) / 2;
  }
  for (auto child = 2 * index + 1; child < heap.size(); child = 2 * index + 1) {
    if (child + 1 < heap.size() && heap[child + 1]->head_stamp() < heap[child]->head_stamp()) ++child;
    if (moved.head_stamp() <= heap[child]->head_stamp()) break;
    put(one, index, *heap[child]);
    index = child;
  }
  put(one, index, moved);
}

void leave_heap(image& one, function_record::offer& offer) {
  auto const index = std::exchange(offer.place, 0) - 1;
  auto& last = *one.heap.back();
  one.heap.pop_back();
  if (index == one.heap.size()) return;
  put(one, index, last);
  sift(one, index);
}

}  // namespace

// The first call of the function's queue is another one than before.
void hub::state::reorder(function_record& function) {
  for (auto& offer : function.offers) {
    if (function.queue.empty()) {
      if (offer.place != 0) leave_heap(*offer.by, offer);
    } else {
      if (offer.place == 0) {
        offer.by->heap.push_back(&function);
        offer.place = offer.by->heap.size();
      }
      sift(*offer.by, offer.place - 1);
    }
  }
}

// --- functions and images

function_record& hub::state::function_of(std::string_view name, std::uint64_t signature) {
  if (last_function != nullptr && last_function->signature == signature && last_function->name == name) {
    return *last_function;
  }
  auto const found = functions.find({name, signature});
  if (found != functions.end()) return *(last_function = found->second.get());
  auto made = std::make_unique<function_record>();
  made->name = name;
  made->signature = signature;
  auto& function = *made;
  functions.emplace(function_key{function.name, signature}, std::move(made));
  return *(last_function = &function);
}

void hub::state::release_function(function_record& function) {
  if (function.calls != 0 || !function.offers.empty()) return;
  if (unoffered.contains(function)) {
    if (function.was_offered) return;  // remembered for its grace period
    unoffered.remove(function);
  }
  if (last_function == &function) last_function = nullptr;
  functions.erase({function.name, function.signature});
}

image& hub::state::image_of(std::vector<function_info>& table) {
  std::string key;
  for (auto const& info : table) {
    key += info.name;
    key += '\0';
    key.append(reinterpret_cast<char const*>(&info.signature), sizeof info.signature);
  }
  auto const [found, is_new] = images.try_emplace(std::move(key));
  auto& one = found->second;
  if (!is_new) return one;
  one.key = found->first;
  for (auto& info : table) {
    auto& function = function_of(info.name, info.signature);
    auto const known = std::any_of(function.offers.begin(), function.offers.end(),
                                   [&](auto const& offer) { return offer.by == &one; });
    if (known) continue;
    function.schema = std::move(info.schema);
    function.was_offered = true;
    function.offers.push_back({&one, 0});
    one.functions.push_back(&function);
    if (unoffered.contains(function)) unoffered.remove(function);
    reorder(function);
  }
  return one;
}

// No worker has this table any more.
void hub::state::release_image(time_point now, image& one) {
  for (auto* const function : one.functions) {
    std::erase_if(function->offers, [&](auto const& offer) { return offer.by == &one; });
    if (!function->offers.empty()) continue;
    function->unoffered_since = now;
    unoffered.push_back(*function);
    judge_due = std::min(judge_due, add(now, config.function_grace));
  }
  images.erase(std::string(one.key));
}

// --- queues

void hub::state::enqueue(time_point now, call_record& call) {
  auto& function = *call.function;
  call.now_in = stage::queued;
  call.stamp = ++last_stamp;
  auto const was_empty = function.queue.empty();
  function.queue.push_back(call);
  ++queued;
  if (was_empty) reorder(function);
  if (!function.offers.empty() || unoffered.contains(function)) return;
  unoffered.push_back(function);
  judge_due = std::min(judge_due, now);
}

// What was not started goes back to the place it had.
void hub::state::requeue(time_point now, call_record& call) {
  auto& function = *call.function;
  ++counters.requeued;
  call.now_in = stage::queued;
  call.due = never;
  call.worker = nullptr;
  arm(call);
  ++queued;
  call_record* place = nullptr;
  for (auto* one = function.queue.first(); one != nullptr && one->stamp < call.stamp;
       one = function.queue.after(*one)) {
    place = one;
  }
  if (place != nullptr) return function.queue.insert_after(*place, call);
  function.queue.push_front(call);
  reorder(function);
  if (!function.offers.empty() || unoffered.contains(function)) return;
  unoffered.push_back(function);
  judge_due = std::min(judge_due, now);
}

void hub::state::dequeue(call_record& call) {
  auto& function = *call.function;
  auto const was_first = &function.queue.front() == &call;
  function.queue.remove(call);
  --queued;
  if (was_first) reorder(function);
  if (function.queue.empty() && !function.was_offered && unoffered.contains(function))
    unoffered.remove(function);
}

// --- assignment

duration hub::state::estimate_of(function_record const& function) const {
  return std::min(function.estimate, config.prefetch);
}

bool hub::state::fits(worker_session const& worker, function_record const& function) const {
  return worker.backlog + estimate_of(function) <= config.prefetch && !worker.conn.crowded();
}

worker_session* hub::state::find_worker(image& one, function_record const& function, bool prefetch) const {
  if (auto* const idle = one.idle.first()) return idle;
  if (!prefetch) return nullptr;
  auto* busy = one.available.first();
  for (int left = candidates; busy != nullptr && left != 0; --left) {
    if (fits(*busy, function)) return busy;
    busy = one.available.after(*busy);
  }
  return nullptr;
}

void hub::state::dispatch_image(time_point now, image& one, bool prefetch, outputs& out) {
  while (!one.heap.empty()) {
    auto& function = *one.heap.front();
    auto* const worker = find_worker(one, function, prefetch);
    if (worker == nullptr) return;
    auto& call = function.queue.front();
    if (call.deadline <= now) {
      fail(now, call, errc::deadline_exceeded, "the call's deadline passed before it was started", out);
    } else if (!within(worker->limits, *call.message)) {
      fail(now, call, errc::too_large,
           excess_in_words(*call.message, worker->limits, "the arguments take", "worker"), out);
    } else {
      assign(now, call, *worker, out);
    }
  }
}

void hub::state::dispatch(time_point now, outputs& out) {
  if (queued == 0) return;
  if (images.size() > 1) {
    for (auto& [key, one] : images) dispatch_image(now, one, false, out);
  }
  for (auto& [key, one] : images) dispatch_image(now, one, true, out);
}

void hub::state::assign(time_point now, call_record& call, worker_session& worker, outputs& out) {
  dequeue(call);
  ++counters.attempts;
  call.now_in = stage::assigned;
  call.worker = &worker;
  ++call.attempt;
  auto head = call.message->head;
  head.type = frame_type::assign;
  head.flags = 0;
  head.call = call.id;
  head.attempt = call.attempt;
  head.remaining_us = 0;  // the link states what is left
  call.sequence = worker.conn.send(now, head, call.message, call.deadline, out);
  watch(worker);
  auto const estimate = estimate_of(*call.function);
  worker.backlog += estimate;
  worker.outstanding.push_back({&call, call.id, call.attempt, call.sequence, estimate, false});
  if (worker.outstanding.size() == 1) head_began(now, worker);
  place(now, worker);
}

// The first of the worker's attempts is the one that runs: from now on its timeout counts.
void hub::state::head_began(time_point now, worker_session& worker) {
  worker.head_since = now;
  auto& head = worker.outstanding.front();
  if (head.call == nullptr) return timers.arm(worker.grace_timer, add(now, config.cancel_grace));
  if (head.call->policy.timeout == 0) return;
  head.call->due = add(now, head.call->policy.timeout);
  arm(*head.call);
}

void hub::state::measure(function_record& function, duration ran) {
  auto& estimate = function.estimate;
  ran = std::max(ran, shortest_run);
  estimate = estimate == never ? ran : estimate + (ran - estimate) / 8;
}

void hub::state::removed_attempt(time_point now, worker_session& worker, std::size_t index) {
  auto& list = worker.outstanding;
  if (list[index].call != nullptr) list[index].call->due = never;
  worker.backlog -= list[index].estimate;
  list.erase(index);
  if (index == 0) {
    timers.disarm(worker.grace_timer);
    if (!list.empty()) head_began(now, worker);
  }
  place(now, worker);
}

load hub::state::load_of(worker_session& worker) const {
  if (!worker.in_service() && !YONDER_MUTANT(drain_ignored)) return load::out_of_service;
  if (worker.outstanding.empty()) return load::idle;
  auto const stuck = worker.outstanding.front().call == nullptr;
  auto const room = worker.backlog < config.prefetch && worker.outstanding.size() < config.max_prefetch;
  return room && !stuck ? load::available : load::full;
}

void hub::state::place(time_point now, worker_session& worker) {
  move_to(now, worker, load_of(worker));
  auto const loaded = worker.outstanding.size() > 1;
  if (loaded != worker.counted_loaded) {
    worker.program->loaded += loaded ? 1 : std::size_t(-1);
    worker.counted_loaded = loaded;
  }
}

void hub::state::move_to(time_point now, worker_session& worker, load where) {
  auto& program = *worker.program;
  if (worker.now_is == where && where != load::available) return;
  if (worker.now_is == load::idle) {
    program.idle.remove(worker);
    if (worker.start != 0) idle_started.remove(worker);
  } else if (worker.now_is == load::available) {
    program.available.remove(worker);
  }
  worker.now_is = where;
  if (where == load::idle) {
    worker.idle_since = now;
    program.idle.push_front(worker);
    if (worker.start != 0) idle_started.push_back(worker);
  } else if (where == load::available) {
    program.available.push_back(worker);
  }
}

// Out of service for good: draining, dying or gone. What it has in its hands is still awaited.
void hub::state::leave_service(time_point now, worker_session& worker) {
  if (!std::exchange(worker.left_service, true)) {
    --in_service;
    if (worker.start != 0) --ours_in_service;
  }
  move_to(now, worker, load::out_of_service);
}

// --- cancels and recalls

void hub::state::say_cancel(time_point now, worker_session& worker, attempt_record const& attempt,
                            std::uint8_t flags, outputs& out) {
  auto message = make_control(frame_type::cancel);
  message.head.call = attempt.id;
  message.head.attempt = attempt.number;
  message.head.flags = flags;
  send(now, worker, std::move(message), out);
}

// Asks for everything that waits in the worker behind what it runs.
void hub::state::recall_waiting(time_point now, worker_session& worker, outputs& out) {
  for (std::size_t i = 1; i < worker.outstanding.size(); ++i) {
    auto& attempt = worker.outstanding[i];
    if (attempt.call == nullptr || std::exchange(attempt.recalled, true)) continue;
    say_cancel(now, worker, attempt, flag_recall, out);
    if (YONDER_MUTANT(recall_runs_twice)) requeue(now, *std::exchange(attempt.call, nullptr));
  }
}

// Work that waits behind a long call is fetched back when another worker has nothing to do.
void hub::state::spread(time_point now, outputs& out) {
  auto const patience = 2 * config.prefetch;
  auto const can_help = [](image& one) { return one.loaded != 0 && !one.idle.empty() && one.heap.empty(); };
  auto const any =
      std::any_of(images.begin(), images.end(), [&](auto& entry) { return can_help(entry.second); });
  if (!any) {
    spread_due = never;
    return;
  }
  if (spread_due == never) spread_due = add(now, patience);
  if (spread_due > now) return;
  spread_due = add(now, patience);
  for (auto& [id, worker] : workers) {
    if (can_help(*worker->program) && worker->outstanding.size() > 1 &&
        now - worker->head_since >= patience) {
      recall_waiting(now, *worker, out);
    }
  }
}

// --- functions that nobody offers

void hub::state::judge_unoffered(time_point now, outputs& out) {
  if (judge_due > now) return;
  judge_due = never;
  for (auto* one = unoffered.first(); one != nullptr;) {
    auto& function = *one;
    one = unoffered.after(function);
    auto const until = function.was_offered ? add(function.unoffered_since, config.function_grace) : now;
    if (until > now) {
      judge_due = std::min(judge_due, until);
    } else if (function.queue.empty() || in_service != 0) {
      fail_unoffered(now, function, out);
    }
  }
}

void hub::state::fail_unoffered(time_point now, function_record& function, outputs& out) {
  unoffered.remove(function);
  function.was_offered = false;
  ++function.calls;  // keeps it while its calls end
  while (!function.queue.empty()) {
    auto& call = function.queue.front();
    fail(now, call, explain_unoffered(function, *call.client), out);
  }
  --function.calls;
  release_function(function);
}

failure hub::state::explain_unoffered(function_record& function, client_session const& client) const {
  failure error;
  error.code = errc::unknown_function;
  std::string names;
  std::size_t count = 0;
  for (auto const& [key, other] : functions) {
    if (other->offers.empty()) continue;
    if (other->name == function.name) {
      error.code = errc::signature_mismatch;
      error.message = "workers have \"" + function.name + "\" with another structure";
      if (!other->schema.empty()) error.message += "; theirs: " + other->schema;
      for (auto const& mine : client.functions) {
        if (mine.name == function.name && mine.signature == function.signature && !mine.schema.empty()) {
          error.message += "; the caller's: " + mine.schema;
        }
      }
      return error;
    }
    if (++count <= names_told) names += (names.empty() ? "" : ", ") + other->name;
  }
  error.message =
      "no worker has a task named \"" + function.name + "\"; they have: " + (names.empty() ? "none" : names);
  if (count > names_told) error.message += " and " + std::to_string(count - names_told) + " more";
  return error;
}

}  // namespace yonder::core
