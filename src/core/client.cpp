// SPDX-License-Identifier: Apache-2.0
#include "src/core/client.hpp"

#include "src/core/client_streams.hpp"
#include "src/core/hub_session.hpp"
#include "src/core/items.hpp"
#include "src/core/mutant.hpp"
#include "src/core/pending_calls.hpp"
#include "src/core/taken_outcomes.hpp"
#include "src/core/values.hpp"
#include "src/core/words.hpp"

#include <algorithm>
#include <new>

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

  // --- receiving

  void welcomed(time_point now, welcome_message const& welcome, bool, outputs& out) override {
    set_credit(welcome.credit);
    give_waiting(now, out);
    for (auto const& one : parents) {
      if (one->waits) say_wait(now, *one, one->told, out);
    }
  }

  void set_credit(credit_window const& credit) {
    max_calls = std::min<std::uint64_t>(config.max_calls, credit.calls);
    max_bytes = std::min<std::uint64_t>(config.max_bytes, credit.bytes);
  }

  // What may be repeated, or has certainly not run, waits for the next session.
  void session_lost(time_point, std::string_view why, outputs& out) override {
    for (auto const& one : parents) one->said = wait_message::no_longer;
    while (!given.empty()) {
      auto& call = given.back();
      auto const again = call.policy.durable || call.accepted ||
                         (call.may_repeat() && streams.may_repeat(call.number, call.policy.idempotent));
      if (call.message && (again || !hub.was_transmitted(call.ticket))) {
        call.message = streams.again(call.number, std::move(call.message), out);
        call.note_ended(0);
        leave_list(call);
        call.given = false;
        waiting.push_front(call);
      } else {
        call.note_ended(call.count);
        fail_unknown(call, why, out);
      }
    }
    if (!YONDER_MUTANT(put_off_forgotten)) hub_drains = false;
    resume_put_off();
  }

  void refused(time_point, errc code, std::string_view why, outputs& out) override { close(code, why, out); }

  void deliver(time_point now, frame&& message, outputs& out) override {
    auto const& head = message.head;
    if (head.type == frame_type::drain) return take_drain(now, out);
    if (head.type == frame_type::accepted) return take_accepted(message, out);
    if (head.type == frame_type::notice) {
      std::string_view text;
      if (!read_notice(message, text)) return hub.violated();
      return void(out.emplace_back(out::notice{"the hub says: " + std::string(text)}));
    }
    if (head.type == frame_type::credit) {
      credit_window credit;
      return read_credit(message, credit) ? set_credit(credit) : hub.violated();
    }
    if (head.type == frame_type::progress && head.call.session == config.session)
      return streams.take_progress(message, find_given(head.call.number), out);
    auto const answer = head.type == frame_type::result || head.type == frame_type::error;
    auto const streamed = head.type == frame_type::stream_items || head.type == frame_type::stream_credit;
    if ((!answer && !streamed) || head.call.session != config.session) return hub.violated();
    if (streamed) {
      if (auto* const call = find_given(head.call.number)) call->note_streamed();
      return streams.take(std::move(message), out);
    }
    if (head.type == frame_type::result) return take_values(std::move(message), out);
    take_error(message, out);
  }

  void take_accepted(frame const& message, outputs& out) {
    auto const first = message.head.call.number;
    auto const past = first + read_item_count(message);
    if (message.head.call.session != config.session || past == first) return hub.violated();
    for (auto number = first; number < past;) {
      auto* const found = find_given(number);
      if (found == nullptr) {
        ++number;
        continue;
      }
      auto& call = isolate(*found, number, past - number);
      number = call.end();
      if (std::exchange(call.accepted, true)) continue;
      out.emplace_back(out::accepted{id_of(call.number), call.count, call.cookie_of(0)});
    }
  }

  // What nobody hears is kept by the hub for longer than it need be.
  void send_taken(time_point now, outputs& out) {
    for (auto const& row : taken.take()) {
      auto message = make_control(frame_type::taken);
      message.head.call = row.first;
      set_item_count(message, row.count);
      auto const head = message.head;
      hub.send(now, head, frame_ref(std::move(message)), never, out);
    }
  }

  pending* find_given(std::uint64_t number) {
    auto* const call = calls.find(number);
    return call != nullptr && call->given ? call : nullptr;  // null: it has ended already
  }

  void take_values(frame&& message, outputs& out) {
    auto const number = message.head.call.number;
    packed_items items;
    auto const decodes = streams.ends(message) && read_items(message, items);
    if (decodes && items.count > 1) return take_packed(std::move(message), items, out);
    auto* const found = find_given(number);
    if (found == nullptr) {
      if (refers(message) && !YONDER_MUTANT(late_references_kept))
        out.emplace_back(out::came_late{std::move(message)});
      return;
    }
    auto& call = number == found->number ? *found : isolate(*found, number, 1);
    call.note_ended(1);
    if (!decodes) return undecodable(isolate(call, number, 1), out);
    tell(call, 0, outcome(std::move(message)), out);
    forget_first(call, 1);
  }

  // Each value refers to the memory that all have in common.
  void take_packed(frame&& message, packed_items const& items, outputs& out) {
    share_body(message);
    auto const first = message.head.call.number;
    std::size_t offset = 0;
    for (std::uint32_t i = 0; i < items.count;) {
      auto* const found = find_given(first + i);
      if (found == nullptr) {
        offset += items.size_of(i++, 1);
        continue;
      }
      auto& call = first + i == found->number ? *found : isolate(*found, first + i, found->count);
      auto const count = std::min(call.count, items.count - i);
      call.note_ended(count);
      for (std::uint32_t of_call = 0; of_call < count; ++of_call, ++i) {
        auto const size = items.size_of(i, 1);
        frame value;
        value.head = message.head;
        value.head.call.number = first + i;
        value.head.metadata_size = 0;
        value.body = frame_body(message.payload().subspan(offset, size), message.body.owner());
        tell(call, of_call, outcome(std::move(value)), out);
        offset += size;
      }
      forget_first(call, count);
    }
  }

  void take_error(frame const& message, outputs& out) {
    auto const is_back = (message.head.flags & flag_not_started) != 0;
    auto const past = message.head.call.number + std::max(read_item_count(message), 1U);
    for (auto number = message.head.call.number; number < past;) {
      auto* const found = find_given(number);
      if (found == nullptr) {
        ++number;
        continue;
      }
      auto& call = isolate(*found, number, past - number);
      number = call.end();
      if (is_back && call.parent == nullptr && call.message) {
        put_off_call(call, out);
        continue;
      }
      call.note_ended(call.count);
      failure error;
      if (!read_error(message, error)) {
        undecodable(call, out);
        continue;
      }
      if (error.function.empty()) error.function = call.function;
      complete(call, std::move(error), out);
    }
  }

  void undecodable(pending& call, outputs& out) {
    hub.violated();
    fail(call, errc::protocol_violation, "the hub's answer does not decode", out);
  }

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

