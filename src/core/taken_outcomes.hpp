// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/items.hpp"
#include "src/core/types.hpp"

#include <utility>
#include <vector>

namespace yonder::core {

// Calls whose outcomes somebody has, as rows of consecutive numbers: their hub is told of many at once.
class taken_outcomes {
 public:
  static constexpr duration delay = 5 * millisecond;
  struct row {
    call_id first;
    std::uint32_t count = 1;
  };

  void add(time_point now, call_id of) {
    if (rows_.empty()) since_ = now;
    if (!rows_.empty()) {
      auto& last = rows_.back();
      if (last.first.session == of.session && last.first.number + last.count == of.number &&
          last.count < max_items) {
        ++last.count;
        return;
      }
    }
    rows_.push_back({of, 1});
  }
  time_point due() const { return rows_.empty() ? never : since_ + delay; }
  std::vector<row> take() { return std::exchange(rows_, {}); }

 private:
  std::vector<row> rows_;
  time_point since_ = 0;
};

}  // namespace yonder::core
