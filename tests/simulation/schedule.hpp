// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/types.hpp"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <vector>

namespace yonder::core::simulation {

// What is to happen, by time and then by the order in which it was planned: a binary heap, and a queue for
// the many things that are planned in their order.
template <class Happening>
class schedule {
 public:
  struct entry {
    time_point when = 0;
    std::uint64_t order = 0;
    Happening what{};
  };

  void plan(time_point now, time_point when, Happening what) {
    entry const made{when, ++last_order_, what};
    if (when <= now + soon && (soon_.empty() || soon_.back().when <= when)) return soon_.push_back(made);
    heap_.push_back(made);
    std::push_heap(heap_.begin(), heap_.end(), later);
  }

  bool empty() const { return heap_.empty() && soon_.empty(); }

  entry take() {
    if (heap_.empty() || (!soon_.empty() && later(heap_.front(), soon_.front()))) {
      auto const first = soon_.front();
      soon_.pop_front();
      return first;
    }
    std::pop_heap(heap_.begin(), heap_.end(), later);
    auto const first = heap_.back();
    heap_.pop_back();
    return first;
  }

 private:
  static constexpr duration soon = 20 * microsecond;

  static bool later(entry const& a, entry const& b) {
    return a.when != b.when ? a.when > b.when : a.order > b.order;
  }

  std::vector<entry> heap_;
  std::deque<entry> soon_;
  std::uint64_t last_order_ = 0;
};

}  // namespace yonder::core::simulation
