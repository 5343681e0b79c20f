// SPDX-License-Identifier: Apache-2.0
#include "src/core/worker.hpp"

#include "src/core/assignment_queue.hpp"
#include "src/core/hub_session.hpp"
#include "src/core/mutant.hpp"
#include "src/core/result_packer.hpp"
#include "src/core/streams.hpp"
#include "src/core/words.hpp"

#include <algorithm>

namespace yonder::core {
namespace {

struct running_attempt {
  attempt_key key;          // of its first item
  std::uint32_t count = 1;  // items that were given out and have not ended
  time_point since = 0;
  time_point stop_by = never;  // of a session that ended: the answer goes nowhere, and it must stop
  bool stopping = false;
  bool packed = false;                      // its frame held several items
  bool last = false;                        // the last of them is among these
  std::uint64_t run = 0;                    // those with the same number run as one
  std::optional<std::uint32_t> progress{};  // of what it has said last: the link's ticket
  // It goes on for the hub that comes next: a journal has its call, which may be started once only, or its
  // hub has said so (take_keep).
  bool held = false;
  std::uint32_t ticket = 0;  // of that
  bool called_back = false;  // the hub wants those of the row that have not begun
  bool fenced() const noexcept { return stop_by != never; }
};

}  // namespace

struct worker::state final : session_user {
  worker_config config;
  hub_session hub;
  assignment_queue waiting;
  std::vector<running_attempt> running;  // of config.concurrency runs at most
  std::uint64_t last_run = 0;
  std::uint32_t said_concurrency;  // in every hello
  result_packer results;
  struct held_answer {
    attempt_key key;
    frame_ref message;
    std::uint32_t ticket = 0;
  };
  std::vector<held_answer> answers;  // of what is held, until a hub has them on disk
  std::string measured;              // the function that ran last,
  duration item_time = never;        // and how long its items run
  bool one_by_one = false;           // they print: whose that is, is known of one that runs by itself
  std::optional<std::uint32_t> printed_last{};  // the link's ticket
  bool exited = false;
  bool draining = false;
  bool has_lost_session = false;  // and nobody has asked yet
  bool has_session = false;
  bool told_to_end = false;  // by who lends it its machine
  bool said_drain = false;
  bool hub_drained = false;  // the hub has said that it assigns nothing more
  time_point lingers_since = never;

  state(worker_config made, time_point now)
      : config(std::move(made)),
        hub(now, hello_of(config), config.timing, *this),
        said_concurrency(config.concurrency) {
    hub.ends_at(config.ends_at);
  }

  static hello_message hello_of(worker_config const& config) {
    hello_message hello;
    hello.role = peer_role::worker;
    hello.session = config.session;
    hello.secret = config.secret;
    hello.name = config.name;
    hello.process = config.pid;
    hello.start_token = config.start_token;
    hello.concurrency = config.concurrency;
    hello.predecessor = config.predecessor;
    hello.limits = config.limits;
    hello.functions = config.functions;
    hello.made_of = config.made_of;
    hello.gpus = config.gpus;
    return hello;
  }

  bool is_idle() const { return waiting.empty() && running.empty(); }

  void exit(bool clean, errc code, std::string_view reason, outputs& out) {
    if (std::exchange(exited, true)) return;
    hub.end();
    waiting.clear();
    results.clear();
    answers.clear();
    out.emplace_back(out::exit{clean, code, std::string(reason)});
  }

  // --- answers

  time_point stop_by() const {
    auto first = never;
    for (auto const& one : running) first = std::min(first, one.stop_by);
    return first;
  }

  void answer(time_point now, attempt_key const& key, frame&& message, duration ran, outputs& out) {
    send_answer(now, key, frame_ref(answer_of(key, std::move(message), ran)), out);
  }

  static frame answer_of(attempt_key const& key, frame&& message, duration ran) {
    auto& head = message.head;
    head.call = key.call;
    head.attempt = key.attempt;
    head.remaining_us = static_cast<std::uint64_t>(std::max<duration>(ran, 0) / microsecond);
    return std::move(message);
  }

  void send_answer(time_point now, attempt_key const& key, frame_ref message, outputs& out) {
    say_ended(now, {key}, *message, out);
    auto const stated = message->head;
    hub.send(now, stated, std::move(message), never, out);
  }

