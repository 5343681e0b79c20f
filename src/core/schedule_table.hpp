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

struct schedule_spec {
  std::string name;
  std::string when;                          // in words
  std::variant<duration, cron_times> times;  // a period of time that passes, or what clocks show
  time_zone zone;                            // of these clocks
  overlap_policy overlap = overlap_policy::skip;
  duration jitter = 0;  // each run is late by up to so much
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

// When calls that are repeated are made. Does nothing itself: each step says whose runs are to begin.
//
// A period is counted on the monotonic clock, from when the schedule was made. What a wall clock shows is
// looked at at every step: however far it was put forward, or the machine slept, what became due meanwhile
// runs once; where it is put back by three hours at most nothing runs again, and by more the schedule goes by
// what it shows from then on.
class schedule_table {
 public:
  using ids = std::vector<std::uint64_t>;

  // `seed`: of the jitter.
  explicit schedule_table(std::uint64_t seed) : random_(seed) {}

  std::uint64_t add(schedule_spec spec, clock_reading const& clocks);
  // False, here and below: there is no such schedule.
  bool remove(std::uint64_t id);
  bool pause(std::uint64_t id);
  bool resume(std::uint64_t id, clock_reading const& clocks);
  // By hand, also where it is paused: appends its id to `due` unless its policy forbids it.
  bool fire(std::uint64_t id, ids& due);

  // Appends those whose runs begin now.
  void step(clock_reading const& clocks, ids& due);
  // A run of it that was to begin did not, and does not count.
  void withdraw(std::uint64_t id);
  // A run of it has ended.
  void ended(std::uint64_t id, ids& due);

  // When step() is to be called at the latest, on the monotonic clock, unless the other one is set before.
  time_point next(clock_reading const& clocks) const noexcept;
  std::vector<schedule_row> rows(clock_reading const& clocks) const;

 private:
  struct entry {
    schedule_spec spec;
    bool paused = false;
    bool waits = false;  // a run, for the end of the one before
    unsigned running = 0;
    std::uint64_t runs = 0, skipped = 0;
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
  static time_point due_at(entry const& one, clock_reading const& clocks) noexcept;

  random_source random_;
  std::uint64_t last_ = 0;
  std::map<std::uint64_t, entry> entries_;
};

}  // namespace yonder::core
