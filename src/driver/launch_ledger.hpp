// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace yonder::driver {

struct launch_limits {
  std::size_t max_instances = 0;  // 0: any number
  double cost_per_hour = 0;       // of one
  std::optional<double> max_cost_per_hour{};
  std::int64_t first_pause = 1'000'000'000;     // after a failed start; doubled by each in a row
  std::int64_t longest_pause = 60'000'000'000;  // likewise between tries to stop what is not let go
};

// What a launcher has started for one pool, what may be started, and what must be stopped again. What was not
// seen to end counts, and may cost.
class launch_ledger {
 public:
  static constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();

  explicit launch_ledger(launch_limits const& limits) : limits_(limits) {}

  // Whether it may be started: it is counted from now on. False: why_full() says why.
  bool begin(std::uint64_t start);
  std::string why_full() const;
  bool has(std::uint64_t start) const { return instances_.contains(start); }
  // Before which nothing is submitted, as starts have failed.
  std::int64_t not_before() const noexcept { return not_before_; }

  // It came so far that it serves: what follows is no failure in a row.
  void served(std::uint64_t start);
  // It is no more. `failed`: without having served. Of those that were begun before one has failed none
  // counts as one more in a row.
  void ended(std::int64_t now, std::uint64_t start, bool failed);

  // It is to be stopped. Whether to ask its launcher now.
  bool stop(std::uint64_t start);
  // That was refused: it is tried again. Whether this was the first time.
  bool stop_refused(std::int64_t now, std::uint64_t start);
  // Those whose stop is tried again now.
  std::vector<std::uint64_t> stops_due(std::int64_t now);

  std::int64_t next_deadline() const;

  std::size_t size() const noexcept { return instances_.size(); }
  std::size_t refusing() const noexcept;  // so many do not let themselves be stopped

 private:
  struct instance {
    int round = 0;  // rounds_, when it was begun
    bool stopping = false;
    int refusals = 0;                 // in a row
    std::int64_t stop_again = never;  // when
  };

  std::int64_t pause_after(int failures) const noexcept;

  launch_limits limits_;
  std::map<std::uint64_t, instance> instances_;
  int failures_ = 0;  // in a row
  int rounds_ = 0;    // of failures
  std::int64_t not_before_ = 0;
};

}  // namespace yonder::driver
