// SPDX-License-Identifier: Apache-2.0
// The hub: what workers are told, and what becomes of them.
#include "src/core/check.hpp"
#include "src/core/hub_state.hpp"
#include "src/core/mutant.hpp"
#include "src/core/trace.hpp"
#include "src/core/words.hpp"

#include <algorithm>
#include <set>

namespace yonder::core {

// --- assignment

void hub::state::dispatch(time_point now, outputs& out) {
  while (true) {
    auto [call, worker] = work.next(now);
    if (call == nullptr) return;
    if (auto* const its = worker_of_start(*call); its != nullptr) worker = its;
    if (!may_be_assigned(now, *call, *worker, out)) continue;
    auto const* const home = call->function->home;
    auto const isolated = home != nullptr && home->needs.isolate;
    if (call->function->batches && !call->alone && !isolated) {
      assign_batch(now, *call, *worker, out);
      continue;
    }
    auto const items = work.room(now, *worker, *call);
    auto& given = items == call->count ? *call : split(now, *call, items);
    compact(given);
    if (!within(worker->limits, *given.message)) {
      fail(now, given, errc::too_large,
           excess_in_words(*given.message, worker->limits, "the arguments take", "worker"), out);
      continue;
    }
    work.take(given, *worker);
    assign(now, given, *worker, out);
  }
}

// False: it has ended, or waits for something else than a worker now.
bool hub::state::may_be_assigned(time_point now, call_record& call, worker_session& worker, outputs& out) {
  if (call.deadline <= now) {
    YONDER_REACHED(expired_in_queue);
    fail(now, call, errc::deadline_exceeded, "the call's deadline passed before it was started", out);
  } else if (calls.stalls(*call.caller)) {
    YONDER_REACHED(stalled);
    work.dequeue(call);
    call.stage = call_stage::stalled;
    call.caller->stalled.push_back(call);
  } else if (call.stored) {
    read_arguments(now, call, worker, out);
  } else if (must_record_start(call, worker)) {
    if (!journal_fault.empty()) {
      end_unrecorded(now, call, journal_fault, out);
    } else {
      record_start(now, call, worker, out);
    }
  } else {
    return true;
  }
  return false;
}

// Once for all calls of a frame.
void hub::state::count_frame(call_record const& first, std::size_t calls) {
  auto& numbers = *first.function->numbers;
  numbers.frames.count(calls);
  if (first.batching.max_items != 0) numbers.batches.count(calls);
}

// The first that wait, as many as the limits of each of them let run together, as one frame under ids of the
// hub's own. What has buffers runs by itself; what must have no neighbours waits for a worker that is chosen
// for it.
void hub::state::assign_batch(time_point now, call_record& chosen, worker_session& worker, outputs& out) {
  auto& function = *chosen.function;
  auto* first = &chosen;
  company.clear();
  std::uint64_t weight = 0, weight_most = ~std::uint64_t{0};
  std::size_t items_most = max_items, bytes = 0;
  time_point deadline = 0;
  std::size_t put_off = 0;
  while (auto* call = first != nullptr ? first : work.next_in(function, *worker.program)) {
    if (std::exchange(first, nullptr) == nullptr) {
      if ((call->stored || must_record_start(*call, worker)) && put_off++ >= call->batching.max_items) break;
      if (!may_be_assigned(now, *call, worker, out)) continue;
    }
    if (call->alone || !work.outlasts(now, worker, *call)) break;
    auto const& limits = call->batching;
    auto const own = call->payload / call->count;
    auto const apart = !call->message->buffers.empty();
    auto const items_then = YONDER_MUTANT(batch_limits_ignored)
                                ? items_most
                                : std::min<std::size_t>(items_most, limits.max_items);
    auto const weight_then = limits.max_weight == 0 ? weight_most : std::min(weight_most, limits.max_weight);
    auto const fits = company.size() < items_then && weight <= weight_then &&
                      limits.weight <= weight_then - weight &&
                      bytes + own <= worker.limits.max_frame_bytes / 2;
    if (!company.empty() && (apart || !fits)) break;
    if (call->count > 1) call = &split(now, *call, 1);
    if (company.empty() && (apart || !fits)) {
      compact(*call);
      if (!within(worker.limits, *call->message)) {
        fail(now, *call, errc::too_large,
             excess_in_words(*call->message, worker.limits, "the arguments take", "worker"), out);
        continue;
      }
      work.take(*call, worker);
      return assign(now, *call, worker, out);
    }
    items_most = items_then;
    weight_most = weight_then;
    weight += limits.weight;
    bytes += call->payload;
    deadline = std::max(deadline, call->deadline);
    work.take(*call, worker);
    company.push_back(call);
  }
  if (company.empty()) return;
  if (company.size() == 1) {
    compact(*company.front());
    return assign(now, *company.front(), worker, out);
  }
  counters.attempts += company.size();
  count_frame(*company.front(), company.size());
  std::vector<std::uint32_t> sizes;
  for (auto* const call : company) {
    ++call->attempt;
    note_assigned(now, *call);
    sizes.push_back(static_cast<std::uint32_t>(call->payload));
  }
  byte_buffer body;
  auto const& leads = *company.front();
  trace_of const trace(read_traceparent(leads.message->metadata()), leads.id);
  write_call(body, function.name, {}, trace.text());
  write_batching(body, leads.batching);
  write_items(body, sizes);
  frame message;
  message.head.type = frame_type::assign;
  message.head.metadata_size = static_cast<std::uint32_t>(body.size());
  for (auto* const call : company) {
    auto const payload = call->message->payload().subspan(call->offset, call->payload);
    body.append(payload.data(), payload.size());
  }
  message.body = std::move(body);
  message.head.call = {0, last_entry + 1};
  message.head.attempt = 1;
  message.head.signature = function.signature;
  last_entry += company.size();
  if (YONDER_MUTANT(company_mixed_up)) std::swap(company[0], company[1]);
  auto const head = message.head;
  auto const sequence = worker.conn.send(now, head, frame_ref(std::move(message)), deadline, out);
  sessions.watch(worker);
  if (work.assigned(now, company, worker, head.call, sequence) == worker.running) note_running(now, worker);
}

void hub::state::assign(time_point now, call_record& call, worker_session& worker, outputs& out) {
  counters.attempts += call.count;
  count_frame(call, call.count);
  ++call.attempt;
  if (worker.held_some) step_past_held(worker, call);
  note_assigned(now, call);
  auto head = call.message->head;
  head.type = frame_type::assign;
  head.flags = 0;
  head.call = call.id;
  head.attempt = call.attempt;
  head.remaining_us = 0;  // the link states what is left
  auto message = call.stream ? stream_assignment(call) : call.message;
  head.metadata_size = message->head.metadata_size;
  auto const bytes = size_of(*message);
  auto const sequence = worker.conn.send(now, head, std::move(message), call.deadline, out);
  sessions.watch(worker);
  if (work.assigned(now, call, worker, sequence, bytes) == worker.running) note_running(now, worker);
  if (call.function->home != nullptr && call.function->home->needs.isolate) isolate_worker(now, worker, out);
}

// The first of what the worker has is what it runs, so many items at once as its hello said.
void hub::state::note_running(time_point now, worker_session& worker) {
  while (worker.running < worker.places()) {
    auto const& next = worker.outstanding[worker.running];
    if (!next.adopted && !worker.conn.was_delivered(next.sequence)) break;
    if (worker.concurrency > 1 && next.count > 1)
      isolate_attempt(now, worker, worker.running, next.id.number, 1);
    began(now, worker, worker.outstanding[worker.running++]);
  }
  note_stops(now, worker);
  note_told(now, worker);
}

// A task has its time of grace from when its worker knows that it is to stop: a slow connection may have that
// behind much else.
void hub::state::note_stops(time_point now, worker_session& worker) {
  auto some = false;
  for (std::size_t i = 0; i < worker.running; ++i) {
    auto& attempt = worker.outstanding[i];
    if (!attempt.told_to_stop || attempt.ended) continue;
    if (!worker.conn.was_delivered(*attempt.told_to_stop)) continue;
    attempt.told_to_stop.reset();
    attempt.stop_by = add(now, config.cancel_grace);
    some = true;
  }
  if (some) arm_grace(worker);
}

// From now on its timeout counts.
void hub::state::began(time_point now, worker_session& worker, attempt_record& attempt) {
  worker.began_since = now;
  if (attempt.ended || attempt.call == nullptr) return;
  auto& call = *attempt.call;
  if (call.traced != nullptr) call.traced->began = now;
  if (call.policy.timeout != 0) {
    call.due = add(now, call.policy.timeout);
    arm(call);
  }
  if (!call.stream) return;
  stream_runs(now, call);
  if (call.stream->waits) stop_clock(now, call);  // it has said so before this was known
}

// The worker needs the attempt's slot no more.
void hub::state::answered(time_point now, worker_session& worker, std::size_t index) {
  auto const& attempt = worker.outstanding[index];
  if (attempt.call != nullptr) attempt.call->due = never;
  auto const was_awaited = attempt.stop_by != never;
  auto* const order = attempt.order;
  work.answered(now, worker, index);
  if (order != nullptr) leave_worker(now, *order);
  note_running(now, worker);
  if (was_awaited) arm_grace(worker);
  if (worker.condemned) condemned.push_back(worker.id);
}

// --- what does not stop

// For what it was sent just now, from when its worker is known to have been told: that may wait behind much
// else, or be much.
void hub::state::give_time(time_point now, worker_session& worker, duration within) {
  worker.gone_by = never;
  worker.told = worker.conn.last_ticket();
  worker.within = within;
  note_told(now, worker);
}

void hub::state::note_told(time_point now, worker_session& worker) {
  if (!worker.told || !worker.conn.was_delivered(*worker.told)) return;
  worker.told.reset();
  worker.gone_by = add(now, worker.within);
  arm_grace(worker);
}

void hub::state::arm_grace(worker_session& worker) {
  auto first = std::min(worker.gone_by, next_end(worker));
  auto const looks = !worker.condemned || !YONDER_MUTANT(condemned_forgotten);
  for (std::size_t i = 0; looks && i < worker.running; ++i)
    first = std::min(first, worker.outstanding[i].stop_by);
  timers.arm(worker.grace_timer, first);
}

void hub::state::grace_time(time_point now, worker_session& worker, outputs& out) {
  if (YONDER_MUTANT(grace_forgotten)) return;
  if (worker.gone_by <= now) return kill(now, worker, out);
  if (next_end(worker) <= now) end_time(now, worker, out);
  for (std::size_t i = 0; i < worker.running; ++i) {
    auto& attempt = worker.outstanding[i];
    if (attempt.stop_by > now) continue;
    attempt.stop_by = never;
    worker.condemned = true;
  }
  arm_grace(worker);
  if (!worker.condemned) return;
  kill_condemned(now, worker, out);
}

// At the end of a step, in which nobody holds on to a worker any more.
void hub::state::kill_condemned(time_point now, outputs& out) {
  while (!condemned.empty()) {
    auto const found = sessions.workers().find(condemned.back());
    condemned.pop_back();
    if (found != sessions.workers().end()) kill_condemned(now, *found->second, out);
  }
}

// Its process can end only as a whole: what runs beside the attempt that does not stop is waited for, and
// nothing new is given to it.
void hub::state::kill_condemned(time_point now, worker_session& worker, outputs& out) {
  auto awaited = false, stuck = false;
  auto const places = worker.places();
  for (std::size_t i = 0; i < places; ++i) {
    auto const& attempt = worker.outstanding[i];
    if (attempt.call != nullptr || attempt.unclaimed)
      awaited = true;
    else
      stuck = stuck || !attempt.ended;
  }
  if (stuck && (!awaited || YONDER_MUTANT(neighbours_killed))) return kill(now, worker, out);
  worker_drains(now, worker, out);
}

// --- cancels and recalls

std::uint32_t hub::state::say_cancel(time_point now, worker_session& worker, attempt_record const& attempt,
                                     std::uint8_t flags, outputs& out) {
  auto message = make_control(frame_type::cancel);
  message.head.call = attempt.id;
  message.head.attempt = attempt.number;
  message.head.flags = flags;
  set_item_count(message, attempt.count);
  return send(now, worker, std::move(message), out);
}

// Asks for everything that waits in the worker behind what it runs.
void hub::state::recall_waiting(time_point now, worker_session& worker, outputs& out) {
  std::size_t i = worker.in_company != 0 ? worker.places() : 0;
  for (auto places = worker.in_company != 0 ? 0 : worker.concurrency;
       places != 0 && i < worker.outstanding.size(); ++i) {
    auto const& runs = worker.outstanding[i];
    if (runs.ended) continue;
    if (runs.count > places && runs.call != nullptr) split(now, *runs.call, places);
    places -= std::min(places, worker.outstanding[i].count);
  }
  for (; i < worker.outstanding.size(); ++i) {
    auto& attempt = worker.outstanding[i];
    if (attempt.call == nullptr || std::exchange(attempt.recalled, true)) continue;
    YONDER_REACHED(recalled);
    say_cancel(now, worker, attempt, flag_recall, out);
    if (YONDER_MUTANT(recall_runs_twice) || (drains && YONDER_MUTANT(given_back_and_begun)))
      requeue(now, *std::exchange(attempt.call, nullptr));
  }
  dispatcher::recalled(worker);
}

// Work that waits behind a long call is fetched back when another worker has nothing to do.
void hub::state::spread(time_point now, outputs& out) {
  if (!work.should_spread(now) && !YONDER_RARELY()) return;
  for (auto const& [id, worker] : sessions.workers()) {
    auto const early = !worker->outstanding.empty() && YONDER_RARELY();
    if (early || work.could_spread(now, *worker)) recall_waiting(now, *worker, out);
  }
}

// The worker is told to stop; whatever it still answers counts only for its slot.
void hub::state::abandon(time_point now, call_record& call, outputs& out) {
  auto* const worker = call.worker;
  if (worker == nullptr) return;
  call.was_abandoned = true;
  if (call.traced != nullptr && call.traced->code == errc{}) call.traced->code = errc::cancelled;
  leave_nest(now, call, *worker, out);
  call.worker = nullptr;
  auto& list = worker->outstanding;
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (list[i].call != &call) continue;
    list[i].call = nullptr;
    if (i < worker->running && !list[i].ended) count_use(call, *worker, list[i], now - worker->began_since);
    if (worker->gone) return;
    if (list[i].in_company) return abandon_one(now, *worker, i, out);
    if (!list[i].adopted && worker->conn.withdraw(now, list[i].sequence, out))
      return answered(now, *worker, i);
    list[i].told_to_stop = say_cancel(now, *worker, list[i], 0, out);
    if (i >= worker->places()) return;
    note_stops(now, *worker);
    recall_waiting(now, *worker, out);
    return work.update_load(now, *worker);
  }
  check_failed("a call is with a worker that does not have it");
}

