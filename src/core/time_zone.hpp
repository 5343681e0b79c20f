// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

namespace yonder::core {

// Seconds since 1970 of UTC, without leap seconds.
using utc_seconds = std::int64_t;

// What the clocks of a place show, as far as its rules are known.
class time_zone {
 public:
  struct transition {
    utc_seconds at;
    std::int32_t offset;  // seconds east of UTC, from then on
  };

  time_zone() = default;  // UTC
  // `transitions`: in order.
  time_zone(std::int32_t first_offset, std::vector<transition> transitions)
      : first_(first_offset), transitions_(std::move(transitions)) {}

  std::int32_t first_offset() const noexcept { return first_; }
  std::vector<transition> const& transitions() const noexcept { return transitions_; }

  std::int32_t offset_at(utc_seconds at) const noexcept;
  // The first one after `at`; the largest number: there is none.
  utc_seconds next_transition(utc_seconds at) const noexcept;
  // When clocks show `local` (as if it were of UTC): for the first time, where they are put back over it;
  // where they are put forward over it, when that happens.
  utc_seconds first_at(std::int64_t local) const noexcept;

 private:
  std::int32_t first_ = 0;
  std::vector<transition> transitions_;
};

// A day of the proleptic Gregorian calendar.
struct civil_day {
  std::int64_t year;
  unsigned month;  // from 1
  unsigned day;    // from 1
};
// Days since 1970. After Hinnant, "chrono-Compatible Low-Level Date Algorithms".
std::int64_t days_of(civil_day const& day) noexcept;
civil_day civil_of(std::int64_t days) noexcept;
unsigned weekday_of(std::int64_t days) noexcept;  // 0: Sunday

}  // namespace yonder::core