  // --- what goes on for the hub that comes next

  // It is kept until a hub has it on disk; without a session it waits for one.
  void hold(time_point now, running_attempt const& ended, frame&& message, outputs& out) {
    message.head.flags |= flag_held;
    auto made = answer_of(ended.key, std::move(message), now - ended.since);
    for (auto& block : made.buffers) block = detail::owned_copy(block.bytes());
    answers.push_back({ended.key, frame_ref(std::move(made)), ended.ticket});
    if (has_session) send_answer(now, ended.key, answers.back().message, out);
  }

  void greets(time_point now, hello_message& hello) override {
    hello.held.clear();
    for (auto const& one : answers) hello.held.push_back({one.key.call, one.key.attempt, 0, one.ticket});
    for (auto const& one : running)
      if (one.held && !one.fenced())
        hello.held.push_back({one.key.call, one.key.attempt, now - one.since, one.ticket});
  }

  // Its hub ends, and it goes on without: whoever has the ticket asks the next one for its outcome. The hub
  // hears that behind all that was answered before.
  void take_keep(time_point now, frame const& message, outputs& out) {
    auto const& head = message.head;
    auto const found = find_running({head.call, head.attempt, head.epoch});
    if (found == running.end() || found->count != 1 || found->fenced() || found->stopping) return;
    found->held = true;
    found->ticket = static_cast<std::uint32_t>(head.signature);
    auto reply = make_control(frame_type::keep);
    reply.head.call = head.call;
    reply.head.attempt = head.attempt;
    auto const stated = reply.head;
    hub.send(now, stated, frame_ref(std::move(reply)), never, out);
  }

  // The hub has the outcome on disk, or no use for it. What a hello that is on its way speaks of stays.
  void take_taken(frame const& message) {
    if (!hub.ready()) return;
    auto const& head = message.head;
    std::erase_if(answers, [&](held_answer const& one) {
      return one.key.call == head.call && one.key.attempt == head.attempt;
    });
  }

  // Before an answer that is long under way: the attempt's time ends now.
  void say_ended(time_point now, attempt_range const& range, frame const& answer, outputs& out) {
    if (!hub.delays(answer) || (YONDER_MUTANT(late_answer_unsaid) && !needs_transfer(answer))) return;
    auto message = make_control(frame_type::ended);
    set_item_count(message, range.count);
    message.head.call = range.first.call;
    message.head.attempt = range.first.attempt;
    auto const stated = message.head;
    hub.send(now, stated, frame_ref(std::move(message)), never, out);
  }

  // What does not end by that goes to another worker, and nobody is told why.
  void answer_not_started(time_point now, attempt_range const& range, errc code, outputs& out,
                          std::string_view function = {}, std::string_view why = {}) {
    auto message = make_error(code, function, why);
    message.head.flags = flag_not_started;
    set_item_count(message, range.count);
    answer(now, range.first, std::move(message), 0, out);
  }

  // Gives answers with this code for all items that it is called for.
  auto hand_back_as(time_point now, errc code, outputs& out) {
    return [this, now, code, &out](attempt_range const& range, assignment_queue::frame_info const&) {
      answer_not_started(now, range, code, out);
    };
  }

  std::vector<running_attempt>::iterator find_running(attempt_key const& key) {
    return std::find_if(running.begin(), running.end(), [&](auto const& one) { return one.key == key; });
  }

  void complete(time_point now, attempt_key const& key, frame&& message, outputs& out) {
    auto const found = find_running(key);
    if (found == running.end()) return;
    auto const ended = *found;
    if (ended.packed) measure(now - ended.since);
    if (ended.count == 1)
      running.erase(found);
    else
      advance(now, *found, 1);
    if (exited) return;
    if (!ended.fenced()) report(now, ended, std::move(message), out);
    go_on(now, out);
  }

  static void advance(time_point now, running_attempt& row, std::uint32_t count) {
    row.key.call.number += count;
    row.count -= count;
    row.since = now;
    row.progress.reset();
  }