// One of several that run as one: the others go on, and it is told to stop only when nobody wants any of
// them.
void hub::state::abandon_one(time_point now, worker_session& worker, std::size_t index, outputs& out) {
  auto& list = worker.outstanding;
  if (index >= worker.places()) {
    list[index].told_to_stop = say_cancel(now, worker, list[index], 0, out);
    return;
  }
  auto first = index, past = index + 1;
  while (first != 0 && list[first - 1].runs_with(list[index])) --first;
  while (past < list.size() && list[past].runs_with(list[index])) ++past;
  for (auto i = first; i < past; ++i)
    if (list[i].call != nullptr) return work.update_load(now, worker);
  for (auto i = first; i < past; ++i) list[i].told_to_stop = say_cancel(now, worker, list[i], 0, out);
  note_stops(now, worker);
  recall_waiting(now, worker, out);
  work.update_load(now, worker);
}

// --- functions that nobody has, workers that do not come

// Whoever runs the hub is told, and those elsewhere whose calls wait.
void hub::state::tell_of_wait(time_point now, function_record& function, outputs& out) {
  auto const text = work.tell_of_wait(function);
  std::set<std::uint64_t> callers;
  function.queue.each([&](call_record const& call) { callers.insert(call.id.session); });
  for (auto const session : callers) {
    auto* const client = sessions.client(session);
    if (client != nullptr && !client->conn.reliable()) send(now, *client, make_notice(text), out);
  }
  out.emplace_back(out::notice{text});
}

