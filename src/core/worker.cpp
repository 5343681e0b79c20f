// SPDX-License-Identifier: Apache-2.0
#include "src/core/worker.hpp"

#include "src/core/link.hpp"
#include "src/core/metadata.hpp"
#include "src/core/words.hpp"

#include <algorithm>
#include <deque>

namespace yonder::core {
namespace {

// What waits for its turn.
struct assigned {
  attempt_key key;
  std::uint32_t sequence = 0;
  std::string_view function;  // into `message`
  time_point deadline = never;
  frame message;
};

struct running {
  attempt_key key;
  time_point since = 0;
  bool fenced = false;  // of a session that ended: its answer goes nowhere
  bool stopping = false;
};

failure failure_of(errc code, std::string_view function, std::string_view why) {
  failure error;
  error.code = code;
  error.function = function;
  error.message = why;
  return error;
}

}  // namespace

struct worker::state {
  enum class phase : std::uint8_t { absent, greeting, ready, exited };

  worker_config config;
  link hub;
  frame_limits hub_limits;  // what the hub can receive; told in its welcome
  phase now_in = phase::absent;
  std::uint32_t hellos = 0;
  time_point hello_due = never;
  time_point away_since;
  std::deque<assigned> waiting;
  std::optional<running> current;
  bool draining = false;
  bool said_drain = false;
  bool hub_drained = false;  // the hub has said that it assigns nothing more
  time_point linger_until = never;
  time_point stop_until = never;  // for a fenced attempt
  std::uint64_t violations = 0;

  state(worker_config made, time_point now) : config(std::move(made)), away_since(now) {}

  bool is_idle() const { return waiting.empty() && !current; }

  void exit(bool clean, errc code, std::string_view reason, outputs& out) {
    if (now_in == phase::exited) return;
    now_in = phase::exited;
    waiting.clear();
    out.emplace_back(out::exit{clean, code, std::string(reason)});
  }

  // --- answers

  void answer(time_point now, attempt_key const& key, frame&& message, duration ran, outputs& out) {
    auto& head = message.head;
    head.call = key.call;
    head.attempt = key.attempt;
    head.remaining_us = static_cast<std::uint64_t>(std::max<duration>(ran, 0) / microsecond);
    auto const stated = head;
    hub.send(now, stated, frame_ref(std::move(message)), never, out);
  }

  void answer_not_started(time_point now, assigned const& one, errc code, std::string_view why,
                          outputs& out) {
    auto message = make_error(failure_of(code, one.function, why));
    message.head.flags = flag_not_started;
    answer(now, one.key, std::move(message), 0, out);
  }

  void complete(time_point now, attempt_key const& key, frame&& message, outputs& out) {
    if (!current || !(current->key == key)) return;
    auto const ended = *current;
    current.reset();
    stop_until = never;
    if (now_in == phase::exited) return;
    if (!ended.fenced) answer(now, key, std::move(message), now - ended.since, out);
    run_next(now, out);
    finish_drain(now, out);
  }

  // --- work

  void run_next(time_point now, outputs& out) {
    while (!current && !waiting.empty()) {
      auto next = std::move(waiting.front());
      waiting.pop_front();
      if (next.deadline <= now) {
        answer_not_started(now, next, errc::deadline_exceeded,
                           "the deadline passed before the call was started", out);
        continue;
      }
      current = running{next.key, now, false, false};
      auto const signature = next.message.head.signature;
      out.emplace_back(out::run{next.key, next.sequence, next.function, signature, std::move(next.message),
                                next.deadline});
    }
  }

  void take(time_point now, frame&& message, outputs& out) {
    auto const& head = message.head;
    assigned one;
    one.key = {head.call, head.attempt, head.epoch};
    one.sequence = head.sequence;
    one.deadline = from_remaining(head.remaining_us, now);
    call_message call;
    if (waiting.size() >= config.max_queued || !read_call(message.metadata(), call)) {
      ++violations;
      auto refusal =
          make_error(failure_of(errc::protocol_violation, {}, "the worker cannot take this assignment"));
      return answer(now, one.key, std::move(refusal), 0, out);
    }
    one.function = call.function;
    if (draining)
      return answer_not_started(now, one, errc::disconnected, "the worker takes no more work", out);
    one.message = std::move(message);
    waiting.push_back(std::move(one));
    run_next(now, out);
  }

