// SPDX-License-Identifier: Apache-2.0
// The hub: calls that it makes again and again.
#include "src/core/check.hpp"
#include "src/core/hub_state.hpp"

#include <algorithm>
#include <stdexcept>

namespace yonder::core {
namespace {

constexpr std::size_t most_schedules = 10'000;
constexpr std::size_t most_schedule_bytes = std::size_t{256} << 20;

std::size_t cost_of(kept_schedule const& one) { return size_of(*one.call) + one.said.size(); }

bool is_equal(frame const& a, frame const& b) {
  auto const equal = [](std::span<std::byte const> x, std::span<std::byte const> y) {
    return std::equal(x.begin(), x.end(), y.begin(), y.end());
  };
  if (a.head.signature != b.head.signature || a.head.metadata_size != b.head.metadata_size ||
      a.buffers.size() != b.buffers.size() || !equal(a.body.bytes(), b.body.bytes()))
    return false;
  for (std::size_t i = 0; i < a.buffers.size(); ++i)
    if (!equal(a.buffers[i].bytes(), b.buffers[i].bytes())) return false;
  return true;
}

frame_ref empty_call() { return frame_ref(make_control(frame_type::call)); }

}  // namespace

void hub::state::set_clock(time_point now, std::int64_t utc) {
  auto const ahead = utc - now;
  auto const moved = std::abs(ahead - schedules.ahead) > millisecond;
  if (schedules.all.empty()) schedules.ahead = ahead;
  if (schedules.all.empty() || !moved) return;
  schedules.ahead = ahead;
  schedules.due = schedules.table.next(schedules.at(now));
}

// --- what is asked for

// A call that says how it is to be repeated: the hub keeps it, and makes it itself from then on. Under the
// name of one of the same credential it is that one, with these terms.
void hub::state::take_schedule(time_point now, client_session& client, call_message const& said,
                               frame const& message, outputs& out) {
  note_answered(now, client, said.parent);
  auto const id = message.head.call;
  kept_schedule made;
  if (auto why = read_schedule(client, said, message, made); why)
    return answer(now, client, id, std::move(*why), out);
  auto const known = std::find_if(schedules.all.begin(), schedules.all.end(), [&](auto const& one) {
    return one.second.identity == client.identity && one.second.terms.name == made.terms.name;
  });
  auto const own = known != schedules.all.end() ? known->first : new_schedule_id();
  std::string value;
  put(value, own);
  if (known != schedules.all.end()) {
    auto& one = known->second;
    if (one.said == made.said && is_equal(*one.call, *made.call))
      return answer_when_synced(now, client, id, std::move(value), out);
    schedules.table.change(own, spec_of(schedule_terms(made.terms)), same_times(one.terms, made.terms),
                           schedules.at(now));
    schedules.bytes -= cost_of(one);
    one.terms = std::move(made.terms);
    one.said = std::move(made.said);
    one.task = std::move(made.task);
    one.call = std::move(made.call);
  } else if (schedules.all.size() >= most_schedules || schedules.bytes >= most_schedule_bytes) {
    return answer(now, client, id,
                  failure_of(errc::overloaded, "the hub keeps " + std::to_string(schedules.all.size()) +
                                                   " schedules, of " + std::to_string(schedules.bytes) +
                                                   " bytes; stop some (yonder schedules)"),
                  out);
  } else {
    schedules.table.add(own, spec_of(schedule_terms(made.terms)), schedules.at(now));
    schedules.all.emplace(own, std::move(made));
  }
  auto& one = schedules.all.at(own);
  schedules.bytes += cost_of(one);
  record_terms(now, own, one, out);
  schedules.due = schedules.table.next(schedules.at(now));
  answer_when_synced(now, client, id, std::move(value), out);
}

// Why it is none; none: it is one.
std::optional<failure> hub::state::read_schedule(client_session const& client, call_message said,
                                                 frame const& message, kept_schedule& made) {
  if (said.stream || !said.arguments.empty() || !said.idempotency.key.empty())
    return failure_of(errc::bad_configuration,
                      "the calls of a schedule neither stream nor have an idempotency key, and their "
                      "arguments are values");
  if (!said.callback.metadata.empty())
    return failure_of(errc::bad_configuration,
                      "the calls of a schedule have no callback: call it in the task");
  said.policy.durable = true;
  if (auto why = not_durable(said); why) return why;
  if (said.function.starts_with(' ') || !decode_terms(said.schedule, made.terms))
    return failure_of(errc::protocol_violation, "the terms of the schedule do not decode");
  try {
    spec_of(schedule_terms(made.terms));
  } catch (std::invalid_argument const& wrong) {
    return failure_of(errc::bad_configuration, wrong.what());
  }
  made.identity = client.identity;
  made.said = said.schedule;
  made.task = said.function;
  auto call = without_schedule(message);
  if (made.terms.deadline != 0)
    call.head.remaining_us = static_cast<std::uint64_t>(made.terms.deadline / microsecond) + 1;
  made.call = frame_ref(std::move(call));
  return std::nullopt;
}

std::uint64_t hub::state::new_schedule_id() {
  while (true) {
    auto const id = first_kept_schedule | random.below(first_kept_schedule);
    if (schedules.find(id) == nullptr && calls.find_caller(id) == nullptr) return id;
  }
}

void hub::state::answer_when_synced(time_point now, client_session& client, call_id id, std::string value,
                                    outputs& out) {
  if (last_record <= synced_record) return answer_order(now, client, id, value, out);
  schedules.answers.push_back({last_record, id, std::move(value)});
}

// What was awaited of the journal up to there; `why`: it is not to come.
void hub::state::answer_of_schedules(time_point now, std::uint64_t up_to, std::string const& why,
                                     outputs& out) {
  while (!schedules.answers.empty() && schedules.answers.front().record <= up_to) {
    auto const one = std::move(schedules.answers.front());
    schedules.answers.pop_front();
    auto* const client = sessions.client(one.by.session);
    if (client == nullptr) continue;
    if (why.empty())
      answer_order(now, *client, one.by, one.value, out);
    else
      answer(now, *client, one.by, failure_of(errc::disconnected, why), out);
  }
}

bool hub::state::may_change(client_session const& client, kept_schedule const& one) {
  return operates(client) || client.identity == one.identity;
}

void hub::state::take_schedule_order(time_point now, client_session& client, std::string_view what,
                                     frame const& message, outputs& out) {
  auto const id = message.head.call;
  if (what == list_schedules) return answer_order(now, client, id, list_schedules_for(now, client), out);
  std::uint64_t meant = 0;
  auto change = schedule_change::pause;
  if (!decode_change(message.payload(), meant, change))
    return answer(now, client, id,
                  failure_of(errc::protocol_violation, "what is said of a schedule does not decode"), out);
  auto* const one = schedules.find(meant);
  if (one == nullptr || !may_change(client, *one)) return answer_order(now, client, id, {}, out);
  if (!journal_fault.empty())
    return answer(now, client, id, failure_of(errc::disconnected, journal_fault), out);
  change_schedule(now, meant, change, out);
  std::string done;
  put(done, meant);
  answer_when_synced(now, client, id, std::move(done), out);
}

// What was due, and has not begun, does not begin any more: but by hand where it is only paused.
void hub::state::change_schedule(time_point now, std::uint64_t id, schedule_change change, outputs& out) {
  auto const at = schedules.at(now);
  switch (change) {
    case schedule_change::pause: schedules.table.pause(id); break;
    case schedule_change::resume: schedules.table.resume(id, at); break;
    case schedule_change::fire: schedules.table.fire(id, schedules.beginning); break;
    case schedule_change::stop: return end_schedule(now, id, out);
  }
  note_progress(id);
  begin_runs(now, out);
  schedules.due = schedules.table.next(at);
}

// Calls that it has made go on.
void hub::state::end_schedule(time_point now, std::uint64_t id, outputs& out) {
  auto& one = schedules.all.at(id);
  for (auto const record : {one.terms_record, one.progress_record})
    if (record != 0) forget_record({id, record}, out);
  schedules.bytes -= cost_of(one);
  schedules.table.remove(id);
  schedules.all.erase(id);
  schedules.due = schedules.table.next(schedules.at(now));
}

// Whose credential is let in no longer.
void hub::state::end_schedules_of(time_point now, std::string_view identity, outputs& out) {
  std::vector<std::uint64_t> ending;
  for (auto const& [id, one] : schedules.all)
    if (one.identity == identity) ending.push_back(id);
  for (auto const id : ending) end_schedule(now, id, out);
}

std::string hub::state::list_schedules_for(time_point now, client_session const& client) {
  std::vector<kept_schedule_row> rows;
  for (auto& row : schedules.table.rows(schedules.at(now))) {
    auto const& one = schedules.all.at(row.id);
    if (!may_change(client, one)) continue;
    rows.push_back({std::move(row), one.task, one.identity, one.progress.failed, one.progress.last_error});
  }
  return encode_schedules(rows);
}

// --- what is written down

void hub::state::forget_record(call_id id, outputs& out) {
  out.emplace_back(out::append{++last_record, out::append::kind::forgotten, id, 1, {}});
}

// What has yet to be written down of its runs has not begun.
void hub::state::note_state(time_point now, std::uint64_t id, kept_schedule& one) {
  auto& known = one.progress.state = schedules.table.state_of(id, schedules.at(now));
  auto const& beginning = schedules.beginning;
  auto const left = static_cast<std::uint64_t>(std::count(beginning.begin(), beginning.end(), id));
  known.runs -= left;
  known.owed += left;
  ++one.progress.version;
}

void hub::state::record_of_schedule(time_point now, std::uint64_t id, kept_schedule& one,
                                    std::string_view what, frame_ref body, std::uint64_t& counts,
                                    outputs& out) {
  note_state(now, id, one);
  auto const before = std::exchange(counts, one.next_record++);
  out::append said{++last_record, out::append::kind::call, {id, counts}, 1, std::move(body)};
  said.identity = one.identity;
  said.function = what;
  said.key = encode_progress(one.progress);
  out.emplace_back(std::move(said));
  if (before != 0) forget_record({id, before}, out);
}

void hub::state::record_terms(time_point now, std::uint64_t id, kept_schedule& one, outputs& out) {
  record_of_schedule(now, id, one, says_terms, frame_ref(with_schedule(*one.call, one.said)),
                     one.terms_record, out);
}

void hub::state::note_progress(std::uint64_t id) {
  auto& one = schedules.all.at(id);
  if (!std::exchange(one.has_changed, true)) schedules.changed.push_back(id);
}

void hub::state::record_progress(time_point now, outputs& out) {
  for (auto const id : std::exchange(schedules.changed, {})) {
    auto* const one = schedules.find(id);
    if (one == nullptr || !std::exchange(one->has_changed, false) || !journal_fault.empty() || over) continue;
    record_of_schedule(now, id, *one, says_progress, empty_call(), one->progress_record, out);
  }
}

// --- its calls

void hub::state::look_at_schedules(time_point now, outputs& out) {
  schedules.due = never;
  if (over || !journal_fault.empty()) return;
  schedule_table::ids passed;
  schedules.table.step(schedules.at(now), schedules.beginning, &passed);
  for (auto const id : passed) note_progress(id);
  begin_runs(now, out);
  schedules.due = schedules.table.next(schedules.at(now));
}

void hub::state::begin_runs(time_point now, outputs& out) {
  while (!schedules.beginning.empty()) {
    auto const id = schedules.beginning.back();
    schedules.beginning.pop_back();
    auto* const one = schedules.find(id);
    if (one != nullptr && !over && journal_fault.empty()) begin_run(now, id, *one, out);
  }
  record_progress(now, out);
}

// Its record says that it was made: none is made again.
void hub::state::begin_run(time_point now, std::uint64_t id, kept_schedule& one, outputs& out) {
  call_id const made{id, ++one.progress.last_run};
  one.progress.running.push_back(made.number);
  note_progress(id);
  frame_ref const whole(frame{one.call->head, one.call->body.duplicate(), one.call->buffers});
  call_message said;
  packed_items items;
  read_call(whole->metadata(), said);
  read_items(*whole, items);
  said.policy.durable = true;
  auto& caller = calls.restore(id, one.identity);
  auto& call = calls.add(caller, made, 1, size_of(*whole));
  call.stage = call_stage::leaving;
  failure refused;
  auto* const home = home_of(said, id, refused);
  set_terms(now, call, said, whole, items, {0, 1, 0, whole->payload().size()}, home);
  dispatcher::expect(*call.function);
  calls.orphan(now, call);
  if (config.traces) begin_trace(now, call);
  auto why = why_not_run(call, said, home == nullptr ? std::move(refused.message) : std::string());
  if (why.empty() && !take_turn(call, said.turn, refused)) why = std::move(refused.message);
  if (!why.empty()) {
    ++one.progress.failed;
    one.progress.last_error = std::move(why);
    return forget(now, call);
  }
  arm(call);
  note_state(now, id, one);
  begin_call(now, call, out);
}

// In words; empty: it may.
std::string hub::state::why_not_run(call_record const& call, call_message const& said, std::string no_home) {
  if (auto fault = not_durable(said); fault) return std::move(fault->message);
  if (auto full = calls.overload(*call.caller, 0, 0); !full.empty()) return full;
  if (!no_home.empty()) return no_home;
  if (auto why = exceeds_allocation(call); !why.empty()) return why;
  return exceeds_quota(call);
}

// Of a call that a schedule has made: what its record says besides.
void hub::state::add_progress(call_record const& call, out::append& said) {
  auto* const one = schedules.find(call.id.session);
  if (one == nullptr) return;
  said.function = says_run;
  said.key = encode_progress(one->progress);
}

// The outcome of a call is fixed. Of those that a schedule has made, the last one's is kept.
void hub::state::note_run_outcome(call_record const& call, frame const& outcome, outputs& out) {
  auto* const one = schedules.find(call.id.session);
  if (one == nullptr) return;
  failure error;
  auto const failed = outcome.head.type == frame_type::error && read_error(outcome, error);
  note_outcome(*one, call.id, failed, std::move(error.message), out);
}

void hub::state::note_outcome(kept_schedule& one, call_id run, bool failed, std::string why, outputs& out) {
  if (failed) {
    ++one.progress.failed;
    one.progress.last_error = std::move(why);
  }
  auto const before = std::exchange(one.progress.kept_run, run.number);
  if (before == 0 || before == run.number) return;
  if (auto* const gone = kept.find({run.session, before}); gone != nullptr) forget_kept(*gone, out);
}

// A call of a schedule is no more: the next one that waits for that may begin.
void hub::state::note_run_ended(call_record const& call) {
  auto* const one = schedules.find(call.id.session);
  if (one == nullptr || std::erase(one->progress.running, call.id.number) == 0) return;
  schedules.table.ended(call.id.session, schedules.beginning);
  note_progress(call.id.session);
}

// --- what the journal of an earlier hub says

bool hub::state::is_of_schedule(recovered_record const& said) {
  return said.what == out::append::kind::call &&
         (said.function == says_terms || said.function == says_progress);
}

bool hub::state::recall_schedule(recovered_record&& said) {
  schedule_progress latest;
  if (said.items != 1 || !said.body || !decode_progress(said.key, latest)) return false;
  auto& one = schedules.all[said.call.session];
  one.next_record = std::max(one.next_record, said.call.number + 1);
  auto& counts = said.function == says_terms ? one.terms_record : one.progress_record;
  if (counts != 0) schedules.forgotten.insert({said.call.session, std::min(counts, said.call.number)});
  if (latest.version > one.progress.version) one.progress = std::move(latest);
  if (said.call.number < counts) return true;
  counts = said.call.number;
  if (said.function == says_progress) return true;
  call_message about;
  if (!read_call(said.body->metadata(), about) || !decode_terms(about.schedule, one.terms)) return false;
  one.said = about.schedule;
  one.task = about.function;
  one.identity = std::move(said.identity);
  one.call = frame_ref(without_schedule(*said.body));
  try {
    spec_of(schedule_terms(one.terms));
  } catch (std::invalid_argument const&) {
    return false;
  }
  return true;
}

bool hub::state::recall_run(recovered_record const& said) {
  schedule_progress latest;
  if (!decode_progress(said.key, latest)) return false;
  auto& one = schedules.all[said.call.session];
  if (latest.version > one.progress.version) one.progress = std::move(latest);
  return true;
}

void hub::state::recall_forgotten_schedule(call_id id) {
  auto* const one = schedules.find(id.session);
  if (one == nullptr || id.number < kept_schedule::first_record) return;
  if (one->terms_record == id.number) one->terms_record = 0;
  if (one->progress_record == id.number) one->progress_record = 0;
  schedules.forgotten.erase(id);
}

// Before anything of it runs.
void hub::state::recovered_schedules(time_point now, outputs& out) {
  for (auto const& id : std::exchange(schedules.forgotten, {})) forget_record(id, out);
  for (auto at = schedules.all.begin(); at != schedules.all.end();) {
    auto const id = at->first;
    auto& one = at->second;
    if (one.terms_record == 0) {  // it was stopped
      if (one.progress_record != 0) forget_record({id, one.progress_record}, out);
      at = schedules.all.erase(at);
      continue;
    }
    ++at;
    schedules.bytes += cost_of(one);
    schedules.table.restore(id, spec_of(schedule_terms(one.terms)), one.progress.state, schedules.at(now));
    recover_runs(id, one, out);
  }
  schedules.due = schedules.table.next(schedules.at(now));
}

// What has ended has done so behind what its schedule has said last.
void hub::state::recover_runs(std::uint64_t id, kept_schedule& one, outputs& out) {
  auto const before = std::exchange(one.progress.running, {});
  for (std::size_t i = 0; i < before.size(); ++i) schedules.table.begun(id);
  for (auto const number : before) {
    if (calls.find({id, number}) != nullptr) {
      one.progress.running.push_back(number);
      continue;
    }
    schedules.table.ended(id, schedules.beginning);
    note_progress(id);
    auto* const ended = kept.find({id, number});
    if (ended == nullptr) continue;
    failure error;
    if (ended->failed && ended->body != nullptr) read_error(*ended->body->outcome, error);
    note_outcome(one, ended->id, ended->failed, std::move(error.message), out);
  }
  schedules.table.begin_owed(id, schedules.beginning);
}

}  // namespace yonder::core