void hub::state::fail_unknown_functions(time_point now, outputs& out) {
  while (auto* const function = work.unknown(now)) {
    if (find_other_home(now, *function)) continue;
    ++function->calls;  // keeps it while its calls end
    auto const* const own = function->home != nullptr ? function->home->own_model : nullptr;
    while (!function->queue.empty()) {
      auto& call = function->queue.any();
      fail(now, call,
           explain_unknown(call.id.session, function->name, function->signature, function->build, own), out);
    }
    --function->calls;
    work.release(*function);
  }
}

void hub::state::start_failed(time_point now, std::uint64_t start, std::string const& reason,
                              std::string const& stderr_tail, outputs& out) {
  give_up_starting(now, pools.failed(now, start, reason, stderr_tail), out);
}

// Of one that was started elsewhere. What it has said is heard by now, or never.
void hub::state::worker_ended(time_point now, std::uint64_t start, std::string const& reason,
                              std::string const& stderr_tail, outputs& out) {
  auto const& workers = sessions.workers();
  auto const found = std::find_if(workers.begin(), workers.end(),
                                  [&](auto const& entry) { return entry.second->start == start; });
  if (found == workers.end()) return start_failed(now, start, reason, stderr_tail, out);
  peer_loss loss;
  loss.reason = reason;
  loss.stderr_tail = stderr_tail;
  auto& worker = *found->second;
  worker.start = 0;
  auto* const peer = sessions.find_peer(worker.conn.peer());
  ended(now, worker, loss, out);
  if (peer != nullptr) sessions.forget(*peer);
}

