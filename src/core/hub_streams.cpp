// SPDX-License-Identifier: Apache-2.0
// The hub: what tasks produce or read item by item, between their callers and the workers that run them.
#include "src/core/hub_state.hpp"
#include "src/core/mutant.hpp"
#include "src/core/words.hpp"

namespace yonder::core {

stream_record& hub::state::stream_of(call_record& call) {
  if (!call.stream) {
    call.stream = std::make_unique<stream_record>();
    call.stream->call = &call;
    call.caller->streams.push_back(*call.stream);
  }
  return *call.stream;
}

void hub::state::begin_stream(call_record& call, stream_terms const& terms) {
  auto& stream = stream_of(call);
  stream.reads = true;
  stream.output.passed = terms.begin;
  stream.allowed = {std::min(terms.allowed.items, terms.begin.items + max_stream_window.items),
                    std::min(terms.allowed.bytes, terms.begin.bytes + max_stream_window.bytes)};
}

// The call's message, with what its reader allows by now, and from where on.
frame_ref hub::state::stream_assignment(call_record& call) {
  auto& stream = *call.stream;
  if (!stream.reads) return call.message;
  stream.output.allowed = stream.allowed;
  if (YONDER_MUTANT(stream_overrun)) stream.output.allowed.items += 100;
  auto const begin = YONDER_MUTANT(stream_begun_anew) ? stream_level{} : stream.output.passed;
  return frame_ref(with_stream(*call.message, {stream.output.allowed, begin}));
}

// --- who waits

// The attempt is among those that its worker runs.
void hub::state::stream_runs(time_point now, call_record& call) {
  if (std::exchange(call.stream->runs, true)) return;
  ++call.worker->nests;
  work.update_load(now, *call.worker);
  look_at_stream(now, call);
}

// Who waits for a reader, or for input, computes nothing, and that time is not its own.
void hub::state::look_at_stream(time_point now, call_record& call) {
  auto& stream = *call.stream;
  auto const waits = stream.runs && (stream.waits_for_reader() || stream.waits_for_input()) &&
                     !YONDER_MUTANT(stream_out_of_time);
  if (std::exchange(stream.waits, waits) == waits) return;
  auto& worker = *call.worker;
  worker.waiting_attempts += waits ? 1 : std::uint32_t(-1);
  set_waits(worker);
  if (waits) {
    stop_clock(now, call);
    began_to_wait.push_back(worker.id);
    look_for_deadlocks = true;
  } else if (stream.left != never) {
    call.due = add(now, std::exchange(stream.left, never));
    arm(call);
  }
}

// Of the attempt's timeout.
void hub::state::stop_clock(time_point now, call_record& call) {
  if (call.due == never) return;
  call.stream->left = std::max<duration>(0, call.due - now);
  call.due = never;
  arm(call);
}

// The attempt has ended.
void hub::state::leave_stream(call_record& call, worker_session& worker) {
  if (!call.stream || !std::exchange(call.stream->runs, false)) return;
  --worker.nests;
  call.stream->left = never;
  call.stream->wants_input_at = ~std::uint64_t{0};
  if (!call.stream->feeds) call.stream->input = {};  // the next one asks anew
  if (!std::exchange(call.stream->waits, false)) return;
  --worker.waiting_attempts;
  set_waits(worker);
}

// Whether another attempt may follow: its reader has nothing yet or is given the rest, and nothing was fed.
bool hub::state::may_stream_again(call_record const& call) const {
  auto const& stream = *call.stream;
  return (!stream.feeds || YONDER_MUTANT(fed_again)) &&
         (stream.output.passed.items == 0 || call.policy.idempotent || YONDER_MUTANT(stream_repeated));
}

bool hub::state::is_end_of(call_record const& call, frame const& message) {
  if (!call.stream->reads) return read_nothing(message);
  std::uint64_t items = 0;
  return read_position(message, items) && items == call.stream->output.passed.items;
}

// --- from workers

void hub::state::take_from_producer(time_point now, worker_session& worker, frame&& message, outputs& out) {
  auto const index = find_attempt(worker, message.head.call, message.head.attempt);
  if (index == worker.outstanding.size())
    return violated(now, worker, "a stream of what it was not asked", out);
  auto* const call = worker.outstanding[index].call;
  if (call == nullptr) {
    ++counters.fenced;
  } else if (call->count != 1) {
    violated(now, worker, "a stream of several calls", out);
  } else if (message.head.type == frame_type::stream_items) {
    take_items(now, *call, worker, std::move(message), out);
  } else if (message.head.type == frame_type::waiting) {
    take_input_wait(now, *call, worker, message, out);
  } else {
    take_input_credit(now, *call, worker, message, out);
  }
}

void hub::state::take_items(time_point now, call_record& call, worker_session& worker, frame&& message,
                            outputs& out) {
  stream_frame said;
  if (!call.stream || !call.stream->reads || !read_stream_items(message, said) ||
      !call.stream->output.take(said))
    return violated(now, worker, "items of a stream that its reader does not take", out);
  auto* const client = sessions.client(call.id.session);
  if (client == nullptr) return;  // and so the call ends
  if (!within(client->limits, message)) {
    auto const why = excess_in_words(message, client->limits, "an item of the stream takes", "client");
    abandon(now, call, out);
    return fail(now, call, errc::too_large, why, out);
  }
  message.head.attempt = call.tries + 1;
  message.head.flags = 0;
  send_outcome(now, *client, frame_ref(std::move(message)), out);
  note_streamed(call);
  look_at_stream(now, call);
}

// The call's task reads what its caller sends: it is never made again.
void hub::state::take_input_credit(time_point now, call_record& call, worker_session& worker,
                                   frame const& message, outputs& out) {
  stream_level level;
  auto& stream = stream_of(call);
  if (!read_stream_credit(message, level) || !stream.input.allow(level))
    return violated(now, worker, "credit for more than a stream may have", out);
  stream_runs(now, call);
  say_input_allowed(now, call, out);
}

// To its caller, as soon as that is there.
void hub::state::say_input_allowed(time_point now, call_record& call, outputs& out) {
  auto* const client = sessions.client(call.id.session);
  if (client == nullptr || call.orphaned_since != never) return;
  call.stream->feeds = true;
  auto told = make_stream_credit(call.stream->input.allowed);
  told.head.call = call.id;
  send(now, *client, std::move(told), out);
  note_streamed(call);
}

void hub::state::take_input_wait(time_point now, call_record& call, worker_session& worker,
                                 frame const& message, outputs& out) {
  wait_message said;
  if (!call.stream || call.stream->input.allowed == stream_level{} || !read_wait(message, said))
    return violated(now, worker, "a wait for input that it did not ask for", out);
  if (YONDER_MUTANT(input_wait_ignored)) return;
  call.stream->wants_input_at = said.told.streamed;
  look_at_stream(now, call);
}

// --- from clients

void hub::state::take_from_reader(time_point now, client_session& client, frame&& message, outputs& out) {
  auto const id = message.head.call;
  if (id.session != client.id) return violated(now, client, "a stream of another session", out);
  auto* const call = calls.find(id);
  if (call == nullptr) return;  // it has ended
  if (call->count != 1 || !call->stream) return violated(now, client, "a stream of a call without one", out);
  if (message.head.type == frame_type::stream_credit)
    take_output_credit(now, *call, client, message, out);
  else
    take_input(now, *call, client, std::move(message), out);
}

void hub::state::take_output_credit(time_point now, call_record& call, client_session& client,
                                    frame const& message, outputs& out) {
  auto& stream = *call.stream;
  stream_level level;
  if (!stream.reads || !read_stream_credit(message, level) || !is_within_window(level, stream.output.passed))
    return violated(now, client, "credit for more than a stream may have", out);
  stream.allowed = {std::max(stream.allowed.items, level.items), std::max(stream.allowed.bytes, level.bytes)};
  if (!calls.stalls(*call.caller) && !YONDER_MUTANT(stream_credit_forgotten)) say_allowed(now, call, out);
}

void hub::state::say_allowed(time_point now, call_record& call, outputs& out) {
  auto& stream = *call.stream;
  if (call.stage != call_stage::assigned || call.worker == nullptr || stream.output.allowed == stream.allowed)
    return;
  stream.output.allowed = stream.allowed;
  auto told = make_stream_credit(stream.allowed);
  told.head.call = call.id;
  told.head.attempt = call.attempt;
  send(now, *call.worker, std::move(told), out);
  look_at_stream(now, call);
}

// What was held back while the caller had too much to take.
void hub::state::say_allowed(time_point now, caller_record& caller, outputs& out) {
  for (auto* one = caller.streams.first(); one != nullptr; one = caller.streams.after(*one))
    if (one->reads) say_allowed(now, *one->call, out);
}

void hub::state::take_input(time_point now, call_record& call, client_session& client, frame&& message,
                            outputs& out) {
  auto& stream = *call.stream;
  stream_frame said;
  auto const ends = message.head.type == frame_type::stream_end;
  auto const good = ends ? read_position(message, said.first) && said.first == stream.input.passed.items
                         : read_stream_items(message, said) && stream.input.take(said);
  if (!stream.feeds || stream.input_ended || !good)
    return violated(now, client, "a stream that the call does not take", out);
  stream.input_ended = ends;
  if (call.stage != call_stage::assigned || call.worker == nullptr) return;
  auto& worker = *call.worker;
  if (!within(worker.limits, message)) {
    auto const why = excess_in_words(message, worker.limits, "an item of the stream takes", "worker");
    abandon(now, call, out);
    return fail(now, call, errc::too_large, why, out);
  }
  message.head.attempt = call.attempt;
  message.head.flags = 0;
  send(now, worker, std::move(message), out);
  look_at_stream(now, call);
}

// Nobody is there to read them, or to feed them.
void hub::state::end_streams(time_point now, caller_record& caller, outputs& out) {
  if (YONDER_MUTANT(stream_kept)) return;
  while (auto* const one = caller.streams.first()) cancel(now, *one->call, out);
}

}  // namespace yonder::core
