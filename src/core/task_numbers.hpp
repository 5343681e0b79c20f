// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/types.hpp"

#include <array>
#include <bit>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace yonder::core {

// How many calls went together, and how often.
struct group_sizes {
  static constexpr std::size_t ranges = 17;

  // Of at most 2ⁱ calls and of no range before; the last of whatever was more.
  std::array<std::uint64_t, ranges> counts{};
  std::uint64_t calls = 0;  // of all of them

  void count(std::size_t size) noexcept {
    auto const range = static_cast<std::size_t>(std::bit_width(size - 1));
    ++counts[range < ranges ? range : ranges - 1];
    calls += size;
  }
  void add(group_sizes const& more) noexcept {
    for (std::size_t i = 0; i < ranges; ++i) counts[i] += more.counts[i];
    calls += more.calls;
  }
};

// What became of the calls of one task, for one pool, since the hub began.
struct task_numbers {
  static constexpr std::size_t codes = 64;  // of yonder::errc
  static constexpr std::size_t ranges = 28;

  std::uint64_t calls = 0, succeeded = 0, cancelled = 0;
  std::uint64_t argument_bytes = 0, result_bytes = 0;  // of the frames in which they came
  std::array<std::uint64_t, codes> failed{};           // by code
  // Attempts that returned a value, by how long they ran: less than 2ⁱ µs, and in the last whatever took
  // longer.
  std::array<std::uint64_t, ranges> runs{};
  std::uint64_t run_microseconds = 0;
  group_sizes frames;       // in which workers were given calls
  group_sizes batches;      // of them, those whose calls run together
  std::size_t holders = 0;  // who counts there now

  void count_failure(errc code) noexcept {
    auto const place = static_cast<std::size_t>(code);
    ++failed[place < codes ? place : 0];
  }
  void count_runs(duration each, std::uint64_t count) noexcept {
    auto const microseconds = static_cast<std::uint64_t>(each / microsecond);
    auto const range = static_cast<std::size_t>(std::bit_width(microseconds));
    runs[range < ranges ? range : ranges - 1] += count;
    run_microseconds += microseconds * count;
  }
  void add(task_numbers const& more) noexcept {
    calls += more.calls;
    succeeded += more.succeeded;
    cancelled += more.cancelled;
    argument_bytes += more.argument_bytes;
    result_bytes += more.result_bytes;
    for (std::size_t i = 0; i < codes; ++i) failed[i] += more.failed[i];
    for (std::size_t i = 0; i < ranges; ++i) runs[i] += more.runs[i];
    run_microseconds += more.run_microseconds;
    frames.add(more.frames);
    batches.add(more.batches);
  }
};

// By their names and those of the pools that the first of such calls were for. Callers choose names: past a
// number of them the others share one place, without a name. No sum over places ever goes down.
class task_tally {
 public:
  using place = std::pair<std::string, std::string>;  // task, and pool: empty: none is for it

  // Valid until let_go().
  task_numbers& hold(std::string_view task, std::string const& pool) {
    auto& held = at({std::string(task), pool});
    ++held.holders;
    return held;
  }
  static void let_go(task_numbers& held) noexcept { --held.holders; }

  // The pool is no more: what was counted for it is counted as `kind`'s from now on, which is what such pools
  // are called together. Of a task of which no worker was given anything its name is forgotten, too.
  void pool_is_gone(std::string const& pool, std::string const& kind) {
    auto const of_pool = by_pool_.find(pool);
    if (of_pool == by_pool_.end() || pool == kind) return;
    auto rows = std::move(of_pool->second);
    by_pool_.erase(of_pool);
    std::vector<rows_of_tasks::iterator> held;
    for (auto const row : rows) {
      if (row->second.holders != 0) {  // another pool has that name, too
        held.push_back(row);
        continue;
      }
      auto const was_served = row->second.frames.calls != 0;
      auto const gone = tasks_.extract(row);
      at(was_served ? place(gone.key().first, kind) : place()).add(gone.mapped());
    }
    if (!held.empty()) by_pool_[pool] = std::move(held);
  }

  std::map<place, task_numbers> const& tasks() const noexcept { return tasks_; }

 private:
  using rows_of_tasks = std::map<place, task_numbers>;

  task_numbers& at(place wanted) {
    constexpr std::size_t most = 10'000;
    if (auto const found = tasks_.find(wanted); found != tasks_.end()) return found->second;
    if (tasks_.size() >= most) wanted = {};
    auto const [row, is_new] = tasks_.try_emplace(std::move(wanted));
    if (is_new && !row->first.second.empty()) by_pool_[row->first.second].push_back(row);
    return row->second;
  }

  rows_of_tasks tasks_;
  std::map<std::string, std::vector<rows_of_tasks::iterator>, std::less<>> by_pool_;
};

}  // namespace yonder::core
