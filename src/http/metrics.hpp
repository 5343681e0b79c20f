// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "yonder/errc.hpp"
#include "yonder/schedule.hpp"
#include "yonder/snapshot.hpp"

namespace yonder::http {

// Counts what the gateway does, and says it as Prometheus reads it (text format 0.0.4).
class metrics {
 public:
  void request(std::string_view route, unsigned status);
  // A call that was begun by a request has ended; `code` is 0 for a value.
  void call_ended(std::string_view task, errc code, std::chrono::nanoseconds took);

  // Callers choose the names of tasks: of those of which a worker has run nothing only so many keep their
  // own. The others are one without a name from now on.
  void gather_unserved(runtime_snapshot& hub);
  static constexpr std::size_t most_unserved = 100;

  // `hub`, `schedules`: what the runtime counts itself; `has_hub`: whether the hub is its own, of which there
  // is something to tell.
  std::string text(std::size_t running, runtime_snapshot const& hub, bool has_hub,
                   std::vector<schedule_snapshot> const& schedules) const;

 private:
  static constexpr std::array<double, 14> bounds{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01,
                                                 0.025,  0.05,    0.1,    0.25,  1,      5,     30};
  struct task_numbers {
    std::map<errc, std::uint64_t> ended;
    std::array<std::uint64_t, bounds.size() + 1> durations{};
    double seconds = 0;
  };
  std::map<std::pair<std::string, unsigned>, std::uint64_t, std::less<>> requests_;
  std::map<std::string, task_numbers, std::less<>> tasks_;
  using task_and_pool = std::pair<std::string, std::string>;  // names
  std::set<task_and_pool> unserved_;                          // that keep their names
};

}  // namespace yonder::http