  void complete(time_point now, attempt_key const& key, std::span<std::uint32_t const> sizes,
                std::span<std::byte const> values, outputs& out) {
    auto const found = find_running(key);
    auto const count = static_cast<std::uint32_t>(sizes.size());
    if (found == running.end() || count == 0 || count > found->count) return;
    auto const ended = *found;
    measure((now - ended.since) / count);
    if (ended.count == count)
      running.erase(found);
    else
      advance(now, *found, count);
    if (exited) return;
    if (!ended.fenced()) {
      if (!results.takes(ended.key, sizes, values.size())) send_results(now, out);
      results.add(now, ended.key, sizes, values, now - ended.since);
      if (ended.last && ended.count == count) send_results(now, out);
    }
    go_on(now, out);
  }

  // At once where they take longer than before, slowly where they take less.
  void measure(duration item) {
    item_time = item_time == never || item_time < item ? item : item_time - (item_time - item) / 4;
  }

  // How many items of the first frame are given out together.
  std::uint32_t row() {
    if (config.max_row == 1 || config.concurrency != 1) return 1;
    if (measured != waiting.function()) {
      measured = waiting.function();
      item_time = never;
      one_by_one = false;
    }
    if (item_time == never || one_by_one) return 1;
    return static_cast<std::uint32_t>(
        std::clamp<duration>(config.row_time / std::max<duration>(item_time, 1), 1, config.max_row));
  }

  void shorten(time_point now, attempt_key const& key, std::uint32_t begun, outputs& out) {
    auto const found = find_running(key);
    if (found == running.end() || begun >= found->count) return;
    auto const others = found->count - begun;
    auto const counts = !found->fenced() && !exited;
    auto const goes_back = found->called_back;
    auto first = key;
    first.call.number += begun;
    found->count = begun;
    found->last = false;
    if (begun == 0) running.erase(found);
    if (!counts) return;
    // What waited behind the row was handed back when the drain began: its frame may be gone.
    if (draining) return answer_not_started(now, {first, others}, errc::disconnected, out);
    if (goes_back)
      answer_not_started(now, {first, others}, errc::cancelled, out);
    else if (!YONDER_MUTANT(row_rest_lost))
      waiting.put_back(others);
    run_next(now, out);
  }

  void go_on(time_point now, outputs& out) {
    run_next(now, out);
    if (is_idle() || add(results.since(), config.result_delay) <= now) send_results(now, out);
    finish_drain(now, out);
  }

  // The value of an item waits for those that follow it.
  void report(time_point now, running_attempt const& ended, frame&& message, outputs& out) {
    if (ended.held) return hold(now, ended, std::move(message), out);
    auto const ran = now - ended.since;
    auto const packs = ended.packed && message.head.type == frame_type::result;
    if (!packs || !results.takes(ended.key, message)) send_results(now, out);
    if (!packs || !results.takes(ended.key, message))
      return answer(now, ended.key, std::move(message), ran, out);
    results.add(now, ended.key, message, ran);
    if ((ended.last && ended.count == 1) || YONDER_RARELY()) send_results(now, out);
  }

  void send_results(time_point now, outputs& out) {
    if (results.empty()) return;
    auto message = results.take();
    auto const head = message.head;
    say_ended(now, {{head.call, head.attempt, head.epoch}, read_item_count(message)}, message, out);
    hub.send(now, head, frame_ref(std::move(message)), never, out);
  }

  // --- work

  // One that holds several attempts is one.
  std::size_t runs() const {
    std::size_t count = 0;
    for (std::size_t i = 0; i < running.size(); ++i)
      if (i == 0 || running[i].run != running[i - 1].run) ++count;
    return count;
  }

  void run_next(time_point now, outputs& out) {
    while (runs() < config.concurrency && !waiting.empty()) {
      // A hello that is on its way does not speak of it.
      if (waiting.is_once() && !hub.ready() && !YONDER_MUTANT(started_while_away)) return;
      if (waiting.deadline() <= now) {
        YONDER_REACHED(expired_in_worker);
        waiting.hand_back_front([&](attempt_range const& range, assignment_queue::frame_info const& info) {
          answer_not_started(now, range, errc::deadline_exceeded, out, info.function,
                             "the deadline passed before the call was started");
        });
        continue;
      }
      auto next = waiting.take(row());
      auto const& run = next.run;
      ++last_run;
      for (auto const& item : run.items)
        running.push_back({item.key, 1, now, never, false, true, &item == &run.items.back(), last_run});
      if (run.items.empty())
        running.push_back({run.key,
                           run.count,
                           now,
                           never,
                           false,
                           next.packed,
                           next.last,
                           last_run,
                           {},
                           next.once && !next.packed});
      out.emplace_back(std::move(next.run));
    }
  }

