// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <exception>

#include "src/core/mutant.hpp"
#include "src/core/types.hpp"

namespace yonder::driver {

// Who drives the sockets of a runtime: one thread at a time, the leader. Threads that wait for calls lead or
// follow; the housekeeper leads while nobody waits, and must not be woken by every call that somebody awaits.
class leadership {
 public:
  enum class leader : std::uint8_t { none, caller, housekeeper };

  // --- A thread that waits for calls: arrives, then leads or follows until it has what it waits for.
  void arrive() noexcept {
    ++callers_;
    ++activity_;
  }
  void depart() noexcept { --callers_; }
  // True: it leads from now on, until yield().
  [[nodiscard]] bool lead() noexcept {
    if (loop_ && leader_ == leader::housekeeper && asleep()) yield();
    return take(leader::caller);
  }
  // True: the one who leads is to be woken, so that the caller may lead in its place.
  [[nodiscard]] bool follow() noexcept {
    ++followers_;
    return leader_ == leader::housekeeper;
  }
  void unfollow() noexcept { --followers_; }
  [[nodiscard]] bool is_taken() const noexcept { return leader_ != leader::none; }
  // One thread waits for calls, and it leads.
  [[nodiscard]] bool led_by_only_caller() const noexcept {
    return leader_ == leader::caller && callers_ == 1;
  }
  [[nodiscard]] bool is_followed() const noexcept { return followers_ != 0; }

  // The turn is over, or it threw.
  void yield() noexcept {
    if (YONDER_MUTANT(throw_keeps_lead) && asleep()) return;
    leader_ = leader::none;
    asleep_until_ = awake;
  }

  // Who is to be told that nobody leads.
  enum class successor : std::uint8_t { nobody, follower, housekeeper };
  [[nodiscard]] successor next_leader() const noexcept;

  // --- The sleep of the leader.
  void fall_asleep(core::time_point until) noexcept { asleep_until_ = until > awake ? until : awake + 1; }
  void wake_up() noexcept { asleep_until_ = awake; }
  [[nodiscard]] bool asleep() const noexcept { return asleep_until_ != awake; }
  // After a step of another thread: whether the leader must be woken, because something can be read
  // (`pending`) or is due before it wakes by itself.
  [[nodiscard]] bool must_wake(bool pending, core::time_point next_deadline) const noexcept {
    return asleep() && !YONDER_MUTANT(wake_forgotten) && (pending || next_deadline < asleep_until_);
  }

  // --- A call of somebody who may work before he waits for it, and will then send what has gathered.
  // True: the housekeeper sleeps, and is to be woken: it sends, and makes way for whoever comes.
  [[nodiscard]] bool left_unsent() noexcept {
    ++activity_;
    return leader_ == leader::housekeeper && asleep() && !YONDER_MUTANT(gathered_left_unsent);
  }

  // --- A step that threw, of the thread that leads or of another: what it was to send may lie there still.
  // True: the poller is to be rung, so that whoever sleeps, or the next one who would, makes a turn first.
  [[nodiscard]] static bool must_ring_after_throw() noexcept { return !YONDER_MUTANT(throw_leaves_unsent); }

  // --- Calls that coroutines wait for: nobody else leads for these.
  void await(std::size_t calls) noexcept { awaited_ += calls; }
  void no_longer_await(std::size_t calls) noexcept { awaited_ -= calls; }

  // --- The housekeeper.
  struct chore {
    enum class kind : std::uint8_t { lead, pause, end } what{};
    core::duration pause = 0;
  };
  [[nodiscard]] chore housekeep() noexcept;

  // --- A loop of the program's own in place of the housekeeper. It sleeps where nothing of ours runs, on a
  // thread that may wait for a call meanwhile: so whoever waits takes the lead from it as it sleeps, and
  // tells it when nobody leads any more.
  void led_by_loop() noexcept { loop_ = true; }
  // The loop is awake. True: it leads, until it yields or falls asleep. False: a caller does; the loop waits
  // until it is told.
  [[nodiscard]] bool drive() noexcept {
    if (leader_ == leader::housekeeper && asleep()) yield();
    return !ending_ && take(leader::housekeeper);
  }

  // --- The end: callers are woken and leave.
  void end() noexcept { ending_ = true; }
  [[nodiscard]] bool ending() const noexcept { return ending_; }
  [[nodiscard]] bool deserted() const noexcept { return callers_ == 0; }

  static constexpr core::duration shortest_pause = core::millisecond;
  static constexpr core::duration longest_pause = 16 * core::millisecond;

 private:
  static constexpr core::time_point awake = 0;
  bool take(leader who) noexcept {
    if (leader_ != leader::none) return false;
    leader_ = who;
    return true;
  }

  leader leader_ = leader::none;
  core::time_point asleep_until_ = awake;
  std::size_t callers_ = 0;
  std::size_t followers_ = 0;
  std::size_t awaited_ = 0;
  std::uint64_t activity_ = 0;  // counts waits: tells the housekeeper that callers come and go
  std::uint64_t seen_ = 0;      // of it, by the housekeeper
  core::duration pause_ = shortest_pause;
  bool ending_ = false;
  bool loop_ = false;
};

// What follows a throw in a turn: a pause and another turn, or, when none of several succeeds, the end.
class mishaps {
 public:
  void succeeded() noexcept { in_a_row_ = 0; }
  // For how long to pause; `core::never`: give up, as at once where a core can be relied on no longer.
  [[nodiscard]] core::duration failed(std::exception const& error) noexcept;

  static constexpr int most_in_a_row = 10;

 private:
  int in_a_row_ = 0;
};

}  // namespace yonder::driver
