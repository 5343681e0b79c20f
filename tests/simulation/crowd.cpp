// SPDX-License-Identifier: Apache-2.0
//
// The threads of one runtime: callers, coroutines and the housekeeper, or the program's loop in its place,
// who lead and follow as src/driver/leadership says. Each event is what a thread does while it holds the
// lock.
#include "src/driver/leadership.hpp"
#include "tests/simulation/schedule.hpp"
#include "tests/simulation/simulation.hpp"

#include <algorithm>
#include <string>
#include <vector>

namespace yonder::core::simulation {
namespace {

using driver::leadership;

constexpr duration patience = 60 * millisecond;  // in which whoever can go on must have gone on
constexpr std::uint32_t nobody = static_cast<std::uint32_t>(-1);

enum class waits : std::uint8_t { not_at_all, for_result, by_coroutine };

// One caller's call: a caller has one at a time.
struct promised {
  bool sent = false;
  bool done = true;
  waits how{};
  time_point unsent_since = never;
  time_point answered = never;  // when its result can be read
  time_point deadline = never;  // a timer of the core
  time_point ended = never;
};

enum class stage : std::uint8_t { thinks, wants_to_wait, leads, follows, paused };

struct thread {
  stage now_in = stage::thinks;
  std::uint32_t turn = 0;    // counts its events: what was planned for an earlier stage is void
  time_point until = never;  // it gives up waiting
};

enum class act : std::uint8_t {
  goes_on,  // a: thread, b: its turn
  wakes,    // the same, from the poller
  watch     // looks whether everybody went on
};

struct moment {
  act what{};
  std::uint32_t a = 0;
  std::uint32_t b = 0;
};

class crowd {
 public:
  explicit crowd(options const& what) : what_(what), random_(what.seed) {
    auto const callers = 1 + random_.below(6);
    throws_ = random_.below(2) == 0 ? 0 : 0.01;
    has_loop_ = random_.below(3) == 0;
    if (has_loop_) lead_.led_by_loop();
    threads_.resize(callers + 1);
    calls_.resize(callers + 1);
    for (std::uint32_t i = 0; i < threads_.size(); ++i) go_on(i, between(0, millisecond));
    plan(millisecond, {act::watch, 0, 0});
  }

  report run() {
    while (seen_.events < what_.events && seen_.violation.empty()) {
      auto const next = schedule_.take();
      now_ = next.when;
      ++seen_.events;
      seen_.digest = (seen_.digest ^ static_cast<std::uint64_t>(now_) ^ next.what.a) * 0x100000001b3;
      happen(next.what);
    }
    seen_.simulated = now_;
    return seen_;
  }

 private:
  std::uint32_t housekeeper() const { return static_cast<std::uint32_t>(threads_.size() - 1); }

  // --- chance and time

  bool happens(double probability) {
    return static_cast<double>(random_.next() >> 11) * 0x1p-53 < probability;
  }
  duration between(duration low, duration high) {
    return low + static_cast<duration>(random_.below(static_cast<std::uint64_t>(high - low) + 1));
  }
  // How long a thread takes to be run again.
  duration lag() { return happens(0.01) ? between(0, 3 * millisecond) : between(0, 20 * microsecond); }
  void plan(duration after, moment what) { schedule_.plan(now_ + after, what.what, what.a, what.b); }
  void go_on(std::uint32_t who, duration after) { plan(after, {act::goes_on, who, ++threads_[who].turn}); }
  void violated(std::string what) {
    if (seen_.violation.empty()) seen_.violation = std::move(what) + " (at " + std::to_string(now_) + " ns)";
  }
  void reach(state one) { seen_.reached.set(static_cast<std::size_t>(one)); }

  void happen(moment const& what) {
    if (what.what == act::watch) return look_round();
    if (threads_[what.a].turn != what.b) return;
    if (has_loop_ && what.a == housekeeper()) return drive();
    if (what.what == act::wakes) return end_turn(what.a);
    if (what.a == housekeeper()) return keep_house();
    switch (threads_[what.a].now_in) {
      case stage::thinks: return make_call(what.a);
      case stage::follows: lead_.unfollow(); [[fallthrough]];
      default: return wait(what.a);
    }
  }

