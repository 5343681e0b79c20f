// SPDX-License-Identifier: Apache-2.0
#include "src/core/schedule_table.hpp"

#include <algorithm>
#include <utility>

namespace yonder::core {
namespace {

constexpr duration second_length = 1'000'000'000;
constexpr duration small_correction = 3 * 3600 * second_length;

std::int64_t seconds_of(std::int64_t nanoseconds) noexcept {
  return nanoseconds / second_length - (nanoseconds % second_length < 0 ? 1 : 0);
}

}  // namespace

// The first time behind `after`, which is not before it was due, on the schedule's own clock.
std::int64_t schedule_table::next_of(entry const& one, std::int64_t after) {
  if (auto const* const period = std::get_if<duration>(&one.spec.times))
    return one.due == never ? after + *period : one.due + ((after - one.due) / *period + 1) * *period;
  auto const next = std::get<cron_times>(one.spec.times).next(seconds_of(after), one.spec.zone);
  return next ? *next * second_length : never;
}

void schedule_table::plan(entry& one, std::int64_t after, clock_reading const& clocks) {
  one.ahead = clocks.utc - clocks.now;
  one.late = static_cast<duration>(random_.below(static_cast<std::uint64_t>(one.spec.jitter) + 1));
  one.due = next_of(one, after);
}

std::uint64_t schedule_table::add(schedule_spec spec, clock_reading const& clocks) {
  add(++last_, std::move(spec), clocks);
  return last_;
}

void schedule_table::add(std::uint64_t id, schedule_spec spec, clock_reading const& clocks) {
  auto& added = entries_[id];
  added.spec = std::move(spec);
  plan(added, added.of(clocks), clocks);
}

// A wall clock that has been put far back meanwhile was wrong.
void schedule_table::restore(std::uint64_t id, schedule_spec spec, schedule_state const& state,
                             clock_reading const& clocks) {
  auto& one = entries_[id];
  one.spec = std::move(spec);
  one.paused = state.paused;
  one.runs = state.runs;
  one.skipped = state.skipped;
  one.owed = std::min(state.owed, most_owed);
  one.ahead = clocks.utc - clocks.now;
  one.late = std::clamp<duration>(state.late, 0, one.spec.jitter);
  if (state.due == never) return;
  if (auto const* const period = std::get_if<duration>(&one.spec.times))
    one.due = clocks.now + std::min(state.due - clocks.utc, *period);
  else if (state.said - clocks.utc > small_correction)
    plan(one, clocks.utc, clocks);
  else
    one.due = state.due;
}

void schedule_table::change(std::uint64_t id, schedule_spec spec, bool same_times,
                            clock_reading const& clocks) {
  auto& one = entries_.at(id);
  one.spec = std::move(spec);
  one.late = std::min(one.late, one.spec.jitter);
  if (same_times) return;
  one.due = never;
  plan(one, one.of(clocks), clocks);
}

schedule_state schedule_table::state_of(std::uint64_t id, clock_reading const& clocks) const {
  auto const& one = entries_.at(id);
  auto const ahead = one.by_wall() ? 0 : clocks.utc - clocks.now;
  return {one.paused, one.runs,  one.skipped, one.owed, one.due == never ? never : one.due + ahead,
          one.late,   clocks.utc};
}

bool schedule_table::remove(std::uint64_t id) { return entries_.erase(id) != 0; }

bool schedule_table::pause(std::uint64_t id) {
  auto const found = entries_.find(id);
  if (found == entries_.end()) return false;
  found->second.paused = true;
  found->second.owed = 0;
  return true;
}

// What was due meanwhile is not made up for.
bool schedule_table::resume(std::uint64_t id, clock_reading const& clocks) {
  auto const found = entries_.find(id);
  if (found == entries_.end()) return false;
  auto& one = found->second;
  if (!std::exchange(one.paused, false)) return true;
  if (one.due <= one.of(clocks)) plan(one, one.of(clocks), clocks);
  return true;
}

bool schedule_table::fire(std::uint64_t id, ids& due) {
  auto const found = entries_.find(id);
  if (found == entries_.end()) return false;
  begin(id, found->second, due);
  return true;
}

void schedule_table::begin(std::uint64_t id, entry& one, ids& due) {
  if (may_begin(one)) {
    ++one.running;
    ++one.runs;
    due.push_back(id);
  } else if (one.spec.overlap == overlap_policy::wait && one.owed == 0) {
    one.owed = 1;
  } else {
    ++one.skipped;
  }
}

// The times from when it was due up to `at`; more than most_owed are counted as one more than that.
std::uint64_t schedule_table::count_due(entry const& one, std::int64_t at) {
  if (auto const* const period = std::get_if<duration>(&one.spec.times))
    return static_cast<std::uint64_t>((at - one.due) / *period + 1);
  std::uint64_t count = 0;
  for (auto due = one.due; due <= at && count <= most_owed; due = next_of(one, due)) ++count;
  return count;
}

// Whether the last of them was a moment ago.
bool schedule_table::is_fresh(entry const& one, std::int64_t at) {
  auto const since = at - fresh;
  if (one.due >= since) return true;
  if (auto const* const period = std::get_if<duration>(&one.spec.times))
    return (at - one.due) % *period <= fresh;
  return next_of(one, since - 1) <= at;
}

// Several are due, or one that nobody was there for.
void schedule_table::begin_missed(std::uint64_t id, entry& one, std::int64_t at, ids& due) {
  if (one.spec.missed == missed_policy::once) return begin(id, one, due);
  auto const count = count_due(one, at);
  if (one.spec.missed == missed_policy::skip) {
    auto const runs = is_fresh(one, at);
    one.skipped += count - (runs ? 1 : 0);
    if (runs) begin(id, one, due);
    return;
  }
  auto const runs = std::min(count, most_owed - std::min(most_owed, one.owed));
  one.skipped += count - runs;
  for (std::uint64_t i = 0; i < runs; ++i)
    if (may_begin(one))
      begin(id, one, due);
    else
      ++one.owed;
}

void schedule_table::step(clock_reading const& clocks, ids& due, ids* passed) {
  for (auto& [id, one] : entries_) {
    // A clock that was far ahead was wrong.
    if (one.by_wall() && one.ahead - (clocks.utc - clocks.now) > small_correction)
      plan(one, clocks.utc, clocks);
    if (one.due == never || one.due + one.late > one.of(clocks)) continue;
    if (passed != nullptr) passed->push_back(id);
    auto const at = one.of(clocks);
    auto const is_missed = at - one.due - one.late > fresh || next_of(one, one.due) <= at;
    if (!one.paused && is_missed) begin_missed(id, one, at, due);
    if (!one.paused && !is_missed) begin(id, one, due);
    plan(one, at, clocks);
  }
}

void schedule_table::withdraw(std::uint64_t id) {
  auto& one = entries_.at(id);
  --one.running;
  --one.runs;
}

void schedule_table::ended(std::uint64_t id, ids& due) {
  auto const found = entries_.find(id);
  if (found == entries_.end()) return;
  if (found->second.running != 0) --found->second.running;
  begin_owed(id, due);
}

void schedule_table::begin_owed(std::uint64_t id, ids& due) {
  for (auto& one = entries_.at(id); one.owed != 0 && may_begin(one);) {
    --one.owed;
    begin(id, one, due);
  }
}

time_point schedule_table::due_at(entry const& one, clock_reading const& clocks) noexcept {
  if (one.due == never) return never;
  return clocks.now + std::max<std::int64_t>(one.due + one.late - one.of(clocks), 0);
}

time_point schedule_table::next(clock_reading const& clocks) const noexcept {
  auto first = never;
  for (auto const& [id, one] : entries_) first = std::min(first, due_at(one, clocks));
  return first;
}

std::vector<schedule_row> schedule_table::rows(clock_reading const& clocks) const {
  std::vector<schedule_row> all;
  for (auto const& [id, one] : entries_) {
    schedule_row row{.id = id,
                     .name = one.spec.name,
                     .when = one.spec.when,
                     .paused = one.paused,
                     .running = one.running,
                     .runs = one.runs,
                     .skipped = one.skipped,
                     .next = std::nullopt};
    if (auto const at = due_at(one, clocks); at != never && !one.paused)
      row.next = clocks.utc + (at - clocks.now);
    all.push_back(std::move(row));
  }
  return all;
}

}  // namespace yonder::core