  void cancel(time_point now, header const& head, outputs& out) {
    auto const key = attempt_key{head.call, head.attempt, head.epoch};
    auto const found =
        std::find_if(waiting.begin(), waiting.end(), [&](auto const& one) { return one.key == key; });
    if (found != waiting.end()) {
      auto const one = std::move(*found);
      waiting.erase(found);
      answer_not_started(now, one, errc::cancelled, "handed back before it was started", out);
    } else if (current && current->key == key && (head.flags & flag_recall) == 0 && !current->stopping) {
      current->stopping = true;
      out.emplace_back(out::stop_requested{key});
    }
  }

  // --- draining

  void drain(time_point now, outputs& out) {
    if (now_in == phase::exited) return;
    draining = true;
    if (now_in != phase::ready) {
      if (now_in == phase::absent && hub.epoch() == 0) {
        return exit(true, errc::disconnected, "told to end before a hub was found", out);
      }
    } else {
      say_drain(now, out);
    }
    for (auto& one : waiting) {
      answer_not_started(now, one, errc::disconnected, "the worker takes no more work", out);
    }
    waiting.clear();
    finish_drain(now, out);
  }

  void say_drain(time_point now, outputs& out) {
    if (std::exchange(said_drain, true)) return;
    auto message = make_control(frame_type::drain);
    auto const head = message.head;
    hub.send(now, head, frame_ref(std::move(message)), never, out);
  }

  void finish_drain(time_point now, outputs& out) {
    if (!draining || !is_idle() || now_in == phase::exited) return;
    if (linger_until == never) linger_until = add(now, config.drain_linger);
    auto const said_all = now_in == phase::ready && hub_drained && hub.all_acknowledged();
    if (!said_all && now < linger_until) return;
    hub.send_unnumbered(now, make_bye({errc::disconnected, "the worker ended as it was told to"}), out);
    exit(true, errc::disconnected, "drained", out);
  }

  // --- the session

  void say_hello(time_point now, bool again, outputs& out) {
    if (!again) ++hellos;
    hello_message hello;
    hello.role = peer_role::worker;
    hello.session = config.session;
    hello.name = config.name;
    hello.process = config.pid;
    hello.start_token = config.start_token;
    hello.limits = config.limits;
    hello.functions = config.functions;
    auto message = make_hello(hello);
    message.head.attempt = hellos;
    message.head.sequence = hub.received();
    hub.send_unnumbered(now, std::move(message), out);
    hello_due = hub.reliable() ? never : add(now, config.timing.heartbeat);
  }

  void greet(time_point now, outputs& out) {
    if (now_in == phase::ready) away_since = now;
    now_in = phase::greeting;
    say_hello(now, false, out);
  }

  void welcomed(time_point now, peer_id peer, frame const& message, outputs& out) {
    if (now_in != phase::greeting || message.head.attempt != hellos) return;
    welcome_message welcome;
    if (!read_welcome(message, welcome)) return violated("an undecodable welcome", out);
    hub_limits = welcome.limits;
    if (welcome.heartbeat > 0) hub.set_heartbeat(welcome.heartbeat);
    now_in = phase::ready;
    hello_due = never;
    if ((message.head.flags & flag_resumed) != 0 && message.head.epoch == hub.epoch()) {
      hub.resume(now, peer, message.head.sequence, out);
    } else {
      abandon_work(now, out);
      hub.open(now, peer, message.head.epoch);
      said_drain = hub_drained = false;
    }
    if (draining) {
      say_drain(now, out);
      finish_drain(now, out);
    }
  }

  // The hub has fenced this session: nothing that was assigned in it counts any more.
  void abandon_work(time_point now, outputs& out) {
    waiting.clear();
    if (!current || current->fenced) return;
    current->fenced = true;
    stop_until = add(now, config.cancel_grace);
    if (!std::exchange(current->stopping, true)) out.emplace_back(out::stop_requested{current->key});
  }

  void said_bye(time_point now, frame const& message, outputs& out) {
    auto const current_session = message.head.epoch == hub.epoch();
    auto const answers_hello = now_in == phase::greeting && message.head.attempt == hellos && hellos != 0;
    if (!current_session && !answers_hello) return;
    if ((message.head.flags & flag_rejoin) != 0) {
      if (now_in == phase::ready) greet(now, out);
      return;
    }
    bye_message bye;
    if (!read_bye(message, bye)) ++violations;
    exit(false, bye.code, bye.text.empty() ? std::string_view("the hub ended the session") : bye.text, out);
  }

  void violated(std::string_view why, outputs& out) {
    ++violations;
    out.emplace_back(out::close{hub.peer(), std::string(why)});
    exit(false, errc::protocol_violation, why, out);
  }

