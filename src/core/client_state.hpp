// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <map>
#include <new>

#include "src/core/client.hpp"
#include "src/core/client_streams.hpp"
#include "src/core/hub_session.hpp"
#include "src/core/items.hpp"
#include "src/core/mutant.hpp"
#include "src/core/pending_calls.hpp"
#include "src/core/taken_outcomes.hpp"
#include "src/core/values.hpp"
#include "src/core/words.hpp"

namespace yonder::core {

struct client::state final : session_user {
  client_config config;
  hub_session hub;
  std::size_t max_calls;
  std::size_t max_bytes;

  std::uint64_t last_number = 0;
  pending_calls calls;
  call_list waiting;  // by submission
  call_list given;
  call_list put_off;        // in no order
  bool hub_drains = false;  // it starts nothing any more, but for what it runs
  std::size_t given_calls = 0;
  timer_wheel timers{0};
  calling_attempts parents;
  taken_outcomes taken;
  std::map<std::uint64_t, std::uint32_t> kept;  // calls that go on without their hub, and their tickets
  client_streams streams;
  errc closed_code = errc::disconnected;
  std::string closed_reason;

  explicit state(client_config made)
      : config(std::move(made)),
        hub(0, client_hello(config), config.timing, *this),
        max_calls(config.max_calls),
        max_bytes(config.max_bytes),
        streams(config.session, hub) {}

  call_id id_of(std::uint64_t number) const { return {config.session, number}; }

  // --- completion

  void forget(pending& call) {
    leave_list(call);
    timers.disarm(call);
    leave_parent(call, call.count);
    streams.forget(call.number);
    if (!kept.empty()) kept.erase(call.number);
    calls.remove(call);
  }

  call_list& list_of(pending const& call) { return call.given ? given : call.put_off ? put_off : waiting; }

  void leave_list(pending& call) {
    list_of(call).remove(call);
    if (call.given) given_calls -= call.count;
  }

  void leave_parent(pending& call, std::uint32_t count) {
    if (call.parent == nullptr) return;
    call.parent->calls -= count;
    parents.forget_if_done(*call.parent);
  }

  // The first ones of a record have ended.
  void forget_first(pending& call, std::uint32_t count) {
    if (count == call.count) return forget(call);
    if (call.given) given_calls -= count;
    leave_parent(call, count);
    calls.advance(call, count);
  }

  // The first `at` calls of a record go their own way from where it is.
  pending& split(pending& call, std::uint32_t at) {
    YONDER_REACHED(separated);
    auto& front = calls.split(call, at);
    list_of(call).insert_before(call, front);
    if (call.deadline != never) timers.arm(front, add(call.deadline, config.deadline_slack));
    return front;
  }

  // Those from `number` on, up to `most`, as a record of their own.
  pending& isolate(pending& call, std::uint64_t number, std::uint64_t most) {
    if (number != call.number) split(call, static_cast<std::uint32_t>(number - call.number));
    return most < call.count ? split(call, static_cast<std::uint32_t>(most)) : call;
  }

  // --- tasks that call

  void say_wait(time_point now, calling_attempt& parent, task_progress const& told, outputs& out) {
    if (!hub.ready() || parent.said == told) return;
    parent.said = told;
    auto message = make_wait({parent.key, told});
    auto const head = message.head;
    hub.send(now, head, frame_ref(std::move(message)), never, out);
  }

  void tell(pending const& call, std::uint32_t which, outcome&& result, outputs& out) {
    out.emplace_back(out::completed{id_of(call.number + which), call.cookie_of(which), std::move(result)});
  }

  // Each of its calls. Only the client knows how long the deadline was that everybody keeps.
  void complete(pending& call, failure error, outputs& out) {
    auto const told = call.policy.deadline > 0 && !error.message.starts_with(argument_not_made);
    if (told && error.code == errc::deadline_exceeded)
      error.message = "after " + in_words(call.policy.deadline) + ", " + error.message;
    for (std::uint32_t i = 1; i < call.count; ++i) tell(call, i - 1, outcome(copy_of(error)), out);
    tell(call, call.count - 1, outcome(std::move(error)), out);
    forget(call);
  }

  void fail(pending& call, errc code, std::string_view why, outputs& out) {
    auto error = failure_of(code, std::string(why));
    error.function = call.function;
    complete(call, std::move(error), out);
  }

  void fail_all(call_list& list, errc code, std::string_view why, outputs& out) {
    while (!list.empty()) fail(list.front(), code, why, out);
  }

  // It was given to a hub that says nothing more.
  void fail_unknown(pending& call, std::string_view why, outputs& out) {
    for (std::uint32_t i = 0; i < call.count; ++i) {
      auto error = failure_of(errc::disconnected, unknown_after(why, call, id_of(call.number + i)));
      error.function = call.function;
      tell(call, i, outcome(std::move(error)), out);
    }
    forget(call);
  }

  void refuse(std::string_view function, std::uint64_t cookie, std::uint64_t number, errc code,
              std::string_view why, outputs& out) {
    auto error = failure_of(code, std::string(why));
    error.function = function;
    out.emplace_back(out::completed{id_of(number), cookie, outcome(std::move(error))});
  }

