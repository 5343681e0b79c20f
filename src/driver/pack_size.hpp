// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>

#include "src/core/types.hpp"

namespace yonder::driver {

// How many calls travel together, and when a call that nobody waits for joins others. A pack leaves when
// somebody waits, when it is full, or when it is due: so packs become as large as calls are made faster than
// they are waited for.
class pack_size {
 public:
  static constexpr std::size_t most = 64;
  static constexpr std::size_t most_bytes = std::size_t{32} << 10;      // of arguments in a pack
  static constexpr std::size_t most_item_bytes = std::size_t{2} << 10;  // larger ones travel alone
  static constexpr core::duration patience = 100 * core::microsecond;   // from its first call until it is due

  static bool takes(std::size_t bytes) noexcept { return bytes <= most_item_bytes; }
  static bool has_room(std::size_t held, std::size_t more) noexcept { return held + more <= most_bytes; }

  // Whether a call that would leave by itself waits for those that follow it: so many are under way that
  // nobody is idle for want of this one, or the last ones came in a row.
  bool in_burst(std::size_t in_flight) const noexcept { return in_flight >= many || last_ >= row; }

  // The room of the pack that is opened: twice what the last one needed, so that the first calls of many
  // start soon.
  std::size_t next() const noexcept { return next_; }
  void closed(std::size_t calls) noexcept {
    last_ = calls;
    next_ = std::clamp(2 * calls, std::max(next_ / 2, least), most);
  }

 private:
  static constexpr std::size_t least = 4;
  static constexpr std::size_t many = 64;
  static constexpr std::size_t row = 16;

  std::size_t last_ = 0;
  std::size_t next_ = least;
};

}  // namespace yonder::driver
