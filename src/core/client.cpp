// SPDX-License-Identifier: Apache-2.0
#include "src/core/client.hpp"

#include "src/core/hub_session.hpp"
#include "src/core/intrusive_list.hpp"
#include "src/core/mutant.hpp"
#include "src/core/number_map.hpp"
#include "src/core/slab.hpp"
#include "src/core/timer_wheel.hpp"
#include "src/core/words.hpp"

#include <algorithm>

namespace yonder::core {
namespace {

struct order_tag {};

// A call without its outcome yet. It waits for a welcome, or it was given to the link.
struct pending : timer, list_hook<order_tag> {
  std::uint64_t number = 0;
  std::uint64_t cookie = 0;
  std::string_view function;
  call_policy policy;
  time_point submitted = 0;
  time_point deadline = never;
  std::size_t bytes = 0;
  std::uint32_t ticket = 0;  // of the link
  bool given = false;        // to the link
  frame_ref message;         // until it is given away for good

  void reset() { message = {}; }
  bool may_repeat() const { return policy.idempotent || policy.retries != 0; }
};

using call_list = intrusive_list<pending, order_tag>;

}  // namespace

std::uint32_t begin_call(byte_buffer& body, std::string_view function, call_policy const& policy,
                         std::string_view traceparent) {
  write_call(body, function, policy, traceparent);
  return static_cast<std::uint32_t>(body.size());
}

struct client::state final : session_user {
  client_config config;
  hub_session hub;
  std::size_t max_calls;
  std::size_t max_bytes;

  std::uint64_t last_number = 0;
  std::size_t bytes = 0;
  slab<pending> calls;
  number_map<pending> by_number;
  call_list waiting;  // by submission
  call_list given;
  timer_wheel timers{0};
  errc closed_code = errc::disconnected;
  std::string closed_reason;

  explicit state(client_config made)
      : config(std::move(made)),
        hub(0, hello_of(config), config.timing, *this),
        max_calls(config.max_calls),
        max_bytes(config.max_bytes) {}

  static hello_message hello_of(client_config const& config) {
    hello_message hello;
    hello.role = peer_role::client;
    hello.session = config.session;
    hello.name = config.name;
    hello.process = config.pid;
    hello.limits = config.limits;
    hello.functions = config.functions;
    return hello;
  }

  call_id id_of(std::uint64_t number) const { return {config.session, number}; }

  // --- completion

  void forget(pending& call) {
    (call.given ? given : waiting).remove(call);
    timers.disarm(call);
    bytes -= call.bytes;
    by_number.erase(call.number);
    calls.release(call);
  }

  // Only the client knows how long the deadline was that everybody keeps.
  void complete(pending& call, failure error, outputs& out) {
    if (error.code == errc::deadline_exceeded && call.policy.deadline > 0)
      error.message = "after " + in_words(call.policy.deadline) + ", " + error.message;
    complete(call, outcome(std::move(error)), out);
  }

  void complete(pending& call, outcome result, outputs& out) {
    out.emplace_back(out::completed{id_of(call.number), call.cookie, std::move(result)});
    forget(call);
  }

  void fail(pending& call, errc code, std::string_view why, outputs& out) {
    failure error;
    error.code = code;
    error.function = call.function;
    error.message = why;
    complete(call, std::move(error), out);
  }

  void fail_all(call_list& list, errc code, std::string_view why, outputs& out) {
    while (!list.empty()) fail(list.front(), code, why, out);
  }

  void refuse(call_spec const& spec, std::uint64_t number, errc code, std::string_view why, outputs& out) {
    failure error;
    error.code = code;
    error.function = spec.function;
    error.message = why;
    out.emplace_back(out::completed{id_of(number), spec.cookie, outcome(std::move(error))});
  }

  void close(errc code, std::string_view reason, outputs& out) {
    closed_code = code;
    closed_reason = reason;
    hub.end();
    auto const unknown = hub.was_welcomed() && code == errc::disconnected;
    fail_all(given, code, unknown ? unknown_after(reason) : std::string(reason), out);
    fail_all(waiting, code, reason, out);
  }

  static std::string unknown_after(std::string_view reason) {
    return std::string(reason) + "; whether the call ran is unknown";
  }

