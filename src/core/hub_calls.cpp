// SPDX-License-Identifier: Apache-2.0
// The hub: what is asked for, how it is tried, and how it ends.
#include "src/core/hub_state.hpp"
#include "src/core/mutant.hpp"
#include "src/core/words.hpp"

#include <algorithm>

namespace yonder::core {
namespace {

failure failure_of(errc code, std::string text) {
  failure error;
  error.code = code;
  error.message = std::move(text);
  return error;
}

}  // namespace

std::string describe_loss(peer_loss const& loss) {
  if (!loss.reason.empty()) return "the worker " + loss.reason;
  if (loss.signal != 0) return "the worker was ended by signal " + std::to_string(loss.signal);
  if (loss.exit_status) return "the worker exited with status " + std::to_string(*loss.exit_status);
  return "the connection to the worker ended";
}

void hub::state::take_call(time_point now, client_session& client, frame&& message, outputs& out) {
  auto const head = message.head;
  call_message said;
  if (head.call.session != client.id || head.call.number <= client.last_number) {
    ++counters.protocol_violations;
    return dismiss(now, client, errc::protocol_violation, "a call number that is not the client's next", out);
  }
  client.last_number = head.call.number;
  if (!read_call(message.metadata(), said)) {
    ++counters.protocol_violations;
    return answer(now, client, head.call, failure_of(errc::protocol_violation, "the call does not decode"),
                  out);
  }
  auto const size = size_of(message);
  if (auto full = overload(client, size); !full.empty())
    return answer(now, client, head.call, failure_of(errc::overloaded, std::move(full)), out);
  ++counters.calls;
  tokens = std::min(config.retry_tokens, tokens + config.retry_tokens_per_call);
  auto& call = calls.acquire();
  call.kind = static_cast<std::uint8_t>(timer_kind::call);
  call.id = head.call;
  call.client = &client;
  call.function = &function_of(said.function, head.signature);
  ++call.function->calls;
  call.policy = said.policy;
  call.deadline = YONDER_MUTANT(deadline_forgotten) ? never : from_remaining(head.remaining_us, now);
  call.bytes = size;
  call.message = frame_ref(std::move(message));
  client.calls.insert(call.id.number, call);
  client.order.push_back(call);
  client.bytes += size;
  bytes += size;
  arm(call);
  enqueue(now, call);
}

// Which limit another call of `size` bytes would pass, in words; empty: none.
std::string hub::state::overload(client_session const& client, std::size_t size) const {
  auto const passes = [size](std::size_t held, std::size_t most) {
    return size > most - std::min(most, held);
  };
  auto const limit = [](std::size_t most, char const* what, char const* whose) {
    return "the hub holds at most " + std::to_string(most) + what + whose;
  };
  if (client.calls.size() >= config.max_client_calls)
    return limit(config.max_client_calls, " calls of one client",
                 " (runtime_options::max_calls, of the hub)");
  if (calls.size() >= config.max_calls) return limit(config.max_calls, " calls", " of all clients");
  if (passes(client.bytes, config.max_client_bytes))
    return limit(config.max_client_bytes, " bytes of one client",
                 " (runtime_options::max_bytes, of the hub)");
  if (passes(bytes, config.max_bytes)) return limit(config.max_bytes, " bytes", " of all clients");
  return {};
}

void hub::state::take_cancel(time_point now, client_session& client, header const& head, outputs& out) {
  auto* const call = head.call.session == client.id ? client.calls.find(head.call.number) : nullptr;
  if (call == nullptr) return;  // it has ended already
  if (YONDER_MUTANT(cancel_loses) && call->now_in == stage::queued) return;
  if (call->now_in == stage::assigned) abandon(now, *call, out);
  ++counters.cancelled;
  forget(*call);
}

// --- what a worker answers

void hub::state::take_answer(time_point now, worker_session& worker, frame&& message, outputs& out) {
  auto const& head = message.head;
  auto& list = worker.outstanding;
  std::size_t index = 0;
  while (index < list.size() && !(list[index].id == head.call && list[index].number == head.attempt)) ++index;
  if (index == list.size()) {
    ++counters.protocol_violations;
    return dismiss(now, worker, errc::protocol_violation, "an answer to what it was not asked", out);
  }
  auto* call = list[index].call;
  auto const ran =
      static_cast<duration>(std::min<std::uint64_t>(head.remaining_us, never / microsecond)) * microsecond;
#ifdef YONDER_SIMULATE_MUTANTS
  if (YONDER_MUTANT(fence_ignored) && call == nullptr) call = unfenced(now, head.call, out);
#endif
  if (call == nullptr) {
    ++counters.fenced;
    if (YONDER_MUTANT(slot_leaked)) return;
    return removed_attempt(now, worker, index);
  }
  if (YONDER_MUTANT(foreign_slot_freed)) {
    list[index].call = nullptr;
    index = 0;
    if (list[0].call != nullptr) list[0].call->worker = nullptr;
  }
  call->worker = nullptr;
  if (head.type == frame_type::result) {
    measure(*call->function, ran);
    removed_attempt(now, worker, index);
    if (!read_nothing(message)) {
      ++counters.protocol_violations;
      return fail(now, *call, errc::protocol_violation, "the worker's result does not decode", out);
    }
    if (!within(call->client->limits, message)) {
      return fail(now, *call, errc::too_large,
                  excess_in_words(message, call->client->limits, "the result takes", "client"), out);
    }
    ++counters.completed;
    return complete(now, *call, std::move(message), out);
  }
  removed_attempt(now, worker, index);
  take_error(now, worker, *call, message, out);
}

void hub::state::take_error(time_point now, worker_session& worker, call_record& call, frame const& message,
                            outputs& out) {
  failure error;
  if (!read_error(message, error)) {
    ++counters.protocol_violations;
    return fail(now, call, errc::protocol_violation, "the worker's error does not decode", out);
  }
  error.worker = worker.name;
  auto const not_started = (message.head.flags & flag_not_started) != 0;
  if (!not_started) return attempt_failed(now, call, std::move(error), out);
  if (error.code == errc::deadline_exceeded) return fail(now, call, std::move(error), out);
  requeue(now, call);
}

void hub::state::attempt_failed(time_point now, call_record& call, failure error, outputs& out) {
  ++call.tries;
  if (may_retry(call, error.code)) return retry_later(now, call, std::move(error));
  fail(now, call, std::move(error), out);
}

// A worker ended before it started the call, which costs nothing, unless the call seems to be what ends
// workers: a frame that they refuse, say.
void hub::state::unstarted_lost(time_point now, call_record& call, peer_loss const& loss, bool suspect,
                                outputs& out) {
  if (!suspect || ++call.unstarted < config.unstarted_after) return requeue(now, call);
  failure error =
      failure_of(errc::worker_lost, std::to_string(call.unstarted) +
                                        " workers ended when the call reached them, before they started "
                                        "it; it is not tried again: " +
                                        describe_loss(loss));
  error.stderr_tail = loss.stderr_tail;
  fail(now, call, std::move(error), out);
}

void hub::state::attempt_lost(time_point now, call_record& call, worker_session& worker,
                              peer_loss const& loss, bool culprit, outputs& out) {
  if (culprit) ++call.kills;
  failure error = failure_of(errc::worker_lost, describe_loss(loss) + "; whether the call ran is unknown");
  error.worker = worker.name;
  error.signal = loss.signal;
  error.exit_status = loss.exit_status;
  error.stderr_tail = loss.stderr_tail;
  if (call.kills >= config.quarantine_after) {
    ++call.tries;
    error.message +=
        "; " + std::to_string(call.kills) + " workers ended while they ran it, it is not tried again";
    return fail(now, call, std::move(error), out);
  }
  attempt_failed(now, call, std::move(error), out);
}

#ifdef YONDER_SIMULATE_MUTANTS
// The call that a fenced attempt belonged to, as if it still counted.
call_record* hub::state::unfenced(time_point now, call_id id, outputs& out) {
  auto const client = clients.find(id.session);
  auto* const call = client == clients.end() ? nullptr : client->second->calls.find(id.number);
  if (call != nullptr && call->now_in == stage::assigned) abandon(now, *call, out);
  return call;
}
#endif

// --- retries

bool hub::state::may_retry(call_record const& call, errc code) const {
  auto const tries_left = call.tries <= call.policy.retries;
  switch (code) {
    case errc::worker_lost:
      return tries_left || call.policy.idempotent || YONDER_MUTANT(lost_attempt_repeated);
    case errc::timed_out:
    case errc::failed: return tries_left;
    default: return false;
  }
}

void hub::state::retry_later(time_point now, call_record& call, failure error) {
  call.last_failure = std::move(error.message);
  if (YONDER_MUTANT(retry_forgotten)) return;
  refill_tokens(now);
  if (tokens >= 1 && tokenless.empty()) return begin_backoff(now, call);
  call.now_in = stage::tokenless;
  call.due = never;
  tokenless.push_back(call);
  arm(call);
}

// Exponential backoff with full jitter (Brooker, "Exponential Backoff And Jitter", AWS, 2015).
void hub::state::begin_backoff(time_point now, call_record& call) {
  tokens -= 1;
  ++counters.retries;
  ++delayed;
  auto most = config.backoff_first;
  for (std::uint32_t i = 1; i < call.tries && most < config.backoff_cap; ++i) most *= 2;
  most = std::min(most, config.backoff_cap);
  call.now_in = stage::delayed;
  call.due = add(now, static_cast<duration>(random.below(static_cast<std::uint64_t>(most) + 1)));
  arm(call);
}

void hub::state::refill_tokens(time_point now) {
  auto const seconds = static_cast<double>(now - tokens_at) / static_cast<double>(second);
  tokens = std::min(config.retry_tokens, tokens + seconds * config.retry_tokens_per_second);
  tokens_at = now;
}

void hub::state::hand_out_tokens(time_point now) {
  if (tokenless.empty()) return;
  refill_tokens(now);
  while (tokens >= 1 && !tokenless.empty()) {
    auto& call = tokenless.front();
    tokenless.remove(call);
    begin_backoff(now, call);
  }
}

// --- the end of a call

void hub::state::answer(time_point now, client_session& client, call_id id, failure error, outputs& out) {
  ++counters.failed;
  auto message = make_error(error, client.limits);
  message.head.call = id;
  send(now, client, std::move(message), out);
}

void hub::state::complete(time_point now, call_record& call, frame&& message, outputs& out) {
  auto& head = message.head;
  head.call = call.id;
  head.attempt = call.tries + 1;
  head.flags = 0;
  send(now, *call.client, std::move(message), out);
  forget(call);
}

void hub::state::fail(time_point now, call_record& call, failure error, outputs& out) {
  error.function = call.function->name;
  error.attempt = call.tries;
  answer(now, *call.client, call.id, std::move(error), out);
  forget(call);
}

void hub::state::fail(time_point now, call_record& call, errc code, std::string text, outputs& out) {
  fail(now, call, failure_of(code, std::move(text)), out);
}

void hub::state::forget(call_record& call) {
  switch (call.now_in) {
    case stage::queued: dequeue(call); break;
    case stage::tokenless: tokenless.remove(call); break;
    case stage::delayed: --delayed; break;
    case stage::assigned: break;
  }
  timers.disarm(call);
  auto& client = *call.client;
  client.calls.erase(call.id.number);
  client.order.remove(call);
  if (!YONDER_MUTANT(credit_forgotten)) client.bytes -= call.bytes;
  bytes -= call.bytes;
  auto& function = *call.function;
  calls.release(call);
  if (--function.calls == 0) release_function(function);
}

// --- time and cancellation

// The worker is told to stop; whatever it still answers counts only for its slot.
void hub::state::abandon(time_point now, call_record& call, outputs& out) {
  auto* const worker = std::exchange(call.worker, nullptr);
  if (worker == nullptr) return;
  auto& list = worker->outstanding;
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (list[i].call != &call) continue;
    list[i].call = nullptr;
    say_cancel(now, *worker, list[i], 0, out);
    if (i != 0) return;
    timers.arm(worker->grace_timer, add(now, config.cancel_grace));
    recall_waiting(now, *worker, out);
    return place(now, *worker);
  }
}

void hub::state::call_time(time_point now, call_record& call, outputs& out) {
  if (call.deadline <= now) {
    if (call.now_in == stage::assigned) {
      ++call.tries;
      abandon(now, call, out);
    }
    auto text = std::string("the call's deadline passed");
    if (!call.last_failure.empty()) text += "; before that: " + call.last_failure;
    return fail(now, call, errc::deadline_exceeded, std::move(text), out);
  }
  if (call.due > now) return arm(call);
  call.due = never;
  if (call.now_in == stage::delayed) {
    --delayed;
    arm(call);
    return enqueue(now, call);
  }
  if (YONDER_MUTANT(timeout_forgotten)) return;
  auto error =
      failure_of(errc::timed_out, "the attempt outlasted its timeout of " + in_words(call.policy.timeout));
  if (call.worker != nullptr) error.worker = call.worker->name;
  abandon(now, call, out);
  attempt_failed(now, call, std::move(error), out);
}

}  // namespace yonder::core