  // --- a caller

  void make_call(std::uint32_t who) {
    auto& call = calls_[who];
    if (!call.done) return go_on(who, between(100 * microsecond, 2 * millisecond));  // of a coroutine
    ++seen_.calls;
    call = {};
    call.done = false;
    call.unsent_since = now_;
    if (happens(0.3)) call.deadline = now_ + between(100 * microsecond, 50 * millisecond);
    auto const kind = random_.below(4);
    if (kind == 0) call.how = waits::by_coroutine;
    if (kind == 1) call.how = waits::for_result;
    if (kind != 2) try_flush();
    if (kind == 2) {  // gathered: it works first, and waits later
      if (lead_.left_unsent()) ring();
      reach(state::left_unsent);
    }
    if (lead_.must_wake(false, next_deadline())) {
      reach(state::leader_woken);
      ring();
    }
    if (call.how == waits::by_coroutine) {
      lead_.await(1);
      notify_housekeeper();
      return go_on(who, between(0, 5 * millisecond));
    }
    threads_[who].now_in = stage::wants_to_wait;
    threads_[who].until = happens(0.2) ? now_ + between(0, 20 * millisecond) : never;
    go_on(who, kind >= 2 ? between(0, happens(0.1) ? 300 * millisecond : 30 * millisecond) : lag());
  }

  void wait(std::uint32_t who) {
    auto& one = threads_[who];
    if (one.now_in == stage::wants_to_wait) {
      if (calls_[who].done) return leave(who, false);
      calls_[who].how = waits::for_result;
      lead_.arrive();
      try_flush();
    }
    if (calls_[who].done || now_ >= one.until) return leave(who, true);
    if (lead_.lead()) {
      if (has_loop_ && leader_ == housekeeper()) reach(state::loop_robbed);
      return begin_turn(who, one.until);
    }
    if (lead_.follow()) ring();
    one.now_in = stage::follows;
    followers_.push_back(who);
    ++one.turn;
    if (one.until != never) plan(one.until - now_, {act::goes_on, who, one.turn});
  }

  void leave(std::uint32_t who, bool waited) {
    std::erase(followers_, who);
    threads_[who].now_in = stage::thinks;
    if (waited) {
      lead_.depart();
      hand_over();
    }
    if (!calls_[who].done) calls_[who].how = waits::not_at_all;
    go_on(who, happens(0.2) ? between(0, happens(0.1) ? 300 * millisecond : 30 * millisecond) : lag());
  }

  void hand_over() {
    switch (lead_.next_leader()) {
      case leadership::successor::follower: reach(state::handed_over); return notify(followers_.front());
      case leadership::successor::housekeeper: return notify_housekeeper();
      case leadership::successor::nobody: return;
    }
  }

  void notify(std::uint32_t who) {
    if (threads_[who].now_in != stage::follows) return;
    go_on(who, lag());
  }

  void notify_housekeeper() {
    if (threads_[housekeeper()].now_in == stage::paused) go_on(housekeeper(), lag());
  }

  void keep_house() {
    auto& one = threads_[housekeeper()];
    auto const next = lead_.housekeep();
    if (next.what == leadership::chore::kind::lead) return begin_turn(housekeeper(), never);
    one.now_in = stage::paused;
    go_on(housekeeper(), next.pause);
  }

  // --- the program's loop, which is busy with other things at times

  duration loop_lag() { return happens(0.05) ? between(0, 20 * millisecond) : lag(); }

  void drive() {
    auto& one = threads_[housekeeper()];
    one.now_in = stage::paused;
    ++one.turn;
    if (!lead_.drive()) return;
    if (leader_ == housekeeper()) leader_ = nobody;
    rung_ = false;
    if (throws())
      after_throw();
    else
      take_results();
    if (lead_.is_followed()) {
      lead_.yield();
      return hand_over();
    }
    reach(state::loop_slept);
    auto const wake_at = next_deadline();
    lead_.fall_asleep(wake_at);
    leader_ = housekeeper();
    hear_bell();
    auto const wakes_by = std::min(wake_at, next_answer());
    if (wakes_by != never)
      plan(std::max<duration>(wakes_by - now_, 0) + loop_lag(), {act::wakes, housekeeper(), one.turn});
  }

