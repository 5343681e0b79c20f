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
  bool empty() const noexcept { return items_.empty(); }

  // Calls `step(Item&)` for each.
  template <class Step>
  void work_off(Step&& step) {
    while (next_ < items_.size()) {
      auto item = std::move(items_[next_]);
      if (!YONDER_MUTANT(throw_repeats)) ++next_;
      step(item);
      if (YONDER_MUTANT(throw_repeats)) ++next_;
    }
    clear();
  }

  // The same where no step appends, without a move.
  template <class Step>
  void work_off_in_place(Step&& step) {
    while (next_ < items_.size()) step(items_[next_++]);
    clear();
  }

 private:
  void clear() noexcept {
    items_.clear();
    next_ = 0;
  }

  std::vector<Item> items_;
  std::size_t next_ = 0;
};

}  // namespace yonder::driver