  void close(errc code, std::string_view reason, outputs& out) {
    closed_code = code;
    closed_reason = reason;
    hub.end();
    if (hub.was_welcomed() && code == errc::disconnected)
      while (!given.empty()) fail_unknown(given.front(), reason, out);
    fail_all(given, code, reason, out);
    fail_all(waiting, code, reason, out);
    fail_all(put_off, code, reason, out);
  }

  // --- sending

  void give(time_point now, pending& all, outputs& out) {
    auto& call = all.count > 1 && YONDER_RARELY() ? split(all, 1) : all;
    if (!call.is_whole()) carve(call);
    auto head = call.message->head;
    if (call.accepted) head.flags |= flag_known;
    if (auto const found = kept.find(call.number); found != kept.end()) {
      head.flags |= flag_claimed;
      head.attempt = found->second;
    }
    call.ticket = hub.send(now, head, call.message, call.deadline, out);
    hand_over(call);
  }

  // From what waits to what was given. What cannot be sent again is not kept.
  void hand_over(pending& call) {
    waiting.remove(call);
    given.push_back(call);
    given_calls += call.count;
    call.given = true;
    if (hub.reliable()) call.message = {};
  }

  void give_waiting(time_point now, outputs& out) {
    while (auto* const call = waiting.first()) {
      if (!is_taken(*call)) {
        put_off_call(*call, out);
      } else if (call->deadline <= now) {
        fail(*call, errc::deadline_exceeded, "the call's deadline passed before a hub was reached", out);
      } else if (given_calls >= max_calls) {
        fail(*call, errc::overloaded,
             "more calls were waiting than the hub takes of one client: " + std::to_string(max_calls) +
                 " (runtime_options::max_calls, here and at the hub)",
             out);
      } else if (call->count > max_calls - given_calls) {
        split(*call, static_cast<std::uint32_t>(max_calls - given_calls));
      } else if (!reaches_hub(*call->message)) {
        fail(*call, errc::too_large, describe_excess(*call->message), out);
      } else {
        give(now, *call, out);
      }
    }
  }

  // Also a hub that ends writes down what is durable, starts what the tasks call that it runs, and answers
  // what is asked of itself.
  bool is_taken(pending const& call) const {
    return !hub_drains || call.parent != nullptr || call.policy.durable || call.function.starts_with(' ');
  }

  // The hub ends, and nothing of the call has run: it is given to the one that comes next.
  void put_off_call(pending& call, outputs& out) {
    YONDER_REACHED(put_off);
    call.message = streams.again(call.number, std::move(call.message), out);
    leave_list(call);
    call.given = false;
    call.put_off = true;
    put_off.push_back(call);
  }

  // In the order in which they were submitted.
  void resume_put_off() {
    if (put_off.empty()) return;
    std::vector<pending*> all;
    all.reserve(waiting.size() + put_off.size());
    for (auto* const list : {&waiting, &put_off})
      while (auto* const call = list->first()) {
        list->remove(*call);
        call->put_off = false;
        all.push_back(call);
      }
    std::sort(all.begin(), all.end(), [](auto const* a, auto const* b) { return a->number < b->number; });
    for (auto* const call : all) waiting.push_back(*call);
  }

  // It is told that nothing more comes of what it would not start: behind all that has come of that.
  void take_drain(time_point now, outputs& out) {
    if (hub.reliable()) return;
    hub_drains = true;
    for (auto* call = given.first(); call != nullptr;) {
      auto& one = *call;
      call = given.after(one);
      if (!is_taken(one) && one.is_whole() && hub.withdraw(now, one.ticket, out)) put_off_call(one, out);
    }
    auto message = make_control(frame_type::drain);
    auto const head = message.head;
    hub.send(now, head, frame_ref(std::move(message)), never, out);
  }

  bool reaches_hub(frame const& message) const {
    return within(hub.hub_limits(), message) || YONDER_MUTANT(limits_ignored);
  }

  std::string describe_excess(frame const& message) const {
    return excess_in_words(message, hub.hub_limits(), "the arguments take", "hub");
  }

  // Calls with consecutive numbers of which the hub is to be told that nobody waits for them.
  struct cancelled_row {
    std::uint64_t first = 0;
    std::uint32_t count = 0;
  };

  // Ends a record's calls. What has left already joins `row`, which is sent when the next ones do not follow
  // it.
  void give_up(time_point now, pending& call, errc code, std::string_view why, cancelled_row& row,
               outputs& out) {
    auto const number = call.number;
    auto const count = call.count;
    auto const told = call.given && !(call.is_whole() && hub.withdraw(now, call.ticket, out));
    if (told) call.note_ended(count);
    fail(call, code, why, out);
    if (!told) return;
    if (row.count == 0 || row.first + row.count != number || row.count + count > max_items) {
      say_cancel(now, row, out);
      row = {number, 0};
    }
    row.count += count;
  }

  void say_cancel(time_point now, cancelled_row const& row, outputs& out) {
    if (row.count == 0) return;
    auto message = make_control(frame_type::cancel);
    message.head.call = id_of(row.first);
    set_item_count(message, row.count);
    auto const head = message.head;
    hub.send(now, head, frame_ref(std::move(message)), never, out);
  }