  void deliver(time_point now, frame&& message, outputs& out) {
    if (now_in == phase::exited) return;
    switch (message.head.type) {
      case frame_type::assign: take(now, std::move(message), out); break;
      case frame_type::cancel: cancel(now, message.head, out); break;
      default: hub_drained = true; drain(now, out);
    }
  }
};

worker::worker(worker_config config, time_point now)
    : state_(std::make_unique<state>(std::move(config), now)) {}
worker::~worker() = default;

void worker::connected(time_point now, peer_id peer, bool reliable, outputs& out) {
  auto& s = *state_;
  if (s.now_in == state::phase::exited) return;
  if (s.hub.epoch() == 0 || s.hub.reliable() != reliable) {
    s.hub = link(reliable, s.config.timing);
    s.hub.open(now, peer, 0);
  }
  s.hub.redirect(peer);
  s.greet(now, out);
}

void worker::lost(time_point now, peer_id peer, bool final, errc code, std::string_view reason,
                  outputs& out) {
  auto& s = *state_;
  if (s.now_in == state::phase::exited || (peer != s.hub.peer() && s.hub.peer() != 0)) return;
  if (final) {
    return s.exit(false, code, reason.empty() ? std::string_view("the connection to the hub ended") : reason,
                  out);
  }
  if (s.now_in == state::phase::ready) s.away_since = now;
  s.now_in = state::phase::absent;
  s.hello_due = never;
  s.hub.detach();
  if (!s.hub.reliable()) return;
  s.abandon_work(now, out);
  s.hub.open(now, 0, 0);
}

void worker::receive(time_point now, peer_id peer, frame&& message, outputs& out) {
  auto& s = *state_;
  if (s.now_in == state::phase::exited || peer != s.hub.peer()) return;
  auto const type = message.head.type;
  if (type == frame_type::welcome) return s.welcomed(now, peer, message, out);
  if (type == frame_type::bye) return s.said_bye(now, message, out);
  if (message.head.version != protocol_version) return;
  if (message.head.epoch != s.hub.epoch() || s.hub.epoch() == 0) return;  // of an earlier session
  s.hub.heard(now);
  switch (type) {
    case frame_type::ack:
    case frame_type::heartbeat:
      if (!s.hub.acknowledged(now, message, out)) return s.violated("a false acknowledgement", out);
      s.finish_drain(now, out);
      break;
    case frame_type::assign:
    case frame_type::cancel:
    case frame_type::drain:
      if (s.hub.arrived(now, message) != link::arrival::deliver) break;
      do s.deliver(now, std::move(message), out);
      while (s.hub.next(now, message));
      break;
    default: ++s.violations;
  }
  if (s.now_in == state::phase::ready) s.hub.tick(now, out);
}

void worker::finished(time_point now, attempt_key const& key, frame value, outputs& out) {
  value.head = {};
  value.head.type = frame_type::result;
  value.head.buffer_count = static_cast<std::uint32_t>(value.buffers.size());
  auto& s = *state_;
  if (!within(s.hub_limits, value)) {
    auto const why = excess_in_words(value, s.hub_limits, "the result takes", "hub");
    return s.complete(now, key, make_error(failure_of(errc::too_large, {}, why)), out);
  }
  s.complete(now, key, std::move(value), out);
}

void worker::finished(time_point now, attempt_key const& key, failure error, outputs& out) {
  state_->complete(now, key, make_error(error, state_->hub_limits), out);
}

void worker::drain(time_point now, outputs& out) { state_->drain(now, out); }

void worker::tick(time_point now, outputs& out) {
  auto& s = *state_;
  if (s.now_in == state::phase::exited) return;
  if (s.stop_until <= now) {
    return s.exit(false, errc::disconnected, "an attempt that no hub waits for any more does not stop", out);
  }
  if (s.now_in == state::phase::ready) {
    if (s.hub.dead(now)) {
      s.greet(now, out);
    } else {
      s.hub.tick(now, out);
    }
  } else if (add(s.away_since, s.config.hub_timeout) <= now) {
    return s.exit(false, errc::hub_unreachable, "no hub answered", out);
  }
  if (s.hello_due <= now) s.say_hello(now, true, out);
  s.finish_drain(now, out);
}

time_point worker::next_deadline() const {
  auto const& s = *state_;
  if (s.now_in == state::phase::exited) return never;
  auto const of_session =
      s.now_in == state::phase::ready ? s.hub.next_deadline() : add(s.away_since, s.config.hub_timeout);
  return std::min({of_session, s.hello_due, s.linger_until, s.stop_until});
}

bool worker::idle() const { return state_->is_idle(); }
std::size_t worker::queued() const { return state_->waiting.size(); }
std::size_t worker::frames_held() const { return state_->hub.frames_held(); }
std::uint64_t worker::protocol_violations() const { return state_->violations; }

}  // namespace yonder::core
