// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/types.hpp"

#include <array>
#include <bit>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>

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
  group_sizes frames;   // in which workers were given calls
  group_sizes batches;  // of them, those whose calls run together

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
};

// By their names and those of the pools that the first of such calls were for. Callers choose names: past a
// number of them the others share one place, without a name.
class task_tally {
 public:
  using place = std::pair<std::string, std::string>;  // task, and pool: empty: none is for it

  // Valid for ever.
  task_numbers& of(std::string_view task, std::string const& pool) {
    constexpr std::size_t most = 10'000;
    place wanted(task, pool);
    auto found = tasks_.find(wanted);
    if (found == tasks_.end())
      found = tasks_.try_emplace(tasks_.size() < most ? std::move(wanted) : place()).first;
    return found->second;
  }
  std::map<place, task_numbers> const& tasks() const noexcept { return tasks_; }

 private:
  std::map<place, task_numbers> tasks_;
};

}  // namespace yonder::core