void hub::state::give_up_starting(time_point now, pool_record* pool, outputs& out) {
  if (pool == nullptr) return;
  YONDER_REACHED(starts_given_up);
  work.hand_over(*pool);
  auto const error = pools.explain(*pool);
  for (auto* const call : work.waiting_for(*pool)) {
    fail(now, *call, copy_of(error), out);
  }
}

// --- workers that make a service before they take calls

void hub::state::enter(time_point now, worker_session& worker, std::vector<function_info>&& table,
                       outputs& out) {
  auto const& pool = *worker.pool;
  worker.entering = true;
  worker.table = std::move(table);
  frame message;
  byte_buffer body;
  write_call(body, pool.needs.service, {}, {});
  auto needs = pool.needs;
  needs.build = {};
  write_requirements(body, encode_requirements(needs));
  message.head.type = frame_type::assign;
  message.head.metadata_size = static_cast<std::uint32_t>(body.size());
  message.head.call = {0, ++last_entry};
  message.head.attempt = 1;
  message.head.signature = pool.needs.service_signature;
  body.append(pool.needs.arguments.data(), pool.needs.arguments.size());
  message.body = std::move(body);
  send(now, worker, std::move(message), out);
  if (YONDER_MUTANT(entry_overtaken)) {
    auto offered = worker.table;
    work.join(now, worker, work.hold_image(offered, worker.pool, worker.made_of));
  }
  if (pool.needs.enter_timeout == 0 || YONDER_MUTANT(entry_waited_for)) return;
  give_time(now, worker, pool.needs.enter_timeout);
}

