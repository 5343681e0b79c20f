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

// The first time behind `after`, on the schedule's own clock.
void schedule_table::plan(entry& one, std::int64_t after, clock_reading const& clocks) {
  one.ahead = clocks.utc - clocks.now;
  one.late = static_cast<duration>(random_.below(static_cast<std::uint64_t>(one.spec.jitter) + 1));
  if (auto const* const period = std::get_if<duration>(&one.spec.times)) {
    one.due = one.due == never ? after + *period : one.due + ((after - one.due) / *period + 1) * *period;
    return;
  }
  auto const next = std::get<cron_times>(one.spec.times).next(seconds_of(after), one.spec.zone);
  one.due = next ? *next * second_length : never;
}

std::uint64_t schedule_table::add(schedule_spec spec, clock_reading const& clocks) {
  auto const id = ++last_;
  auto& added = entries_[id];
  added.spec = std::move(spec);
  plan(added, added.of(clocks), clocks);
  return id;
}

bool schedule_table::remove(std::uint64_t id) { return entries_.erase(id) != 0; }

bool schedule_table::pause(std::uint64_t id) {
  auto const found = entries_.find(id);
  if (found == entries_.end()) return false;
  found->second.paused = true;
  found->second.waits = false;
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
  if (one.running == 0 || one.spec.overlap == overlap_policy::allow) {
    ++one.running;
    ++one.runs;
    due.push_back(id);
  } else if (one.spec.overlap == overlap_policy::skip || std::exchange(one.waits, true)) {
    ++one.skipped;
  }
}

void schedule_table::step(clock_reading const& clocks, ids& due) {
  for (auto& [id, one] : entries_) {
    // A clock that was far ahead was wrong.
    if (one.by_wall() && one.ahead - (clocks.utc - clocks.now) > small_correction)
      plan(one, clocks.utc, clocks);
    if (one.due == never || one.due + one.late > one.of(clocks)) continue;
    plan(one, one.of(clocks), clocks);
    if (!one.paused) begin(id, one, due);
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
  auto& one = found->second;
  if (one.running != 0) --one.running;
  if (one.running == 0 && std::exchange(one.waits, false)) begin(id, one, due);
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