  // --- the leader

  void begin_turn(std::uint32_t who, time_point until) {
    auto& one = threads_[who];
    std::erase(followers_, who);
    one.now_in = stage::leads;
    leader_ = who;
    flush();
    auto const wake_at = std::min(until, next_deadline());
    lead_.fall_asleep(wake_at);
    ++one.turn;
    hear_bell();
    auto const wakes_by = std::min(wake_at, next_answer());
    if (wakes_by != never) plan(std::max<duration>(wakes_by - now_, 0) + lag(), {act::wakes, who, one.turn});
  }

  // Where nobody sleeps, the next one who would is woken at once.
  void ring() {
    if (std::exchange(rung_, true) || leader_ == nobody) return;
    plan(lag(), {act::wakes, leader_, threads_[leader_].turn});
  }

  void hear_bell() {
    if (std::exchange(rung_, false)) ring();
  }

  bool throws() {
    auto const now = happens(throws_);
    if (now) reach(state::step_threw);
    return now;
  }

  void after_throw() {
    if (leadership::must_ring_after_throw()) ring();
  }

  void end_turn(std::uint32_t who) {
    leader_ = nobody;
    rung_ = false;
    if (throws()) {
      after_throw();
    } else {
      lead_.wake_up();
      take_results();
    }
    lead_.yield();
    if (who != housekeeper()) return wait(who);
    hand_over();
    keep_house();
  }

  void take_results() {
    for (std::uint32_t i = 0; i < calls_.size(); ++i) {
      auto& call = calls_[i];
      if (!call.done && std::min(call.answered, call.deadline) <= now_) complete(i);
    }
    flush();
  }

  void complete(std::uint32_t i) {
    auto& call = calls_[i];
    call.done = true;
    call.ended = now_;
    ++seen_.values;
    if (call.how == waits::by_coroutine) lead_.no_longer_await(1);
    notify(i);
  }

  // Of a thread that does not lead.
  void try_flush() {
    if (throws()) return after_throw();
    flush();
  }

  void flush() {
    for (auto& call : calls_) {
      if (call.done || call.sent) continue;
      call.sent = true;
      if (call.deadline != never && happens(0.3)) continue;  // the hub does not answer in time
      call.answered = now_ + between(5 * microsecond, happens(0.1) ? 40 * millisecond : 200 * microsecond);
      if (leader_ != nobody && lead_.asleep())
        plan(call.answered - now_ + lag(), {act::wakes, leader_, threads_[leader_].turn});
    }
  }

  time_point next_deadline() const {
    auto due = never;
    for (auto const& call : calls_)
      if (!call.done) due = std::min(due, call.deadline);
    return due;
  }
  time_point next_answer() const {
    auto due = never;
    for (auto const& call : calls_)
      if (!call.done) due = std::min(due, call.answered);
    return due;
  }

  // --- what must be

  void look_round() {
    for (std::uint32_t i = 0; i < calls_.size(); ++i) {
      auto const& call = calls_[i];
      if (call.done) continue;
      if (!call.sent && now_ > call.unsent_since + patience) violated("a call is not sent");
      if (call.how == waits::not_at_all) continue;
      if (std::min(call.answered, call.deadline) < now_ - patience) violated("nobody takes a result");
    }
    for (std::uint32_t i = 0; i + 1 < threads_.size(); ++i) {
      auto const forgotten = threads_[i].now_in == stage::follows && calls_[i].done;
      if (forgotten && now_ > calls_[i].ended + patience)
        violated("a thread is not told that its call has ended");
    }
    plan(millisecond, {act::watch, 0, 0});
  }

  options const& what_;
  random_source random_;
  report seen_;
  time_point now_ = second;
  double throws_ = 0;
  bool has_loop_ = false;
  schedule<moment> schedule_;
  leadership lead_;
  std::vector<thread> threads_;  // callers, then the housekeeper
  std::vector<promised> calls_;  // one a thread
  std::vector<std::uint32_t> followers_;
  std::uint32_t leader_ = nobody;  // asleep in the poller
  bool rung_ = false;
};

}  // namespace

report simulate_crowd(options const& what) { return crowd(what).run(); }

}  // namespace yonder::core::simulation
