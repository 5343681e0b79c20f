// SPDX-License-Identifier: Apache-2.0
#include "src/core/client.hpp"

#include "src/core/check.hpp"
#include "src/core/hub_session.hpp"
#include "src/core/intrusive_list.hpp"
#include "src/core/items.hpp"
#include "src/core/mutant.hpp"
#include "src/core/number_map.hpp"
#include "src/core/slab.hpp"
#include "src/core/timer_wheel.hpp"
#include "src/core/words.hpp"

#include <algorithm>

namespace yonder::core {
namespace {

struct order_tag {};

// An attempt whose task makes calls.
struct calling_attempt {
  attempt_key key;
  std::uint64_t ended = 0;                       // calls of it that the hub knows, too, to have ended
  std::uint64_t told = wait_message::no_longer;  // in the last wait
  bool waits = false;
  bool over = false;
  std::size_t calls = 0;  // on their way
};

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
  frame_ref message;         // until it is given away for good; the items of a batch share it
  std::uint32_t item = 0;    // which of them this is
  std::uint32_t items = 1;
  std::size_t offset = 0;  // of its payload among theirs
  std::size_t size = 0;
  calling_attempt* parent = nullptr;  // whose task has made it

  void reset() {
    message = {};
    parent = nullptr;
  }
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
  std::vector<std::unique_ptr<calling_attempt>> parents;
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
    hello.secret = config.secret;
    hello.name = config.name;
    hello.process = config.pid;
    hello.limits = config.limits;
    hello.functions = config.functions;
    return hello;
  }

  call_id id_of(std::uint64_t number) const { return {config.session, number}; }

  // --- completion

  void forget(pending& call) {
    YONDER_CHECK(bytes >= call.bytes, "a call gives back more than it used");
    (call.given ? given : waiting).remove(call);
    timers.disarm(call);
    bytes -= call.bytes;
    by_number.erase(call.number);
    if (call.parent != nullptr) {
      --call.parent->calls;
      forget_if_done(*call.parent);
    }
    calls.release(call);
  }

  // --- tasks that call

  calling_attempt* find_parent(attempt_key const& key) {
    auto const found =
        std::find_if(parents.begin(), parents.end(), [&](auto const& one) { return one->key == key; });
    return found == parents.end() ? nullptr : found->get();
  }

  calling_attempt* parent_of(attempt_key const& key) {
    if (key.attempt == 0) return nullptr;
    if (auto* const known = find_parent(key)) return known;
    auto& made = *parents.emplace_back(std::make_unique<calling_attempt>());
    made.key = key;
    return &made;
  }

  void forget_if_done(calling_attempt const& parent) {
    if (parent.over && parent.calls == 0)
      std::erase_if(parents, [&](auto const& one) { return one.get() == &parent; });
  }

  static void note_ended(pending const& call) {
    if (call.parent != nullptr) ++call.parent->ended;
  }

