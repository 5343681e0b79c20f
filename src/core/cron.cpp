// SPDX-License-Identifier: Apache-2.0
#include "src/core/cron.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <stdexcept>
#include <vector>

namespace yonder::core {
namespace {

constexpr std::int64_t minute = 60, day_length = 24 * 3600;
constexpr std::int64_t furthest = 40 * 366;  // days: the 29th of February of a Monday, over 2100

constexpr std::array<std::string_view, 12> month_names{"jan", "feb", "mar", "apr", "may", "jun",
                                                       "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::array<std::string_view, 7> weekday_names{"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

// One of the five fields.
struct cron_field {
  std::string_view title;
  unsigned least, most;
  std::span<std::string_view const> names{};  // of the values from `least` on
};
constexpr std::array<cron_field, 5> cron_fields{{{"minute", 0, 59},
                                                 {"hour", 0, 23},
                                                 {"day of the month", 1, 31},
                                                 {"month", 1, 12, month_names},
                                                 {"day of the week", 0, 7, weekday_names}}};

[[noreturn]] void refuse(std::string_view line, std::string const& why) {
  throw std::invalid_argument("'" + std::string(line) + "' is no time of a schedule: " + why +
                              "; it has minute, hour, day of the month, month and day of the week, as in "
                              "\"0 7 * * 1-5\"");
}

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }

// Reads one field of a line.
class cron_field_reader {
 public:
  cron_field_reader(std::string_view line, cron_field const& of, std::string_view text)
      : line_(line), of_(of), text_(text) {}

  std::uint64_t bits() {
    std::uint64_t all = 0;
    for (auto rest = text_; !rest.empty();) {
      auto const comma = rest.find(',');
      all |= bits_of(rest.substr(0, comma));
      if (comma != rest.npos && comma + 1 == rest.size()) fail("it ends in a comma");
      rest.remove_prefix(comma == rest.npos ? rest.size() : comma + 1);
    }
    return all;
  }

 private:
  [[noreturn]] void fail(std::string const& why) const {
    refuse(line_, "its " + std::string(of_.title) + " is '" + std::string(text_) + "': " + why);
  }

  std::uint64_t bits_of(std::string_view part) const {
    auto const slash = part.find('/');
    auto const range = part.substr(0, slash);
    auto const dash = range.find('-');
    bool const is_all = range == "*";
    auto const first = is_all ? of_.least : value(range.substr(0, dash));
    auto const last = is_all               ? of_.most
                      : dash != range.npos ? value(range.substr(dash + 1))
                      : slash != part.npos ? of_.most
                                           : first;
    if (last < first) fail("a range goes from the lower to the higher");
    auto const step = slash == part.npos ? 1 : number(part.substr(slash + 1));
    if (step == 0) fail("a step is 1 or more");
    std::uint64_t bits = 0;
    for (auto at = first; at <= last; at += step) bits |= std::uint64_t{1} << at;
    return bits;
  }

  unsigned number(std::string_view text) const {
    unsigned read = 0;
    if (text.empty() || text.size() > 2) fail("there is no number of one or two digits");
    for (char const c : text) {
      if (c < '0' || c > '9') fail("'" + std::string(text) + "' is no number");
      read = read * 10 + static_cast<unsigned>(c - '0');
    }
    return read;
  }

  unsigned value(std::string_view text) const {
    auto const is_called = [text](std::string_view name) {
      return std::equal(text.begin(), text.end(), name.begin(), name.end(),
                        [](char a, char b) { return lower(a) == b; });
    };
    auto const name = std::find_if(of_.names.begin(), of_.names.end(), is_called);
    if (name != of_.names.end()) return of_.least + static_cast<unsigned>(name - of_.names.begin());
    auto const read = number(text);
    if (read < of_.least || read > of_.most)
      fail("there are " + std::to_string(of_.least) + " to " + std::to_string(of_.most));
    return read;
  }

  std::string_view line_;
  cron_field const& of_;
  std::string_view text_;
};

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  for (std::size_t at = 0; (at = line.find_first_not_of(" \t", at)) != line.npos;) {
    auto const end = std::min(line.find_first_of(" \t", at), line.size());
    words.push_back(line.substr(at, end - at));
    at = end;
  }
  return words;
}

std::int64_t floor_div(std::int64_t a, std::int64_t b) { return a / b - (a % b < 0 ? 1 : 0); }

}  // namespace

cron_times::cron_times(std::string_view line) {
  auto const words = words_of(line);
  if (words.size() != cron_fields.size()) refuse(line, "it has " + std::to_string(words.size()) + " fields");
  std::array<std::uint64_t, cron_fields.size()> bits{};
  for (std::size_t i = 0; i < bits.size(); ++i)
    bits[i] = cron_field_reader(line, cron_fields[i], words[i]).bits();
  minutes_ = bits[0];
  hours_ = bits[1];
  days_ = bits[2];
  months_ = bits[3];
  weekdays_ = bits[4] | bits[4] >> 7U;  // 7 is Sunday, too
  any_day_ = words[2].starts_with('*');
  any_weekday_ = words[4].starts_with('*');
  if (!next(0, {})) refuse(line, "no year has such a day");
}

bool cron_times::is_due_on(std::int64_t day) const noexcept {
  auto const date = civil_of(day);
  if (!months_[date.month]) return false;
  bool const by_day = days_[date.day], by_weekday = weekdays_[weekday_of(day)];
  return any_day_ || any_weekday_ ? by_day && by_weekday : by_day || by_weekday;
}

std::optional<utc_seconds> cron_times::next(utc_seconds after, time_zone const& zone) const {
  return hours_.all() ? next_of_every_hour(after, zone) : next_of_some_hours(after, zone);
}

// What clocks show for the first time goes on as time does.
std::optional<utc_seconds> cron_times::next_of_some_hours(utc_seconds after, time_zone const& zone) const {
  auto const today = floor_div(after + zone.offset_at(after), day_length);
  for (auto day = today - 1; day <= today + furthest; ++day) {
    if (!is_due_on(day)) continue;
    for (unsigned hour = 0; hour < hours_.size(); ++hour) {
      if (!hours_[hour]) continue;
      for (unsigned at = 0; at < minutes_.size(); ++at) {
        if (!minutes_[at]) continue;
        auto const due = zone.first_at(day * day_length + hour * 3600 + at * minute);
        if (due > after) return due;
      }
    }
  }
  return std::nullopt;
}

std::optional<utc_seconds> cron_times::next_of_every_hour(utc_seconds after, time_zone const& zone) const {
  auto const until = after + furthest * day_length;
  for (auto at = (floor_div(after, minute) + 1) * minute; at <= until;) {
    auto const local = at + zone.offset_at(at);
    auto const day = floor_div(local, day_length);
    if (!is_due_on(day)) {
      at = std::min(at + (day + 1) * day_length - local, std::max(zone.next_transition(at), at + minute));
    } else if (minutes_[static_cast<std::size_t>(floor_div(local, minute) - floor_div(local, 3600) * 60)]) {
      return at;
    } else {
      at += minute;
    }
  }
  return std::nullopt;
}

}  // namespace yonder::core