  void take(time_point now, frame&& message, outputs& out) {
    auto const key = attempt_key{message.head.call, message.head.attempt, message.head.epoch};
    if (waiting.frames() >= config.max_queued || !waiting.push(now, std::move(message))) {
      hub.violated();
      return answer(now, key,
                    make_error(errc::protocol_violation, {}, "the worker cannot take this assignment"), 0,
                    out);
    }
    if (draining || YONDER_RARELY()) return hand_back_all(now, out);
    run_next(now, out);
  }

  // What waits is handed back; what runs is told to stop, unless it is only called back. Of a row that is the
  // last item that was begun: who reads while it runs has shortened it. One that was given out and has not
  // been entered yet is not: what of it is called back goes when it is shortened, if it has not run by then.
  void cancel(time_point now, frame const& message, outputs& out) {
    auto const& head = message.head;
    auto const range = attempt_range{{head.call, head.attempt, head.epoch}, read_item_count(message)};
    waiting.hand_back(range, hand_back_as(now, errc::cancelled, out));
    auto const is_recall = (head.flags & flag_recall) != 0;
    for (auto& one : running) {
      auto const item = one.key.call.number + one.count - 1 - head.call.number;
      auto const key = attempt_key{{head.call.session, head.call.number + item}, head.attempt, one.key.epoch};
      auto const in_range = one.key.attempt == head.attempt && (one.key.epoch == head.epoch || one.held) &&
                            one.key.call.session == head.call.session;
      if (!in_range || item >= range.count) continue;
      one.called_back = one.called_back || is_recall;
      if (is_recall || std::exchange(one.stopping, true)) continue;
      out.emplace_back(out::stop_requested{key});
    }
  }

  // --- streams

  // Sends what concerns a running attempt that still counts.
  void say(time_point now, attempt_key const& key, frame&& message, outputs& out) {
    auto const found = find_running(key);
    if (exited || found == running.end() || found->fenced()) return;
    message.head.call = key.call;
    message.head.attempt = key.attempt;
    auto const head = message.head;
    hub.send(now, head, frame_ref(std::move(message)), never, out);
  }

  void say_progress(time_point now, attempt_key const& key, progress_report const& report, outputs& out) {
    auto const found = find_running(key);
    if (exited || found == running.end() || found->fenced()) return;
    if (found->progress) hub.withdraw(now, *found->progress, out);
    auto message = make_progress(report);
    message.head.call = key.call;
    message.head.attempt = key.attempt;
    auto const head = message.head;
    found->progress = hub.send(now, head, frame_ref(std::move(message)), never, out);
  }

  bool say_printed(time_point now, attempt_key const& key, std::uint32_t count, std::string_view text,
                   std::uint64_t skipped, bool last, outputs& out) {
    if (exited || !hub.ready()) return false;
    if (key.attempt != 0) {
      auto const found = find_running(key);
      if (found == running.end() || found->fenced()) return true;  // nobody is to see it
      one_by_one = one_by_one || found->packed;
    }
    if (!last && printed_last && !hub.was_delivered(*printed_last)) return false;
    auto message = make_printed(text, skipped, count);
    message.head.call = key.call;
    message.head.attempt = key.attempt;
    auto const head = message.head;
    printed_last = hub.send(now, head, frame_ref(std::move(message)), never, out);
    return true;
  }

  void take_credit(frame const& message, outputs& out) {
    auto const& head = message.head;
    auto const key = attempt_key{head.call, head.attempt, head.epoch};
    stream_level level;
    if (!read_stream_credit(message, level)) return hub.violated();
    if (find_running(key) == running.end()) return waiting.allow(key, level);
    out.emplace_back(out::stream_allowed{key, 0, level});
  }

  void take_input(frame&& message, outputs& out) {
    auto const& head = message.head;
    auto const key = attempt_key{head.call, head.attempt, head.epoch};
    auto const ended = head.type == frame_type::stream_end;
    stream_frame said;
    if (ended ? !read_position(message, said.first) : !read_stream_items(message, said))
      return hub.violated();
    if (find_running(key) == running.end()) return;  // it has ended
    out.emplace_back(out::stream_arrived{key, 0, std::move(message), ended});
  }