  void say_wait(time_point now, calling_attempt& parent, std::uint64_t ended, outputs& out) {
    if (!hub.ready() || parent.told == ended) return;
    parent.told = ended;
    auto message = make_wait({parent.key, ended});
    auto const head = message.head;
    hub.send(now, head, frame_ref(std::move(message)), never, out);
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

  void refuse(std::string_view function, std::uint64_t cookie, std::uint64_t number, errc code,
              std::string_view why, outputs& out) {
    failure error;
    error.code = code;
    error.function = function;
    error.message = why;
    out.emplace_back(out::completed{id_of(number), cookie, outcome(std::move(error))});
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
    if (call.items > 1 && (!leads_its_batch(call) || YONDER_RARELY())) separate(call);
    auto message = call.message;
    auto const rest = call.items - 1;
    auto* const first = &call;
    hand_over(call);
    for (std::uint32_t i = 0; i < rest; ++i) hand_over(waiting.front());
    auto const head = message->head;
    auto const ticket = hub.send(now, head, std::move(message), call.deadline, out);
    auto* one = first;
    for (std::uint32_t i = 0; i <= rest; ++i, one = given.after(*one)) one->ticket = ticket;
  }

  // From what waits to what was given. What cannot be sent again is not kept.
  void hand_over(pending& call) {
    waiting.remove(call);
    given.push_back(call);
    call.given = true;
    if (hub.reliable()) call.message = {};
  }

  // Whether all items of the batch follow each other here.
  bool leads_its_batch(pending& call) {
    if (call.item != 0) return false;
    auto* one = &call;
    for (std::uint32_t i = 1; i < call.items; ++i) {
      one = waiting.after(*one);
      if (one == nullptr || one->number != call.number + i) return false;
    }
    return true;
  }

  // The others have ended, or have a way of their own: this item travels alone.
  static void separate(pending& call) {
    YONDER_REACHED(separated);
    packed_items items;
    read_items(*call.message, items);
    auto alone = slice(*call.message, items, {call.item, 1, call.offset, call.size});
    alone.head.call.number = call.number;
    call.message = frame_ref(std::move(alone));
    call.item = 0;
    call.items = 1;
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

  // Calls with consecutive numbers of which the hub is to be told that nobody waits for them.
  struct cancelled_row {
    std::uint64_t first = 0;
    std::uint32_t count = 0;
  };

  // Ends a call. What has left already joins `row`, which is sent when the next one does not follow it.
  void give_up(time_point now, pending& call, errc code, std::string_view why, cancelled_row& row,
               outputs& out) {
    auto const number = call.number;
    auto const given_before = call.given;
    auto const alone = call.items == 1;
    auto const told = given_before && !(alone && hub.withdraw(now, call.ticket, out));
    if (told) note_ended(call);
    fail(call, code, why, out);
    if (!told) return;
    if (row.count == 0 || row.first + row.count != number || row.count == max_items) {
      say_cancel(now, row, out);
      row = {number, 0};
    }
    ++row.count;
  }

  void say_cancel(time_point now, cancelled_row const& row, outputs& out) {
    if (row.count == 0) return;
    auto message = make_control(frame_type::cancel);
    message.head.call = id_of(row.first);
    if (row.count > 1) {
      byte_buffer body;
      write_item_count(body, row.count);
      message.head.metadata_size = static_cast<std::uint32_t>(body.size());
      message.body = std::move(body);
    }
    auto const head = message.head;
    hub.send(now, head, frame_ref(std::move(message)), never, out);
  }

  // --- receiving

  void welcomed(time_point now, welcome_message const& welcome, bool, outputs& out) override {
    set_credit(welcome.credit);
    give_waiting(now, out);
    for (auto const& one : parents) {
      if (one->waits) say_wait(now, *one, one->ended, out);
    }
  }

  void set_credit(credit_window const& credit) {
    max_calls = std::min<std::uint64_t>(config.max_calls, credit.calls);
    max_bytes = std::min<std::uint64_t>(config.max_bytes, credit.bytes);
  }

  // What may be repeated, or has certainly not run, waits for the next session.
  void session_lost(time_point, std::string_view why, outputs& out) override {
    for (auto const& one : parents) one->told = wait_message::no_longer;
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
    if (head.type == frame_type::notice) {
      std::string_view text;
      if (!read_notice(message, text)) return hub.violated();
      out.emplace_back(out::notice{"the hub says: " + std::string(text)});
      return;
    }
    if (head.type == frame_type::credit) {
      credit_window credit;
      if (read_credit(message, credit)) return set_credit(credit);
      return hub.violated();
    }
    auto const answer = head.type == frame_type::result || head.type == frame_type::error;
    if (!answer || head.call.session != config.session) {
      return hub.violated();
    }
    if (head.type == frame_type::result) return take_values(std::move(message), out);
    take_error(message, out);
  }

  pending* find_given(std::uint64_t number) {
    auto* const call = by_number.find(number);
    return call != nullptr && call->given ? call : nullptr;  // null: it has ended already
  }

  void take_values(frame&& message, outputs& out) {
    auto const number = message.head.call.number;
    packed_items items;
    auto const decodes = read_nothing(message) && read_items(message, items);
    if (decodes && items.count > 1) return take_packed(std::move(message), items, out);
    auto* const call = find_given(number);
    if (call == nullptr) return;
    note_ended(*call);
    if (!decodes) return undecodable(*call, out);
    complete(*call, outcome(std::move(message)), out);
  }

  // Each value refers to the memory that all have in common.
  void take_packed(frame&& message, packed_items const& items, outputs& out) {
    share_body(message);
    std::size_t offset = 0;
    for (std::uint32_t i = 0; i < items.count; ++i) {
      auto const size = items.size_of(i, 1);
      if (auto* const call = find_given(message.head.call.number + i)) {
        frame value;
        value.head = message.head;
        value.head.call.number += i;
        value.head.metadata_size = 0;
        note_ended(*call);
        value.body = frame_body(message.payload().subspan(offset, size), message.body.owner());
        complete(*call, outcome(std::move(value)), out);
      }
      offset += size;
    }
  }

  void take_error(frame const& message, outputs& out) {
    auto const count = std::max(read_item_count(message), 1U);
    for (std::uint32_t i = 0; i < count; ++i) {
      auto* const call = find_given(message.head.call.number + i);
      if (call == nullptr) continue;
      note_ended(*call);
      failure error;
      if (!read_error(message, error)) {
        undecodable(*call, out);
        continue;
      }
      if (error.function.empty()) error.function = call->function;
      complete(*call, std::move(error), out);
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
    cancelled_row row;
    while (auto* const due = timers.expire(now)) {
      give_up(now, static_cast<pending&>(*due), errc::deadline_exceeded, "the call's deadline passed", row,
              out);
    }
    say_cancel(now, row, out);
  }

  // --- taking calls

  // Whether `count` more calls of `more` bytes in all may be in flight.
  bool has_credit(std::size_t count, std::size_t more) const {
    return !hub.over() && calls.size() + count <= max_calls && more <= max_bytes - std::min(max_bytes, bytes);
  }

  // Why there is none.
  errc refusal(std::string& why) const {
    YONDER_REACHED(overloaded);
    why = hub.over() ? closed_reason : describe_overload();
    return hub.over() ? closed_code : errc::overloaded;
  }

  pending& take(time_point now, std::uint64_t number, call_policy const& policy, std::string_view function,
                std::uint64_t cookie, std::size_t size, attempt_key const& parent) {
    auto& call = calls.acquire();
    call.number = number;
    call.cookie = cookie;
    call.function = function;
    call.policy = policy;
    call.submitted = now;
    call.bytes = size;
    call.given = false;
    call.item = 0;
    call.items = 1;
    call.parent = parent_of(parent);
    if (call.parent != nullptr) ++call.parent->calls;
    call.deadline = policy.deadline > 0 ? add(now, policy.deadline) : never;
    bytes += size;
    by_number.insert(number, call);
    waiting.push_back(call);
    if (call.deadline != never) timers.arm(call, add(call.deadline, config.deadline_slack));
    return call;
  }

  // Items [first, first + count) of the batch, which begin at `offset` of its payloads, as one frame.
  void take_items(time_point now, batch_spec const& spec, std::size_t first, std::size_t count,
                  std::size_t offset, std::uint64_t number, outputs& out) {
    frame message;
    message.head = head_of(number, spec.signature);
    byte_buffer body;
    body.reserve(spec.metadata.size() + spec.payloads.size() + 6 + 4 * (1 + count));
    body.append(spec.metadata.data(), spec.metadata.size());
    message.head.metadata_size = static_cast<std::uint32_t>(body.size());
    std::vector<std::uint32_t> sizes;
    std::size_t total = 0;
    for (auto i = first; i < first + count; ++i) total += sizes.emplace_back(spec.items[i].size);
    if (count > 1) {
      write_items(body, sizes);
      message.head.metadata_size = static_cast<std::uint32_t>(body.size());
    }
    body.append(spec.payloads.data() + offset, total);
    message.body = std::move(body);
    frame_ref shared(std::move(message));
    std::size_t at = 0;
    for (std::uint32_t i = 0; i < count; ++i) {
      auto const& item = spec.items[first + i];
      auto& call = take(now, number + i, spec.policy, spec.function, item.cookie, header_size + item.size,
                        spec.parent);
      call.message = i + 1 < count ? shared : std::move(shared);
      call.item = i;
      call.items = static_cast<std::uint32_t>(count);
      call.offset = at;
      call.size = item.size;
      at += item.size;
    }
    if (hub.ready()) give_waiting(now, out);
  }

  header head_of(std::uint64_t number, std::uint64_t signature) const {
    header head;
    head.type = frame_type::call;
    head.call = id_of(number);
    head.signature = signature;
    return head;
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
  auto& call = s.take(now, number, spec.policy, spec.function, spec.cookie, size, spec.parent);
  call.message = frame_ref(std::move(spec.message));
  if (s.hub.ready()) s.give(now, call, out);
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
    s.take_items(now, spec, first, count, offset, first_number + first, out);
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
  for (auto number = first.number; number < first.number + count; ++number) {
    auto* const call = first.session == s.config.session ? s.by_number.find(number) : nullptr;
    if (call == nullptr) continue;
    s.give_up(now, *call, errc::cancelled, "the call was cancelled", row, out);
    ++ended;
  }
  s.say_cancel(now, row, out);
  return ended;
}

void client::waits(time_point now, attempt_key const& parent, outputs& out) {
  auto& s = *state_;
  auto* const found = s.find_parent(parent);
  if (found == nullptr) return;  // whatever it waits for, it has called nothing
  found->waits = true;
  s.say_wait(now, *found, found->ended, out);
}

// Where a call has ended since it said that it waits, the hub knows that it may go on.
void client::goes_on(time_point now, attempt_key const& parent, outputs& out) {
  auto& s = *state_;
  auto* const found = s.find_parent(parent);
  if (found == nullptr || !std::exchange(found->waits, false)) return;
  if (found->told == found->ended) s.say_wait(now, *found, wait_message::no_longer, out);
}

void client::parent_ended(attempt_key const& parent) {
  auto& s = *state_;
  auto* const found = s.find_parent(parent);
  if (found == nullptr) return;
  found->over = true;
  found->waits = false;
  s.forget_if_done(*found);
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
