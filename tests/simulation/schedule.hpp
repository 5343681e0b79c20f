// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/types.hpp"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace yonder::core::simulation {

// What is to happen, by time and then by the order in which it was planned: a binary heap.
template <class Happening>
class schedule {
 public:
  struct entry {
    time_point when = 0;
    std::uint64_t order = 0;
    Happening what{};
  };

  void plan(time_point when, Happening what) {
    heap_.push_back({when, ++last_order_, what});
    std::push_heap(heap_.begin(), heap_.end(), later);
  }

  bool empty() const { return heap_.empty(); }
  time_point next() const { return heap_.empty() ? never : heap_.front().when; }

  entry take() {
    std::pop_heap(heap_.begin(), heap_.end(), later);
    auto const first = heap_.back();
    heap_.pop_back();
    return first;
  }

 private:
  static bool later(entry const& a, entry const& b) {
    return a.when != b.when ? a.when > b.when : a.order > b.order;
  }

  std::vector<entry> heap_;
  std::uint64_t last_order_ = 0;
};

}  // namespace yonder::core::simulation