  // --- sending

  void give(time_point now, pending& call, outputs& out) {
    waiting.remove(call);
    given.push_back(call);
    call.given = true;
    auto const head = call.message->head;
    auto message = hub.reliable() ? std::move(call.message) : call.message;
    call.ticket = hub.send(now, head, std::move(message), call.deadline, out);
  }

  void give_waiting(time_point now, outputs& out) {
    while (auto* const call = waiting.first()) {
      if (call->deadline <= now) {
        fail(*call, errc::deadline_exceeded, "the call's deadline passed before a hub was reached", out);
      } else if (given.size() >= max_calls) {
        fail(*call, errc::overloaded,
             "more calls were waiting than the hub takes of one client: " + std::to_string(max_calls) +
                 " (runtime_options::max_calls, here and at the hub)",
             out);
      } else if (!reaches_hub(*call->message)) {
        fail(*call, errc::too_large, describe_excess(*call->message), out);
      } else {
        give(now, *call, out);
      }
    }
  }

  bool reaches_hub(frame const& message) const {
    return within(hub.hub_limits(), message) || YONDER_MUTANT(limits_ignored);
  }

  std::string describe_excess(frame const& message) const {
    return excess_in_words(message, hub.hub_limits(), "the arguments take", "hub");
  }

  // `ticket`: of the call, which need not have left yet.
  void say_cancel(time_point now, std::uint64_t number, std::uint32_t ticket, outputs& out) {
    if (hub.withdraw(now, ticket, out)) return;
    auto message = make_control(frame_type::cancel);
    message.head.call = id_of(number);
    auto const head = message.head;
    hub.send(now, head, frame_ref(std::move(message)), never, out);
  }

  // --- receiving

  void welcomed(time_point now, welcome_message const& welcome, bool, outputs& out) override {
    set_credit(welcome.credit);
    give_waiting(now, out);
  }

  void set_credit(credit_window const& credit) {
    max_calls = std::min<std::uint64_t>(config.max_calls, credit.calls);
    max_bytes = std::min<std::uint64_t>(config.max_bytes, credit.bytes);
  }

  // What may be repeated, or has certainly not run, waits for the next session.
  void session_lost(time_point, std::string_view why, outputs& out) override {
    while (!given.empty()) {
      auto& call = given.back();
      if (call.message && (call.may_repeat() || !hub.was_transmitted(call.ticket))) {
        given.remove(call);
        call.given = false;
        waiting.push_front(call);
      } else {
        fail(call, errc::disconnected, unknown_after(why), out);
      }
    }
  }

  void refused(time_point, errc code, std::string_view why, outputs& out) override { close(code, why, out); }

  void deliver(time_point, frame&& message, outputs& out) override {
    auto const& head = message.head;
    if (head.type == frame_type::drain || head.type == frame_type::accepted) return;
    if (head.type == frame_type::credit) {
      credit_window credit;
      if (read_credit(message, credit)) return set_credit(credit);
      return hub.violated();
    }
    auto const answer = head.type == frame_type::result || head.type == frame_type::error;
    if (!answer || head.call.session != config.session) {
      return hub.violated();
    }
    auto* const call = by_number.find(head.call.number);
    if (call == nullptr || !call->given) return;  // it has ended already
    if (head.type == frame_type::result) {
      if (!read_nothing(message)) return undecodable(*call, out);
      return complete(*call, outcome(std::move(message)), out);
    }
    failure error;
    if (!read_error(message, error)) return undecodable(*call, out);
    if (error.function.empty()) error.function = call->function;
    complete(*call, std::move(error), out);
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
    if (!waiting.empty()) {
      due = std::min(
          due, add(std::max(hub.away_since(), lists.waiting.front().submitted), config.connect_timeout));
    }
    return due;
  }

  void give_up_unreachable(time_point now, outputs& out) {
    if (add(hub.away_since(), config.connect_timeout) <= now)
      fail_all(given, errc::disconnected, unknown_after("the hub fell silent"), out);
    while (auto* const call = waiting.first()) {
      if (add(std::max(hub.away_since(), call->submitted), config.connect_timeout) > now) break;
      fail(*call, errc::hub_unreachable, describe_silence(), out);
    }
  }