void hub::state::take_entry(time_point now, worker_session& worker, frame const& message, outputs& out) {
  worker.gone_by = never;
  worker.told.reset();
  arm_grace(worker);
  if (worker.park != parking::none) return take_parking(now, worker, message, out);
  if (std::exchange(worker.leaving, false)) {
    worker.entering = false;
    return work.bring_back(now, worker);
  }
  if (message.head.type == frame_type::result) {
    worker.entering = false;
    worker.concurrency = std::min(worker.pool->needs.concurrency, most_concurrent);
    pools.entered(*worker.pool);
    if (YONDER_MUTANT(entry_overtaken)) return work.update_load(now, worker);
    work.join(now, worker, work.hold_image(worker.table, worker.pool, worker.made_of));
    return arm_grace(worker);
  }
  failure error;
  if (!read_error(message, error)) return violated(now, worker, "an error that does not decode", out);
  auto reason = "its service '" + worker.pool->needs.service + "' was not made: ";
  if (!error.type_name.empty()) reason += error.type_name + ": ";
  auto const handed_back = (message.head.flags & flag_not_started) != 0;
  reason += handed_back ? "the worker takes no more work" : error.message;
  entry_failed(now, worker, reason, {}, out);
  if (worker.lent_by != nullptr) {
    pools.dismissed(worker);
    return work.bring_back(now, worker);
  }
  worker_drains(now, worker, out);
  give_time(now, worker, config.cancel_grace);
}

