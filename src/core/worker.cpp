// SPDX-License-Identifier: Apache-2.0
#include "src/core/worker.hpp"

#include "src/core/hub_session.hpp"
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

struct worker::state final : session_user {
  worker_config config;
  hub_session hub;
  std::deque<assigned> waiting;
  std::optional<running> current;
  bool exited = false;
  bool draining = false;
  bool said_drain = false;
  bool hub_drained = false;  // the hub has said that it assigns nothing more
  time_point linger_until = never;
  time_point stop_until = never;  // for a fenced attempt

  state(worker_config made, time_point now)
      : config(std::move(made)), hub(now, hello_of(config), config.timing, *this) {}

  static hello_message hello_of(worker_config const& config) {
    hello_message hello;
    hello.role = peer_role::worker;
    hello.session = config.session;
    hello.name = config.name;
    hello.process = config.pid;
    hello.start_token = config.start_token;
    hello.limits = config.limits;
    hello.functions = config.functions;
    return hello;
  }

  bool is_idle() const { return waiting.empty() && !current; }

  void exit(bool clean, errc code, std::string_view reason, outputs& out) {
    if (std::exchange(exited, true)) return;
    hub.end();
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
    if (exited) return;
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
      out.emplace_back(out::run{next.key, std::uint64_t{next.sequence} << 32 | 1, next.function, signature,
                                std::move(next.message), next.deadline});
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
      hub.violated();
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
    if (exited) return;
    draining = true;
    if (hub.ready()) say_drain(now, out);
    if (!hub.met_a_hub()) return exit(true, errc::disconnected, "told to end before a hub was found", out);
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
    if (!draining || !is_idle() || exited) return;
    if (linger_until == never) linger_until = add(now, config.drain_linger);
    auto const said_all = hub.ready() && hub_drained && hub.all_acknowledged();
    if (!said_all && now < linger_until) return;
    hub.say_bye(now, "the worker ended as it was told to", out);
    exit(true, errc::disconnected, "drained", out);
  }

  // --- the session

  void welcomed(time_point now, welcome_message const&, bool resumed, outputs& out) override {
    if (!resumed) said_drain = hub_drained = false;
    if (!draining) return;
    say_drain(now, out);
    finish_drain(now, out);
  }

  // The hub has fenced the session: nothing that was assigned in it counts any more.
  void session_lost(time_point now, std::string_view, outputs& out) override {
    waiting.clear();
    if (!current || current->fenced) return;
    current->fenced = true;
    stop_until = add(now, config.cancel_grace);
    if (!std::exchange(current->stopping, true)) out.emplace_back(out::stop_requested{current->key});
  }

  void refused(time_point, errc code, std::string_view why, outputs& out) override {
    exit(false, code, why, out);
  }

  void deliver(time_point now, frame&& message, outputs& out) override {
    switch (message.head.type) {
      case frame_type::assign: return take(now, std::move(message), out);
      case frame_type::cancel: return cancel(now, message.head, out);
      case frame_type::drain: hub_drained = true; return drain(now, out);
      default: hub.violated();
    }
  }
};

worker::worker(worker_config config, time_point now)
    : state_(std::make_unique<state>(std::move(config), now)) {}
worker::~worker() = default;

void worker::connected(time_point now, peer_id peer, bool reliable, outputs& out) {
  state_->hub.connected(now, peer, reliable, out);
}

void worker::lost(time_point now, peer_id peer, bool final, errc code, std::string_view reason,
                  outputs& out) {
  auto& s = *state_;
  auto const text = reason.empty() ? std::string_view("the connection to the hub ended") : reason;
  if (final && s.hub.is_of(peer)) return s.exit(false, code, text, out);
  s.hub.lost(now, peer, text, out);
}

void worker::receive(time_point now, peer_id peer, frame&& message, outputs& out) {
  state_->hub.receive(now, peer, std::move(message), out);
  state_->finish_drain(now, out);
}

void worker::finished(time_point now, attempt_key const& key, frame value, outputs& out) {
  value.head = {};
  value.head.type = frame_type::result;
  value.head.buffer_count = static_cast<std::uint32_t>(value.buffers.size());
  auto& s = *state_;
  if (!within(s.hub.hub_limits(), value)) {
    auto const why = excess_in_words(value, s.hub.hub_limits(), "the result takes", "hub");
    return s.complete(now, key, make_error(failure_of(errc::too_large, {}, why)), out);
  }
  s.complete(now, key, std::move(value), out);
}

void worker::finished(time_point now, attempt_key const& key, failure error, outputs& out) {
  state_->complete(now, key, make_error(error, state_->hub.hub_limits()), out);
}

void worker::drain(time_point now, outputs& out) { state_->drain(now, out); }

void worker::tick(time_point now, outputs& out) {
  auto& s = *state_;
  if (s.exited) return;
  if (s.stop_until <= now) {
    return s.exit(false, errc::disconnected, "an attempt that no hub waits for any more does not stop", out);
  }
  if (!s.hub.ready() && add(s.hub.away_since(), s.config.hub_timeout) <= now)
    return s.exit(
        false, errc::hub_unreachable,
        "no hub answered" + (s.hub.trouble().empty() ? "" : "; the last attempt: " + s.hub.trouble()), out);
  s.hub.tick(now, out);
  s.finish_drain(now, out);
}

time_point worker::next_deadline() const {
  auto const& s = *state_;
  if (s.exited) return never;
  auto const given_up = s.hub.ready() ? never : add(s.hub.away_since(), s.config.hub_timeout);
  return std::min({given_up, s.hub.next_deadline(), s.linger_until, s.stop_until});
}

std::string const& worker::trouble() const { return state_->hub.trouble(); }
bool worker::idle() const { return state_->is_idle(); }
std::size_t worker::queued() const { return state_->waiting.size(); }
std::size_t worker::frames_held() const { return state_->hub.frames_held(); }
std::uint64_t worker::protocol_violations() const { return state_->hub.violations(); }

}  // namespace yonder::core
