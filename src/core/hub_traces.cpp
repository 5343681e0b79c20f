// SPDX-License-Identifier: Apache-2.0
// The hub: when what happened to calls, for whoever traces them, and how long workers ran for whom.
#include "src/core/hub_state.hpp"
#include "src/core/trace.hpp"

#include <algorithm>

namespace yonder::core {

// What a task calls is traced with its own call; what says that its caller keeps no trace of it is not (W3C
// Trace Context, 3.2.2.3.3: the flag `sampled`).
void hub::state::begin_trace(time_point now, call_record& call) const {
  auto const given = read_traceparent(call.message->metadata());
  auto const wanted = call.parent != nullptr ? call.parent->traced != nullptr : is_sampled(given);
  if (!wanted) return;
  call.traced = std::make_unique<trace_record>();
  call.traced->submitted = call.traced->waits_since = now;
}

void hub::state::note_answer(call_record& call, frame const& answer) const {
  if (call.traced == nullptr || answer.head.type != frame_type::error) return;
  call.traced->handed_back = (answer.head.flags & flag_not_started) != 0;
  call.traced->code = errc::failed;
  read_error_code(answer, call.traced->code);
}

// It leaves its worker. One that was not started goes on waiting.
void hub::state::trace_attempt(time_point now, call_record& call, worker_session const& worker,
                               outputs& out) const {
  auto& its = *call.traced;
  auto const code = std::exchange(its.code, {});
  if (std::exchange(its.handed_back, false)) return;
  out::traced said;
  said.call = call.id;
  said.items = call.count;
  said.attempt = call.attempt;
  said.function = call.function->name;
  said.worker = worker.name;
  said.traceparent = read_traceparent(call.message->metadata());
  said.since = its.waits_since;
  said.assigned = its.assigned;
  said.began = std::min(its.began, now);
  said.ended = now;
  said.code = code;
  out.emplace_back(std::move(said));
  its.waits_since = now;
}

void hub::state::trace_call(time_point now, call_record const& call, errc code, outputs& out) const {
  out::traced said;
  said.call = call.id;
  said.items = call.count;
  said.function = call.function->name;
  said.traceparent = read_traceparent(call.message->metadata());
  said.since = call.traced->submitted;
  said.ended = now;
  said.code = code;
  out.emplace_back(std::move(said));
}

// The time of several that ran as one is the first one's.
void hub::state::count_use(call_record const& call, worker_session const& worker,
                           attempt_record const& attempt, duration ran) {
  if (attempt.in_company && attempt.place != 0) ran = 0;
  used.count(call.function->name, call.caller->identity,
             call.flow != nullptr ? std::string_view(call.flow->key) : std::string_view(), call.count, ran,
             worker.lease ? worker.lease->gpus.size() : 0);
}

}  // namespace yonder::core