void hub::state::entry_failed(time_point now, worker_session& worker, std::string const& reason,
                              std::string const& stderr_tail, outputs& out) {
  worker.entering = false;
  give_up_starting(now, pools.entry_failed(now, *worker.pool, reason, stderr_tail), out);
}

// --- the end of workers

void hub::state::let_go_idle(time_point now, outputs& out) {
  auto const park_or_let_go = [&](worker_session& worker) {
    scaler::may_park(worker) ? park(now, worker, out) : let_go(now, worker, out);
  };
  while (auto* const worker = pools.idle_too_long(now))
    worker->idle_since != now&& has_needed_values(*worker) ? scaler::stay(now, *worker)
                                                           : park_or_let_go(*worker);
  while (auto* const worker = pools.in_the_way(now)) park_or_let_go(*worker);
  while (auto* const worker = pools.parked_too_long(now)) let_go(now, *worker, out);
  send_back_missed(now, out);
}

void hub::state::let_go(time_point now, worker_session& worker, outputs& out) {
  if (worker.lent_by != nullptr) return send_back(now, worker, out);
  if (worker.park != parking::none) scaler::forget_parked(worker);
  if (!worker.outstanding.empty()) return worker_drains(now, worker, out);  // once it has ended that
  auto const exit = worker.pool->needs.exit_timeout;
  worker_drains(now, worker, out);
  give_time(now, worker, exit != 0 ? exit : config.session_timeout);
}

// What it was given now is all that it will run.
void hub::state::isolate_worker(time_point now, worker_session& worker, outputs& out) {
  auto& pool = *worker.pool;
  if (std::exchange(worker.isolated, true)) return;
  worker_drains(now, worker, out);
  ++pool.isolated;
}

// It is given nothing more, and told so: it may go once it has answered everything that came before.
void hub::state::worker_drains(time_point now, worker_session& worker, outputs& out) {
  if (std::exchange(worker.draining, true)) return;
  work.leave_service(now, worker);
  send(now, worker, make_control(frame_type::drain), out);
}

void hub::state::kill(time_point now, worker_session& worker, outputs& out) {
  if (worker.dying) return;
  std::string reason = "did not stop within its grace period";
  if (worker.leaving)
    reason = "did not end its service in time";
  else if (worker.entering && worker.park != parking::none)
    reason = worker.park == parking::begins ? "did not release what it has on its GPUs in time"
                                            : "did not get back what it has on its GPUs in time";
  else if (worker.entering)
    reason = "took longer than " + in_words(worker.pool->needs.enter_timeout) + " to make its service '" +
             worker.pool->needs.service + "'";
  YONDER_REACHED(grace_over);
  worker.dying = true;
  ++counters.workers_killed;
  work.leave_service(now, worker);
  if (!worker.conn.reliable()) return dismiss(now, worker, errc::disconnected, std::move(reason), out);
  out.emplace_back(out::kill_worker{worker.conn.peer(), std::move(reason)});
}

// How many items of the attempt may have been started; of those that were, the last is what the worker ran.
std::uint32_t hub::state::started_items(worker_session const& worker, attempt_record const& attempt,
                                        peer_loss const& loss) {
  if (YONDER_MUTANT(started_ignored)) return 0;
  if (attempt.adopted) return attempt.count;
  auto const number = worker.conn.number_of(attempt.sequence);
  if (!number) return 0;
  if (!loss.started) return attempt.count;
  auto const ahead = distance(*number, static_cast<std::uint32_t>(*loss.started >> 32));
  if (ahead != 0) return ahead < 0 ? attempt.count : 0;
  if (YONDER_MUTANT(item_level_ignored)) return 0;
  auto const level = static_cast<std::uint32_t>(*loss.started);
  return level <= attempt.place ? 0 : std::min(attempt.count, level - attempt.place);
}

