// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "src/core/cron.hpp"
#include "src/core/time_zone.hpp"
#include "src/core/types.hpp"

namespace yonder::core {

// What is done where a schedule is due and its last run has not ended.
enum class overlap_policy : std::uint8_t {
  skip,  // nothing
  wait,  // it runs when that one has ended, once
  allow  // it runs beside it
};

// What is done about times at which nobody was there: the hub was away, the machine slept, its clock was put
// forward.
enum class missed_policy : std::uint8_t {
  once,  // one run for all of them
  skip,  // nothing, unless it is less than schedule_table::fresh ago
  all    // a run for each, one after the other unless they may overlap
};

struct schedule_spec {
  std::string name;
  std::string when;                          // in words
  std::variant<duration, cron_times> times;  // a period of time that passes, or what clocks show
  time_zone zone;                            // of these clocks
  overlap_policy overlap = overlap_policy::skip;
  duration jitter = 0;  // each run is late by up to so much
  missed_policy missed = missed_policy::once;
};

// The two clocks of a step.
struct clock_reading {
  time_point now = 0;    // monotonic
  std::int64_t utc = 0;  // nanoseconds since 1970; may be set, forward and back
};

struct schedule_row {
  std::uint64_t id = 0;
  std::string name;
  std::string when;
  bool paused = false;
  unsigned running = 0;
  std::uint64_t runs = 0;            // that have begun
  std::uint64_t skipped = 0;         // times at which none did
  std::optional<std::int64_t> next;  // UTC, nanoseconds since 1970; nothing: it is paused, or never due again
};

// What is known of a schedule beside its terms, as it can be kept where no clock goes on.
struct schedule_state {
  bool paused = false;
  std::uint64_t runs = 0, skipped = 0, owed = 0;
  std::int64_t due = never;  // UTC, without its jitter
  duration late = 0;
  std::int64_t said = 0;  // when that was so, UTC
  friend bool operator==(schedule_state const&, schedule_state const&) = default;
};

// When calls that are repeated are made. Does nothing itself: each step says whose runs are to begin.
//
// A period is counted on the monotonic clock, from when the schedule was made. What a wall clock shows is
// looked at at every step: however far it was put forward, or the machine slept, what became due meanwhile
// runs as missed_policy says; where it is put back by three hours at most nothing runs again, and by more the
// schedule goes by what it shows from then on.
class schedule_table {
 public:
  using ids = std::vector<std::uint64_t>;
  static constexpr duration fresh = 10 * second;    // ago, a time has not been missed
  static constexpr std::uint64_t most_owed = 1000;  // runs of one schedule, and as many
  static constexpr unsigned most_running = 1000;    // that go on; further ones are skipped

  // `seed`: of the jitter.
  explicit schedule_table(std::uint64_t seed) : random_(seed) {}

  std::uint64_t add(schedule_spec spec, clock_reading const& clocks);
  // Under an id that is free. `state`: as state_of() gave it, of a table that is gone; its runs that go on
  // are begun() again.
  void add(std::uint64_t id, schedule_spec spec, clock_reading const& clocks);
  void restore(std::uint64_t id, schedule_spec spec, schedule_state const& state,
               clock_reading const& clocks);
  // The same one from now on with these terms. `same_times`: it is due when it would have been.
  void change(std::uint64_t id, schedule_spec spec, bool same_times, clock_reading const& clocks);
  schedule_state state_of(std::uint64_t id, clock_reading const& clocks) const;
  // False, here and below: there is no such schedule.
  bool remove(std::uint64_t id);
  bool pause(std::uint64_t id);
  bool resume(std::uint64_t id, clock_reading const& clocks);
  // By hand, also where it is paused: appends its id to `due` unless its policy forbids it.
  bool fire(std::uint64_t id, ids& due);

  // Appends those whose runs begin now, and to `passed` those that were due, whatever was made of that.
  void step(clock_reading const& clocks, ids& due, ids* passed = nullptr);
  // A run of it that was to begin did not, and does not count.
  void withdraw(std::uint64_t id);
  // A run of it goes on that an earlier table had begun.
  void begun(std::uint64_t id) { ++entries_.at(id).running; }
  // Begins runs that wait, if some may begin.
  void begin_owed(std::uint64_t id, ids& due);
  // A run of it has ended.
  void ended(std::uint64_t id, ids& due);

  // When step() is to be called at the latest, on the monotonic clock, unless the other one is set before.
  time_point next(clock_reading const& clocks) const noexcept;
  std::vector<schedule_row> rows(clock_reading const& clocks) const;

 private:
  struct entry {
    schedule_spec spec;
    bool paused = false;
    unsigned running = 0;
    std::uint64_t runs = 0, skipped = 0;
    std::uint64_t owed = 0;    // runs that wait for the end of the one before
    std::int64_t due = never;  // on its own clock, without its jitter; never: not any more
    duration late = 0;         // its jitter, this time
    std::int64_t ahead = 0;    // of its wall clock, of the monotonic one, when `due` was found

    bool by_wall() const noexcept { return std::holds_alternative<cron_times>(spec.times); }
    std::int64_t of(clock_reading const& clocks) const noexcept {
      return by_wall() ? clocks.utc : clocks.now;
    }
  };

  void plan(entry& one, std::int64_t after, clock_reading const& clocks);
  void begin(std::uint64_t id, entry& one, ids& due);
  void begin_missed(std::uint64_t id, entry& one, std::int64_t at, ids& due);
  static bool may_begin(entry const& one) noexcept {
    return one.running == 0 || (one.spec.overlap == overlap_policy::allow && one.running < most_running);
  }
  static std::int64_t next_of(entry const& one, std::int64_t after);
  static std::uint64_t count_due(entry const& one, std::int64_t at);
  static bool is_fresh(entry const& one, std::int64_t at);
  static time_point due_at(entry const& one, clock_reading const& clocks) noexcept;

  random_source random_;
  std::uint64_t last_ = 0;
  std::map<std::uint64_t, entry> entries_;
};

}  // namespace yonder::core
