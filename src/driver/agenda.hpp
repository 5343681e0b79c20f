// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "src/core/mutant.hpp"

namespace yonder::driver {

// What is to be done, in order: outputs of a core, events of a transport. A step that throws is not repeated,
// and what follows it is done by the next work_off().
template <class Item>
class agenda {
 public:
  // Where more is appended, also by a step.
  std::vector<Item>& items() noexcept { return items_; }
  bool empty() const noexcept { return items_.empty() && next_ == under_way_.size(); }

  // Calls `step(Item&)` for each.
  template <class Step>
  void work_off(Step&& step) {
    while (!empty()) {
      if (next_ == under_way_.size()) {
        under_way_.clear();
        next_ = 0;
        under_way_.swap(items_);
      }
      auto& item = under_way_[next_];
      if (!YONDER_MUTANT(throw_repeats)) ++next_;
      step(item);
      if (YONDER_MUTANT(throw_repeats)) ++next_;
    }
    under_way_.clear();
    next_ = 0;
  }

 private:
  std::vector<Item> items_;
  std::vector<Item> under_way_;  // from next_ on; a step appends to the other
  std::size_t next_ = 0;
};

}  // namespace yonder::driver