  void hand_back_all(time_point now, outputs& out) {
    while (!waiting.empty()) waiting.hand_back_front(hand_back_as(now, errc::disconnected, out));
  }

  // What was assigned meanwhile counts as nothing, and waits for no silence to be noticed.
  void give_up(time_point now, std::string_view why, outputs& out) {
    if (hub.ready()) say_drain(now, out);  // or it would be assigned here once more
    if (!waiting.empty()) YONDER_REACHED(ended_itself);
    if (!YONDER_MUTANT(work_kept_at_end)) hand_back_all(now, out);
    hub.say_bye(now, why, out);
    exit(false, errc::disconnected, why, out);
  }

  // --- draining

  void drain(time_point now, outputs& out) {
    if (exited) return;
    draining = true;
    if (hub.ready()) say_drain(now, out);
    if (!hub.met_a_hub()) return exit(true, errc::disconnected, "told to end before a hub was found", out);
    hand_back_all(now, out);
    finish_drain(now, out);
  }

  void say_drain(time_point now, outputs& out) {
    if (std::exchange(said_drain, true)) return;
    auto message = make_drain(told_to_end ? std::max<duration>(0, config.ends_at - now) : never);
    auto const head = message.head;
    hub.send(now, head, frame_ref(std::move(message)), never, out);
  }

  // Whatever is acknowledged shows that the rest is on its way: the time begins anew.
  time_point linger_until() const {
    if (lingers_since == never) return never;
    auto const since = YONDER_MUTANT(linger_runs_out) ? 0 : hub.acknowledged_at();
    return add(std::max(lingers_since, since), config.drain_linger);
  }

  void finish_drain(time_point now, outputs& out) {
    if (!draining || !is_idle() || !results.empty() || exited) return;
    if (lingers_since == never) lingers_since = now;
    auto const said_all = hub.ready() && hub_drained && hub.all_acknowledged();
    if (!said_all && now < linger_until()) return;
    hub.say_bye(now, "the worker ended as it was told to", out);
    exit(true, errc::disconnected, "drained", out);
  }

  // --- the session

  void welcomed(time_point now, welcome_message const&, bool resumed, outputs& out) override {
    if (!resumed) begin_session(now, out);
    if (!resumed) printed_last.reset();
    if (!draining) return run_next(now, out);
    say_drain(now, out);
    finish_drain(now, out);
  }

  // Its hello has said what is held.
  void begin_session(time_point now, outputs& out) {
    said_drain = hub_drained = false;
    has_session = true;
    for (std::size_t i = 0; i < answers.size(); ++i)
      send_answer(now, answers[i].key, answers[i].message, out);
  }

  // The hub has fenced the session: nothing that was assigned in it counts any more.
  void session_lost(time_point now, std::string_view, outputs& out) override {
    has_lost_session = true;
    has_session = false;
    config.concurrency = said_concurrency;  // a hub that knows nothing of allow()
    waiting.clear();
    results.clear();
    for (auto& one : running) {
      if (one.fenced() || one.held) continue;
      one.stop_by = add(now, config.cancel_grace);
      if (!std::exchange(one.stopping, true)) out.emplace_back(out::stop_requested{one.key});
    }
  }

  void refused(time_point, errc code, std::string_view why, outputs& out) override {
    exit(false, code, why, out);
  }