// Then nobody can tell which of them its end was.
bool hub::state::ran_several(worker_session& worker, peer_loss const& loss) {
  if (worker.concurrency == 1 && worker.in_company == 0) return false;
  std::size_t started = 0;
  for (std::size_t i = 0; i < worker.outstanding.size() && started < 2; ++i)
    started += started_items(worker, worker.outstanding[i], loss);
  return started > 1;
}

void hub::state::end_worker(time_point now, worker_session& worker, peer_loss const& loss, outputs& out) {
  if (!worker.outstanding.empty() || !worker.draining) ++counters.workers_lost;
  work.leave_service(now, worker);
  timers.disarm(worker.grace_timer);
  auto const shared = ran_several(worker, loss) && !YONDER_MUTANT(suspects_together);
  auto culprit = !worker.dying && !shared && !ends_with_allocation(now, worker, loss);
  worker.gone = true;
  // What one attempt's task has called may be the next of them: it ends with that, and leaves its place.
  for (std::size_t i = 0; i < worker.outstanding.size(); ++i) {
    if (auto* const call = worker.outstanding[i].call; call != nullptr) {
      auto const started = started_items(worker, worker.outstanding[i], loss);
      if (call->traced != nullptr) {
        call->traced->code = errc::worker_lost;
        call->traced->handed_back = started == 0;
      }
      if (started != 0 && i < worker.running)
        count_use(*call, worker, worker.outstanding[i], now - worker.began_since);
      leave_nest(now, *call, worker, out);
      worker.outstanding[i].call = nullptr;  // a later one of the same batch finds no successor in it
      call->worker = nullptr;
      call->alone = call->alone || (shared && started != 0 && !worker.dying);
      items_lost(now, *call, started, worker, loss, culprit, out);
    }
    culprit = false;
  }
  for (std::size_t i = 0; i < worker.outstanding.size(); ++i)
    if (auto* const order = worker.outstanding[i].order; order != nullptr) leave_worker(now, *order);
  if (!unclaimed.empty()) forget_unclaimed(worker);
  if (worker.park != parking::none) scaler::forget_parked(worker);
  if (worker.entering && !worker.leaving && worker.park != parking::begins)
    entry_failed(
        now, worker,
        describe_loss(loss) + (worker.dying || worker.park != parking::none
                                   ? std::string()
                                   : " while it made its service '" + worker.pool->needs.service + "'"),
        loss.stderr_tail, out);
  if (worker.pool != nullptr) pools.gone(worker);
  if (worker.start != 0) out.emplace_back(out::abandon_start{worker.start});
  if (worker.program != nullptr && worker.program->holders == 1) {
    for (auto* const function : worker.program->functions) function->last_loss = describe_loss(loss);
  }
  work.leave(now, worker);
  look_for_deadlocks = true;
  sessions.remove(worker);
}

// Of the call's items the first `started` were, the others were not.
void hub::state::items_lost(time_point now, call_record& call, std::uint32_t started,
                            worker_session const& worker, peer_loss const& loss, bool culprit, outputs& out) {
  call.stage = call_stage::leaving;
  auto* rest = &call;
  auto const part = [&](std::uint32_t at) -> call_record& {
    return at == rest->count ? *std::exchange(rest, nullptr) : calls.split(*rest, at);
  };
  if (started != 0) {
    // Whoever ran last ran alone; where that is not known, the first is blamed.
    auto const before = loss.started ? started - 1 : 0;
    if (before != 0) attempt_lost(now, part(before), worker, loss, false, out);
    attempt_lost(now, part(1), worker, loss, culprit, out);
    if (auto const after = started - before - 1; after != 0)
      attempt_lost(now, part(after), worker, loss, false, out);
    culprit = false;
  }
  if (rest != nullptr) unstarted_lost(now, *rest, loss, culprit, out);
}

}  // namespace yonder::core
