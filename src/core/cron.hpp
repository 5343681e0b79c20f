// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bitset>
#include <optional>
#include <string>
#include <string_view>

#include "src/core/time_zone.hpp"

namespace yonder::core {

// When a line of a crontab is due (POSIX crontab, with the ranges, steps and names of Vixie's): minute, hour,
// day of the month, month, day of the week. Where both days are limited, either will do.
class cron_times {
 public:
  // Throws std::invalid_argument, in words, for what is no such line or is never due, as on the 30th of
  // February.
  explicit cron_times(std::string_view line);

  // The first time after `after`. A line for some hours is due once a day at each of its times: one that
  // clocks are put forward over when that happens, one that they show twice the first time. A line for every
  // hour goes by what clocks show. Nothing: the calendar has no such day any more (within 40 years).
  std::optional<utc_seconds> next(utc_seconds after, time_zone const& zone) const;

 private:
  bool is_due_on(std::int64_t day) const noexcept;
  std::optional<utc_seconds> next_of_some_hours(utc_seconds after, time_zone const& zone) const;
  std::optional<utc_seconds> next_of_every_hour(utc_seconds after, time_zone const& zone) const;

  std::bitset<60> minutes_;
  std::bitset<24> hours_;
  std::bitset<32> days_;
  std::bitset<13> months_;
  std::bitset<7> weekdays_;
  bool any_day_ = false;  // of the month
  bool any_weekday_ = false;
};

}  // namespace yonder::core