client::client(client_config config) : state_(std::make_unique<state>(std::move(config))) {}
client::~client() = default;

void client::connected(time_point now, peer_id peer, bool reliable, outputs& out) {
  state_->hub.connected(now, peer, reliable, out);
}

void client::lost(time_point now, peer_id peer, bool final, errc code, std::string_view reason,
                  outputs& out) {
  auto& s = *state_;
  auto const text = reason.empty() ? std::string_view("the connection to the hub ended") : reason;
  if (final && s.hub.is_of(peer)) return s.close(s.hub.was_welcomed() ? errc::disconnected : code, text, out);
  s.hub.lost(now, peer, text, out);
}

void client::unreachable(time_point now, bool final, errc code, std::string_view reason, outputs& out) {
  lost(now, state_->hub.peer(), final, code, reason, out);
}

void client::receive(time_point now, peer_id peer, frame&& message, outputs& out) {
  state_->hub.receive(now, peer, std::move(message), out);
}

call_id client::submit(time_point now, call_spec spec, outputs& out) {
  auto& s = *state_;
  auto const number = ++s.last_number;
  auto const size = size_of(spec.message);
  auto const refuse = [&](errc code, std::string const& why) {
    s.refuse(spec.function, spec.cookie, number, code, why, out);
    return s.id_of(number);
  };
  if (!s.has_credit(1, size)) {
    std::string why;
    auto const code = s.refusal(why);
    return refuse(code, why);
  }
  if (s.hub.ready() && !s.reaches_hub(spec.message))
    return refuse(errc::too_large, s.describe_excess(spec.message));
  auto const said = spec.message.head.metadata_size;
  auto& head = spec.message.head = s.head_of(number, spec.signature);
  head.metadata_size = said;
  head.buffer_count = static_cast<std::uint32_t>(spec.message.buffers.size());
  frame_ref message(std::move(spec.message));
  auto& call = s.take(now, number, 1, spec.policy, spec.function, size, spec.parent);
  call.cookie = spec.cookie;
  call.message = std::move(message);
  try {
    if (spec.feeds) s.streams.begin_feed(number, spec.cookie);
    if (spec.stream) s.streams.begin(number, spec.cookie, *spec.stream);
    if (s.hub.ready()) s.is_taken(call) ? s.give(now, call, out) : s.put_off_call(call, out);
  } catch (...) {
    s.forget(call);
    throw;
  }
  return s.id_of(number);
}

call_id client::submit(time_point now, batch_spec const& spec, outputs& out) {
  auto& s = *state_;
  auto const first_number = s.last_number + 1;
  s.last_number += spec.items.size();
  std::size_t first = 0;
  for (std::size_t offset = 0; first < spec.items.size();) {
    std::size_t count = 0;
    std::size_t bytes = 0;
    while (first + count < spec.items.size() && count < max_items) {
      auto const size = spec.items[first + count].size;
      if (count != 0 && bytes + size > max_batch_bytes) break;
      if (!s.has_credit(count + 1, bytes + size + (count + 1) * header_size)) break;
      bytes += size;
      ++count;
    }
    if (count == 0) {
      auto const& item = spec.items[first];
      std::string why;
      auto const code = s.refusal(why);
      s.refuse(spec.function, item.cookie, first_number + first, code, why, out);
      offset += item.size;
      ++first;
      continue;
    }
    try {
      s.take_items(now, spec, first, count, offset, first_number + first, out);
    } catch (std::bad_alloc const&) {
      if (first == 0) throw;
      for (auto i = first; i < first + count; ++i)
        s.refuse(spec.function, spec.items[i].cookie, first_number + i, errc::overloaded,
                 "there is no memory for another call", out);
    }
    offset += bytes;
    first += count;
  }
  return s.id_of(first_number);
}