  // --- receiving (client_receiving.cpp)

  void welcomed(time_point now, welcome_message const& welcome, bool, outputs& out) override;
  void set_credit(credit_window const& credit);
  // What may be repeated, or has certainly not run, waits for the next session.
  void session_lost(time_point, std::string_view why, outputs& out) override;
  void refused(time_point, errc code, std::string_view why, outputs& out) override;
  void deliver(time_point now, frame&& message, outputs& out) override;
  void take_accepted(frame const& message, outputs& out);
  void take_keep(frame const& message);
  // What nobody hears is kept by the hub for longer than it need be.
  void send_taken(time_point now, outputs& out);
  pending* find_given(std::uint64_t number);
  void take_values(frame&& message, outputs& out);
  // Each value refers to the memory that all have in common.
  void take_packed(frame&& message, packed_items const& items, outputs& out);
  void take_error(frame const& message, outputs& out);
  void undecodable(pending& call, outputs& out);

  // --- time

  time_point connect_due() const {
    if (hub.ready() || hub.over()) return never;
    auto due = never;
    auto& lists = const_cast<state&>(*this);
    if (!given.empty()) due = add(hub.away_since(), config.connect_timeout);
    if (!waiting.empty())
      due = std::min(
          due, add(std::max(hub.away_since(), lists.waiting.front().submitted), config.connect_timeout));
    if (!put_off.empty()) due = std::min(due, add(hub.away_since(), config.connect_timeout));
    return due;
  }

  void give_up_unreachable(time_point now, outputs& out) {
    if (add(hub.away_since(), config.connect_timeout) <= now && !given.empty()) {
      auto const why = describe_loss(config);
      while (!given.empty()) fail_unknown(given.front(), why, out);
    }
    while (auto* const call = waiting.first()) {
      if (add(std::max(hub.away_since(), call->submitted), config.connect_timeout) > now) break;
      fail(*call, errc::hub_unreachable, describe_silence(config, hub.trouble()), out);
    }
    if (add(hub.away_since(), config.connect_timeout) <= now)
      fail_all(put_off, errc::hub_unreachable, describe_silence(config, hub.trouble()), out);
  }

  void expire(time_point now, outputs& out) {
    cancelled_row row;
    while (auto* const due = timers.expire(now))
      give_up(now, static_cast<pending&>(*due), errc::deadline_exceeded, "the call's deadline passed", row,
              out);
    say_cancel(now, row, out);
  }

  // --- taking calls

  // Whether `count` more calls of `more` bytes in all may be in flight.
  bool has_credit(std::size_t count, std::size_t more) const {
    return !hub.over() && calls.size() + count <= max_calls &&
           more <= max_bytes - std::min(max_bytes, calls.bytes());
  }

  // Why there is none.
  errc refusal(std::string& why) const {
    YONDER_REACHED(overloaded);
    why = hub.over() ? closed_reason : calls.describe_overload(max_calls, max_bytes);
    return hub.over() ? closed_code : errc::overloaded;
  }

  // A record of `count` calls from `number` on, to which the rest is to be added. Or it throws, and nothing
  // is as if they had been taken.
  pending& take(time_point now, std::uint64_t number, std::uint32_t count, call_policy const& policy,
                std::string_view function, std::size_t size, attempt_key const& parent) {
    auto* const caller = parents.of(parent);
    auto& call = calls.add(number, count, size);
    call.function = function;
    call.policy = policy;
    call.submitted = now;
    call.parent = caller;
    if (caller != nullptr) caller->calls += count;
    call.deadline = policy.deadline > 0 ? add(now, policy.deadline) : never;
    waiting.push_back(call);
    if (call.deadline != never) timers.arm(call, add(call.deadline, config.deadline_slack));
    return call;
  }

  // Items [first, first + count) of the batch, which begin at `offset` of its payloads, as one frame.
  void take_items(time_point now, batch_spec const& spec, std::size_t first, std::size_t count,
                  std::size_t offset, std::uint64_t number, outputs& out) {
    auto const items = std::span(spec.items).subspan(first, count);
    auto message = make_batch(spec, items, offset, head_of(number, spec.signature));
    auto const total = message.payload().size();
    auto batch = std::make_shared<std::vector<batch_spec::item> const>(items.begin(), items.end());
    frame_ref shared(std::move(message));
    auto& call = take(now, number, static_cast<std::uint32_t>(count), spec.policy, spec.function,
                      count * header_size + total, spec.parent);
    call.batch = std::move(batch);
    call.message = std::move(shared);
    if (hub.ready()) try_to_give(now, out);
  }

  // What there is no memory for now is given by the next tick.
  void try_to_give(time_point now, outputs& out) {
    try {
      give_waiting(now, out);
    } catch (std::bad_alloc const&) {
    }
  }
  bool is_behind() const { return hub.ready() && !waiting.empty(); }

  header head_of(std::uint64_t number, std::uint64_t signature) const {
    return {.type = frame_type::call, .call = id_of(number), .signature = signature};
  }
};

}  // namespace yonder::core
