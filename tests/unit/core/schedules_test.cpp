// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <random>
#include <stdexcept>
#include <string>

#include "src/core/cron.hpp"
#include "src/core/schedule_table.hpp"

namespace {

using namespace yonder::core;

constexpr std::int64_t second_length = 1'000'000'000, hour = 3600;

utc_seconds utc(std::int64_t year, unsigned month, unsigned day, int hours = 0, int minutes = 0) {
  return days_of({year, month, day}) * 24 * hour + hours * hour + minutes * 60;
}

// Germany in 2027: summer from the 28th of March, 01:00 UTC, to the 31st of October, 01:00 UTC.
time_zone berlin() { return {3600, {{utc(2027, 3, 28, 1), 7200}, {utc(2027, 10, 31, 1), 3600}}}; }

utc_seconds next(std::string_view line, utc_seconds after, time_zone const& zone = {}) {
  return cron_times(line).next(after, zone).value_or(-1);
}

std::string refusal(std::string_view line) {
  try {
    cron_times const read(line);
  } catch (std::invalid_argument const& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("days and dates are each other's") {
  CHECK(days_of({1970, 1, 1}) == 0);
  CHECK(days_of({2000, 3, 1}) == 11'017);
  CHECK(weekday_of(0) == 4);
  CHECK(weekday_of(-1) == 3);
  for (std::int64_t day = -200'000; day < 200'000; day += 37) {
    auto const date = civil_of(day);
    CHECK(days_of(date) == day);
    CHECK((date.month >= 1 && date.month <= 12 && date.day >= 1 && date.day <= 31));
  }
}

TEST_CASE("a line of a crontab is due when its fields say") {
  auto const friday = utc(2026, 11, 27, 12);
  CHECK(next("0 7 * * 1-5", friday) == utc(2026, 11, 30, 7));
  CHECK(next("0 7 * * mon-FRI", friday) == utc(2026, 11, 30, 7));
  CHECK(next("*/15 * * * *", friday) == utc(2026, 11, 27, 12, 15));
  CHECK(next("5/20 * * * *", friday) == utc(2026, 11, 27, 12, 5));
  CHECK(next("59 23 31 12 *", friday) == utc(2026, 12, 31, 23, 59));
  CHECK(next("0 0 1,15 jan,jul *", friday) == utc(2027, 1, 1));
  CHECK(next("0 0 * * 7", friday) == utc(2026, 11, 29));
  CHECK(next("0 0 * * 0", friday) == utc(2026, 11, 29));
  CHECK(next("0 12 * * *", friday) == utc(2026, 11, 28, 12));  // behind it, not at it
  CHECK(next("0 12 * * *", friday - 1) == friday);
  CHECK(next("0 0 13 * 5", friday) == utc(2026, 12, 4));  // either day
  CHECK(next("0 0 13 * *", friday) == utc(2026, 12, 13));
}

TEST_CASE("the 29th of February comes in leap years only, and not in 2100") {
  CHECK(next("0 0 29 2 *", utc(2026, 1, 1)) == utc(2028, 2, 29));
  CHECK(next("0 0 29 2 *", utc(2096, 3, 1)) == utc(2104, 2, 29));
}

TEST_CASE("what is no line is refused in words") {
  CHECK(refusal("0 7 * *").find("it has 4 fields") != std::string::npos);
  CHECK(refusal("60 7 * * *").find("its minute is '60': there are 0 to 59") != std::string::npos);
  CHECK(refusal("0 7 * * mo").find("day of the week") != std::string::npos);
  CHECK(refusal("0 7 0 * *").find("there are 1 to 31") != std::string::npos);
  CHECK(refusal("0 9-7 * * *").find("from the lower to the higher") != std::string::npos);
  CHECK(refusal("*/0 * * * *").find("1 or more") != std::string::npos);
  CHECK(refusal("0 0 30 2 *").find("no year") != std::string::npos);
  for (auto const* const bad :
       {"", "* * * * * *", "1, * * * *", ",1 * * * *", "1,,2 * * * *", "- * * * *", "1- * * * *",
        "/2 * * * *", "999 * * * *", "-1 * * * *", "@daily", "1 * * * \xff"})
    CHECK_MESSAGE(!refusal(bad).empty(), bad);
}

TEST_CASE("a time that clocks are put forward over is due when that happens, once") {
  auto const before = utc(2027, 3, 27, 12);
  auto const change = utc(2027, 3, 28, 1);
  CHECK(next("30 2 * * *", before, berlin()) == change);
  CHECK(next("30 2 * * *", change, berlin()) == utc(2027, 3, 29, 0, 30));
  CHECK(next("0 3 * * *", before, berlin()) == change);  // three o'clock is then
  CHECK(next("30 * * * *", change - 60, berlin()) == change + 1800);
}

TEST_CASE("a time that clocks show twice is due the first time, of every hour both times") {
  auto const before = utc(2027, 10, 30, 12);
  auto const first = utc(2027, 10, 31, 0, 30);
  CHECK(next("30 2 * * *", before, berlin()) == first);
  CHECK(next("30 2 * * *", first, berlin()) == utc(2027, 11, 1, 1, 30));
  CHECK(next("30 * * * *", first, berlin()) == first + hour);
}

TEST_CASE("from one time to the next no minute is left out, whatever the line and the zone") {
  std::mt19937 random(1);
  auto const one_of = [&](auto const&... choices) {
    std::array<std::string, sizeof...(choices)> const all{choices...};
    return all[random() % all.size()];
  };
  for (int round = 0; round < 60; ++round) {
    auto const line = one_of("0", "*/7", "30", "59", "*", "1,31") + " " +
                      one_of("*", "2", "1-3", "0", "*/5", "23") + " " + one_of("*", "28", "31", "1-7") + " " +
                      one_of("*", "3,10", "*/2") + " " + one_of("*", "0", "1-5");
    time_zone const zone = one_of("b", "u") == "b" ? berlin() : time_zone(-12'600, {});
    cron_times const times(line);
    bool const of_every_hour = line.find(" * ") == line.find(' ');
    auto at = utc(2027, random() % 2 == 0 ? 3 : 10, 26);
    auto const end = at + 8 * 24 * hour;
    auto due = times.next(at, zone);
    for (at += 60; at < end; at += 60) {  // every minute, as clocks show it
      auto const local = at + zone.offset_at(at);
      auto const shows = times.next(local - 1, {}) == local;
      auto const again = zone.first_at(local) != at;
      if (due && *due == at) {
        bool const skipped_over = zone.offset_at(at - 1) < zone.offset_at(at);
        if (!shows && !skipped_over) FAIL_CHECK(line << " at " << at);
        due = times.next(at, zone);
      } else if (shows && (of_every_hour || !again)) {
        FAIL_CHECK("not " << line << " at " << at);
      }
      if (due && *due <= at) FAIL_CHECK(line << " is due before " << at);
    }
  }
}

namespace {

// A table, and the clocks of a machine that go as they are told.
class ticking_machine {
 public:
  explicit ticking_machine(std::uint64_t seed = 1) : table_(seed) {}

  std::uint64_t every(std::int64_t seconds, overlap_policy overlap = overlap_policy::allow,
                      duration jitter = 0) {
    return table_.add({"", "", duration{seconds * second_length}, {}, overlap, jitter}, clocks_);
  }
  std::uint64_t cron(std::string_view line, time_zone const& zone = {}) {
    return table_.add({"", "", cron_times(line), zone, overlap_policy::allow, 0}, clocks_);
  }
  // As a driver does: no later than it is asked for. What began.
  schedule_table::ids pass(std::int64_t seconds) { return pass_to(clocks_.now + seconds * second_length); }
  schedule_table::ids pass_to(time_point end) {
    schedule_table::ids due;
    while (true) {
      auto const next = std::min(table_.next(clocks_), end);
      clocks_.utc += next - clocks_.now;
      clocks_.now = next;
      auto const before = due.size();
      table_.step(clocks_, due);
      CHECK((next == end || due.size() > before || table_.next(clocks_) > clocks_.now));
      if (next == end) return due;
    }
  }
  // Sets the wall clock, which the driver is told of.
  schedule_table::ids set(std::int64_t forward) {
    schedule_table::ids due;
    clocks_.utc += forward * second_length;
    table_.step(clocks_, due);
    return due;
  }
  // Without a step.
  void oversleep(std::int64_t seconds) {
    clocks_.now += seconds * second_length;
    clocks_.utc += seconds * second_length;
  }
  void set_to(utc_seconds at) { clocks_.utc = at * second_length; }
  schedule_row row() const { return table_.rows(clocks_).front(); }
  clock_reading const& clocks() const { return clocks_; }
  schedule_table& table() { return table_; }

 private:
  schedule_table table_;
  clock_reading clocks_{1'000, utc(2027, 3, 1) * second_length};
};

}  // namespace

TEST_CASE("a period is counted from when the schedule was made, whatever the wall clock shows") {
  ticking_machine at;
  at.every(300);
  CHECK(at.pass(299).empty());
  CHECK(at.pass(1).size() == 1);
  CHECK(at.set(-100'000).empty());
  CHECK(at.set(1'000'000).empty());
  CHECK(at.pass(3000).size() == 10);
  CHECK(at.row().runs == 11);
}

TEST_CASE("a wall clock that is put forward over many times makes one run") {
  ticking_machine at;
  at.cron("0 * * * *");
  CHECK(at.pass(hour).size() == 1);
  CHECK(at.set(10 * hour).size() == 1);
  CHECK(at.pass(hour - 1).empty());
  CHECK(at.pass(1).size() == 1);
}

TEST_CASE("a wall clock that is put back a little makes no second run, and far back is believed") {
  ticking_machine at;
  at.cron("0 7 * * *");
  CHECK(at.pass(7 * hour).size() == 1);
  CHECK(at.set(-2 * hour).empty());
  CHECK(at.pass(3 * hour).empty());  // it is seven again
  CHECK(at.pass(23 * hour).size() == 1);
  CHECK(at.set(365 * 24 * hour).size() == 1);  // it was set wrongly
  CHECK(at.set(-365 * 24 * hour).empty());
  CHECK(at.pass(24 * hour).size() == 1);
}

TEST_CASE("both changes of the clocks in a year make one run a day") {
  ticking_machine at;
  at.set_to(utc(2027, 1, 1));
  at.cron("30 2 * * *", berlin());
  CHECK(at.pass(365 * 24 * hour).size() == 365);
}

TEST_CASE("what is due while the last run goes on is skipped, waits, or runs beside it") {
  ticking_machine at;
  auto const skips = at.every(10, overlap_policy::skip);
  CHECK(at.pass(50).size() == 1);
  CHECK(at.row().skipped == 4);
  schedule_table::ids due;
  at.table().ended(skips, due);
  CHECK(due.empty());
  CHECK(at.pass(10).size() == 1);

  ticking_machine other;
  auto const waits = other.every(10, overlap_policy::wait);
  CHECK(other.pass(50).size() == 1);
  CHECK(other.row().skipped == 3);
  other.table().ended(waits, due);
  CHECK(due == schedule_table::ids{waits});
  CHECK(other.row().running == 1);

  ticking_machine third;
  third.every(10, overlap_policy::allow);
  CHECK(third.pass(50).size() == 5);
  CHECK(third.row().running == 5);
}

TEST_CASE("a run that is taken back does not count, and the next one begins") {
  ticking_machine at;
  auto const id = at.every(10);
  CHECK(at.pass(10).size() == 1);
  at.table().withdraw(id);
  CHECK(at.row().runs == 0);
  CHECK(at.row().running == 0);
  CHECK(at.pass(10).size() == 1);
  CHECK(at.row().skipped == 0);
}

TEST_CASE("a paused schedule makes no runs but by hand, and goes on without those it missed") {
  ticking_machine at;
  auto const id = at.every(10);
  CHECK(at.table().pause(id));
  CHECK(at.pass(100).empty());
  CHECK_FALSE(at.row().next);
  schedule_table::ids due;
  CHECK(at.table().fire(id, due));
  CHECK(due.size() == 1);
  CHECK(at.table().resume(id, at.clocks()));
  CHECK(at.pass(9).empty());
  CHECK(at.pass(1).size() == 1);
  CHECK(at.table().pause(id));
  at.oversleep(25);
  CHECK(at.table().resume(id, at.clocks()));
  CHECK(at.pass(4).empty());
  CHECK(at.pass(1).size() == 1);
  CHECK(at.table().remove(id));
  CHECK_FALSE(at.table().fire(id, due));
  CHECK_FALSE(at.table().pause(id));
  CHECK_FALSE(at.table().resume(id, at.clocks()));
  CHECK(at.table().next(at.clocks()) == never);
}

TEST_CASE("jitter makes each run late by up to so much, and none early, twice or lost") {
  constexpr duration jitter = 5 * second_length;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    ticking_machine at(seed);
    at.every(10, overlap_policy::allow, jitter);
    duration most = 0;
    for (int run = 1; run <= 50; ++run) {
      auto const due = 1'000 + run * 10 * second_length;
      auto const begins = at.table().next(at.clocks());
      CHECK((begins >= due && begins <= due + jitter));
      most = std::max(most, begins - due);
      CHECK(at.pass_to(begins - 1).empty());
      CHECK(at.pass_to(begins).size() == 1);
    }
    CHECK(most > jitter / 2);
  }
}

TEST_CASE("times that nobody was there for are run once, skipped unless they are fresh, or run each") {
  auto const add = [](ticking_machine& at, missed_policy missed, overlap_policy overlap) {
    return at.table().add({"", "", duration{60 * second_length}, {}, overlap, 0, missed}, at.clocks());
  };
  auto const begun = [](ticking_machine& at) {
    schedule_table::ids due;
    at.table().step(at.clocks(), due);
    return due.size();
  };
  ticking_machine once, skips, fresh, all, one_by_one;
  for (auto* const at : {&once, &skips, &fresh, &all, &one_by_one}) {
    add(*at,
        at == &once                    ? missed_policy::once
        : at == &skips || at == &fresh ? missed_policy::skip
                                       : missed_policy::all,
        at == &all ? overlap_policy::allow : overlap_policy::skip);
    at->oversleep(at == &fresh ? 185 : 200);
  }
  CHECK(begun(once) == 1);
  CHECK(begun(skips) == 0);
  CHECK(skips.row().skipped == 3);
  CHECK(begun(fresh) == 1);
  CHECK(fresh.row().skipped == 2);
  CHECK(begun(all) == 3);
  CHECK(begun(one_by_one) == 1);
  for (unsigned runs = 1; runs <= 3; ++runs) {
    CHECK(one_by_one.row().runs == runs);
    schedule_table::ids due;
    one_by_one.table().ended(1, due);
    CHECK(due.size() == (runs < 3 ? 1U : 0U));
  }
  all.oversleep(60 * 5000);
  CHECK(begun(all) == schedule_table::most_running - 3);
  CHECK(all.row().skipped == 5000 - schedule_table::most_owed);

  ticking_machine daily;
  daily.table().add({"", "", cron_times("0 7 * * *"), {}, overlap_policy::allow, 0, missed_policy::all},
                    daily.clocks());
  daily.oversleep(72 * hour);
  CHECK(begun(daily) == 3);
}

TEST_CASE("what is known of a schedule goes on in another table, whose clocks began anew") {
  ticking_machine before, after;
  auto const id = before.every(300);
  before.pass(700);
  before.table().pause(id);
  auto const state = before.table().state_of(id, before.clocks());
  CHECK(state.runs == 2);
  clock_reading later{77, before.clocks().utc + 50 * second_length};
  auto const spec = [] {
    return schedule_spec{"", "", duration{300 * second_length}, {}, overlap_policy::skip};
  };
  schedule_table table(1);
  table.restore(9, spec(), state, later);
  CHECK(table.rows(later).front().paused);
  CHECK(table.rows(later).front().runs == 2);
  CHECK(table.next(later) == later.now + 150 * second_length);
  later.utc -= 1'000'000 * second_length;  // it was set wrongly: no period is longer than it is
  table.restore(10, spec(), state, later);
  schedule_table::ids due;
  CHECK(table.resume(10, later));
  later.now += 300 * second_length;
  table.step(later, due);
  CHECK(due == schedule_table::ids{10});
}