bool client::cancel(time_point now, call_id id, outputs& out) { return cancel(now, id, 1, out) != 0; }

std::size_t client::cancel(time_point now, call_id first, std::size_t count, outputs& out) {
  auto& s = *state_;
  std::size_t ended = 0;
  state::cancelled_row row;
  auto const past = first.session == s.config.session ? first.number + count : first.number;
  for (auto number = first.number; number < past;) {
    auto* const found = s.calls.find(number);
    if (found == nullptr) {
      ++number;
      continue;
    }
    auto& call = s.isolate(*found, number, past - number);
    number = call.end();
    ended += call.count;
    s.give_up(now, call, errc::cancelled, "the call was cancelled", row, out);
  }
  s.say_cancel(now, row, out);
  return ended;
}

void client::waits(time_point now, attempt_key const& parent, outputs& out) {
  auto& s = *state_;
  auto* const found = s.parents.find(parent);
  if (found == nullptr) return;  // whatever it waits for, it has called nothing
  found->waits = true;
  s.say_wait(now, *found, found->told, out);
}

// Where a call has ended since it said that it waits, the hub knows that it may go on.
void client::goes_on(time_point now, attempt_key const& parent, outputs& out) {
  auto& s = *state_;
  auto* const found = s.parents.find(parent);
  if (found == nullptr || !std::exchange(found->waits, false)) return;
  if (found->said == found->told) s.say_wait(now, *found, wait_message::no_longer, out);
}

void client::taken(time_point now, call_id of) { state_->taken.add(now, of); }

void client::allow(time_point now, call_id call, stream_level const& level, outputs& out) {
  state_->streams.allow(now, call.number, level, state_->find_given(call.number) != nullptr, out);
}

bool client::feed(time_point now, call_id call, std::span<std::uint32_t const> sizes,
                  std::span<std::byte const> values, std::vector<buffer>&& buffers, outputs& out) {
  auto& s = *state_;
  auto* const found = s.find_given(call.number);
  if (found == nullptr) return false;
  std::string excess;
  auto const taken = s.streams.feed(now, call.number, sizes, values, std::move(buffers), excess, out);
  if (excess.empty()) return taken;
  state::cancelled_row row;
  s.give_up(now, *found, errc::too_large, excess, row, out);
  s.say_cancel(now, row, out);
  return true;
}

bool client::end_feed(time_point now, call_id call, outputs& out) {
  return state_->find_given(call.number) != nullptr && state_->streams.end_feed(now, call.number, out);
}

void client::parent_ended(attempt_key const& parent) {
  auto& s = *state_;
  auto* const found = s.parents.find(parent);
  if (found == nullptr) return;
  found->over = true;
  found->waits = false;
  s.parents.forget_if_done(*found);
}

void client::shutdown(time_point now, std::string_view why, outputs& out) {
  auto& s = *state_;
  if (s.hub.over() && s.calls.size() == 0) return;
  if (s.hub.ready()) s.send_taken(now, out);
  if (!s.hub.over()) s.hub.say_bye(now, "the client ended", out);
  s.close(errc::disconnected, std::string(why), out);
}

void client::abandon(void (*ended)(void* of, std::uint64_t cookie), void* of) noexcept {
  auto& s = *state_;
  s.closed_code = errc::disconnected;
  s.hub.end();
  for (auto* const list : {&s.given, &s.waiting, &s.put_off})
    while (!list->empty()) {
      auto& call = list->front();
      for (std::uint32_t i = 0; i < call.count; ++i) ended(of, call.cookie_of(i));
      s.forget(call);
    }
}

void client::tick(time_point now, outputs& out) {
  auto& s = *state_;
  if (s.hub.over()) return;
  s.expire(now, out);
  if (s.connect_due() <= now) s.give_up_unreachable(now, out);
  if (s.is_behind()) s.give_waiting(now, out);
  if (s.hub.ready() && s.taken.due() <= now) s.send_taken(now, out);
  s.hub.tick(now, out);
}

time_point client::next_deadline() const {
  auto const& s = *state_;
  if (s.hub.over()) return never;
  if (s.is_behind()) return 0;
  auto const taken_due = s.hub.ready() ? s.taken.due() : never;
  return std::min({s.timers.next(), s.connect_due(), s.hub.next_deadline(), taken_due});
}

bool client::ready() const { return state_->hub.ready(); }
std::size_t client::calls_in_flight() const { return state_->calls.size(); }
std::size_t client::bytes_in_flight() const { return state_->calls.bytes(); }
std::size_t client::frames_held() const { return state_->hub.frames_held(); }
std::uint64_t client::protocol_violations() const { return state_->hub.violations(); }

}  // namespace yonder::core
