// SPDX-License-Identifier: Apache-2.0
#include "src/core/time_zone.hpp"

#include <algorithm>
#include <limits>

namespace yonder::core {
namespace {

bool is_later(utc_seconds at, time_zone::transition const& one) noexcept { return at < one.at; }

}  // namespace

std::int32_t time_zone::offset_at(utc_seconds at) const noexcept {
  auto const next = std::upper_bound(transitions_.begin(), transitions_.end(), at, is_later);
  return next == transitions_.begin() ? first_ : std::prev(next)->offset;
}

utc_seconds time_zone::next_transition(utc_seconds at) const noexcept {
  auto const next = std::upper_bound(transitions_.begin(), transitions_.end(), at, is_later);
  return next == transitions_.end() ? std::numeric_limits<utc_seconds>::max() : next->at;
}

// The clocks of a place are within a day of UTC's, so that all that matters begins within a day before.
utc_seconds time_zone::first_at(std::int64_t local) const noexcept {
  constexpr std::int64_t day = 24 * 3600;
  auto offset = offset_at(local - day);
  for (auto at = next_transition(local - day); at <= local + day; at = next_transition(at)) {
    if (local - offset < at) return local - offset;  // shown before it
    offset = offset_at(at);
    if (local - offset < at) return at;  // never shown: it is put forward over it
  }
  return local - offset;
}

std::int64_t days_of(civil_day const& of) noexcept {
  auto const year = of.year - (of.month <= 2 ? 1 : 0);
  auto const era = (year >= 0 ? year : year - 399) / 400;
  auto const year_of_era = year - era * 400;
  std::int64_t const month = of.month > 2 ? of.month - 3 : of.month + 9;
  auto const day_of_year = (153 * month + 2) / 5 + of.day - 1;
  auto const day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146'097 + day_of_era - 719'468;
}

civil_day civil_of(std::int64_t days) noexcept {
  days += 719'468;
  auto const era = (days >= 0 ? days : days - 146'096) / 146'097;
  auto const day_of_era = days - era * 146'097;
  auto const year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36'524 - day_of_era / 146'096) / 365;
  auto const day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  auto const month = (5 * day_of_year + 2) / 153;
  auto const day = static_cast<unsigned>(day_of_year - (153 * month + 2) / 5 + 1);
  auto const civil_month = static_cast<unsigned>(month < 10 ? month + 3 : month - 9);
  return {year_of_era + era * 400 + (civil_month <= 2 ? 1 : 0), civil_month, day};
}

unsigned weekday_of(std::int64_t days) noexcept {
  auto const since_sunday = (days + 4) % 7;  // 1970 began on a Thursday
  return static_cast<unsigned>(since_sunday < 0 ? since_sunday + 7 : since_sunday);
}

}  // namespace yonder::core