  std::string describe_overload() const {
    return calls.size() >= max_calls
               ? "this client has " + std::to_string(max_calls) +
                     " calls in flight, as many as it may (runtime_options::max_calls)"
               : "this client has " + std::to_string(bytes) + " bytes in flight and may have " +
                     std::to_string(max_bytes) + " (runtime_options::max_bytes)";
  }

  std::string describe_silence() const {
    return "no hub answered at '" + config.hub + "' within " +
           std::to_string(config.connect_timeout / millisecond) + " ms (runtime_options::connect_timeout); " +
           (hub.trouble().empty() ? "see that `yonder hub` runs there and that this machine reaches it"
                                  : "the last attempt: " + hub.trouble());
  }

  void expire(time_point now, outputs& out) {
    while (auto* const due = timers.expire(now)) {
      auto& call = static_cast<pending&>(*due);
      auto const number = call.number;
      auto const was_given = call.given;
      auto const ticket = call.ticket;
      fail(call, errc::deadline_exceeded, "the call's deadline passed", out);
      if (was_given) say_cancel(now, number, ticket, out);
    }
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
  if (s.hub.over()) {
    s.refuse(spec, number, s.closed_code, s.closed_reason, out);
    return s.id_of(number);
  }
  if (s.calls.size() >= s.max_calls || size > s.max_bytes - std::min(s.max_bytes, s.bytes)) {
    s.refuse(spec, number, errc::overloaded, s.describe_overload(), out);
    return s.id_of(number);
  }
  if (s.hub.ready() && !s.reaches_hub(spec.message)) {
    s.refuse(spec, number, errc::too_large, s.describe_excess(spec.message), out);
    return s.id_of(number);
  }
  auto& call = s.calls.acquire();
  call.number = number;
  call.cookie = spec.cookie;
  call.function = spec.function;
  call.policy = spec.policy;
  call.submitted = now;
  call.bytes = size;
  call.given = false;
  call.deadline = spec.policy.deadline > 0 ? add(now, spec.policy.deadline) : never;
  auto& head = spec.message.head;
  head.type = frame_type::call;
  head.call = s.id_of(number);
  head.signature = spec.signature;
  head.buffer_count = static_cast<std::uint32_t>(spec.message.buffers.size());
  call.message = frame_ref(std::move(spec.message));
  s.bytes += size;
  s.by_number.insert(number, call);
  s.waiting.push_back(call);
  if (call.deadline != never) s.timers.arm(call, add(call.deadline, s.config.deadline_slack));
  if (s.hub.ready()) s.give(now, call, out);
  return s.id_of(number);
}

bool client::cancel(time_point now, call_id id, outputs& out) {
  auto& s = *state_;
  auto* const call = id.session == s.config.session ? s.by_number.find(id.number) : nullptr;
  if (call == nullptr) return false;
  auto const was_given = call->given;
  auto const ticket = call->ticket;
  s.fail(*call, errc::cancelled, "the call was cancelled", out);
  if (was_given) s.say_cancel(now, id.number, ticket, out);
  return true;
}

void client::shutdown(time_point now, outputs& out) {
  auto& s = *state_;
  if (s.hub.over()) return;
  s.hub.say_bye(now, "the client ended", out);
  s.close(errc::disconnected, "this runtime ended before the call did", out);
}

void client::tick(time_point now, outputs& out) {
  auto& s = *state_;
  if (s.hub.over()) return;
  s.expire(now, out);
  if (s.connect_due() <= now) s.give_up_unreachable(now, out);
  s.hub.tick(now, out);
}

time_point client::next_deadline() const {
  auto const& s = *state_;
  if (s.hub.over()) return never;
  return std::min({s.timers.next(), s.connect_due(), s.hub.next_deadline()});
}

bool client::ready() const { return state_->hub.ready(); }
std::size_t client::calls_in_flight() const { return state_->calls.size(); }
std::size_t client::bytes_in_flight() const { return state_->bytes; }
std::size_t client::frames_held() const { return state_->hub.frames_held(); }
std::uint64_t client::protocol_violations() const { return state_->hub.violations(); }

}  // namespace yonder::core