  void deliver(time_point now, frame&& message, outputs& out) override {
    switch (message.head.type) {
      case frame_type::assign: return take(now, std::move(message), out);
      case frame_type::cancel: return cancel(now, message, out);
      case frame_type::stream_credit: return take_credit(message, out);
      case frame_type::stream_items:
      case frame_type::stream_end: return take_input(std::move(message), out);
      case frame_type::taken: return take_taken(message);
      case frame_type::keep: return take_keep(now, message, out);
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
  auto const metadata_size = value.head.metadata_size;
  value.head = {};
  value.head.type = frame_type::result;
  value.head.metadata_size = metadata_size;
  value.head.buffer_count = static_cast<std::uint32_t>(value.buffers.size());
  auto& s = *state_;
  if (!within(s.hub.hub_limits(), value)) {
    auto const why = excess_in_words(value, s.hub.hub_limits(), "the result takes", "hub");
    return s.complete(now, key, make_error(errc::too_large, {}, why), out);
  }
  s.complete(now, key, std::move(value), out);
}

void worker::finished(time_point now, attempt_key const& key, failure error, outputs& out) {
  state_->complete(now, key, make_error(error, state_->hub.hub_limits()), out);
}

bool worker::produced(time_point now, attempt_key const& key, std::uint64_t first,
                      std::span<std::uint32_t const> sizes, std::span<std::byte const> values,
                      std::vector<buffer> buffers, outputs& out) {
  auto& s = *state_;
  auto message = make_stream_items(first, sizes, values, std::move(buffers));
  if (!within(s.hub.hub_limits(), message)) return false;
  s.say(now, key, std::move(message), out);
  return true;
}

void worker::finished(time_point now, attempt_key const& key, std::uint64_t items, outputs& out) {
  state_->complete(now, key, make_end(frame_type::result, items), out);
}

void worker::takes(time_point now, attempt_key const& key, stream_level const& level, outputs& out) {
  state_->say(now, key, make_stream_credit(level), out);
}

bool worker::lost_session() noexcept { return std::exchange(state_->has_lost_session, false); }
void worker::waits_for_input(time_point now, attempt_key const& key, std::uint64_t items, outputs& out) {
  state_->say(now, key, make_wait({key, {0, items}}), out);
}

void worker::progressed(time_point now, attempt_key const& key, progress_report const& report, outputs& out) {
  state_->say_progress(now, key, report, out);
}

bool worker::printed(time_point now, attempt_key const& key, std::uint32_t count, std::string_view text,
                     std::uint64_t skipped, bool last, outputs& out) {
  return state_->say_printed(now, key, count, text, skipped, last, out);
}

void worker::allow(attempt_key const& key, std::uint32_t concurrency) {
  auto const found = state_->find_running(key);
  if (found != state_->running.end() && !found->fenced()) state_->config.concurrency = concurrency;
}

void worker::finished(time_point now, attempt_key const& key, std::span<std::uint32_t const> sizes,
                      std::span<std::byte const> values, outputs& out) {
  state_->complete(now, key, sizes, values, out);
}

void worker::shorten(time_point now, attempt_key const& key, std::uint32_t begun, outputs& out) {
  state_->shorten(now, key, begun, out);
}

void worker::drain(time_point now, outputs& out) { state_->drain(now, out); }

void worker::ends(time_point now, time_point at, outputs& out) {
  auto& s = *state_;
  // A drain that was said before says nothing of this end.
  if (!std::exchange(s.told_to_end, true) || at < s.config.ends_at) s.said_drain = false;
  s.config.ends_at = std::min(s.config.ends_at, at);
  s.hub.ends_at(s.config.ends_at);
  s.drain(now, out);
}

void worker::tick(time_point now, outputs& out) {
  auto& s = *state_;
  if (s.exited) return;
  if (s.stop_by() <= now)
    return s.give_up(now, "an attempt that no hub waits for any more does not stop", out);
  if (!s.hub.ready() && add(s.hub.away_since(), s.config.hub_timeout) <= now)
    return s.exit(
        false, errc::hub_unreachable,
        "no hub answered" + (s.hub.trouble().empty() ? "" : "; the last attempt: " + s.hub.trouble()), out);
  if (add(s.results.since(), s.config.result_delay) <= now) s.send_results(now, out);
  s.hub.tick(now, out);
  s.finish_drain(now, out);
}

time_point worker::next_deadline() const {
  auto const& s = *state_;
  if (s.exited) return never;
  auto const given_up = s.hub.ready() ? never : add(s.hub.away_since(), s.config.hub_timeout);
  auto const of_results = add(s.results.since(), s.config.result_delay);
  return std::min({given_up, s.hub.next_deadline(), s.linger_until(), s.stop_by(), of_results});
}

std::string const& worker::trouble() const { return state_->hub.trouble(); }
bool worker::idle() const { return state_->is_idle(); }
std::size_t worker::queued() const { return state_->waiting.items(); }
std::size_t worker::frames_held() const { return state_->hub.frames_held(); }
std::uint64_t worker::protocol_violations() const { return state_->hub.violations(); }

}  // namespace yonder::core
