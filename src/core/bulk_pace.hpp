// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/mutant.hpp"
#include "src/core/transfer.hpp"
#include "src/core/types.hpp"

#include <algorithm>

namespace yonder::core {

// How many bytes of bulk may be on their way: about what the connection carries in the time for which a small
// frame may wait behind them, which is as long as it is under way anyhow, and `patience`. Nothing is known of
// it at first, and it is given little. As long as acknowledgements come within that time the window grows
// with what they acknowledge, and once one came later with a quarter of it; where one comes later it falls to
// what was delivered meanwhile, for so long (Vegas: Brakmo, O'Malley, Peterson 1994; the delivery rate of
// BBR: Cardwell et al. 2016).
class bulk_pace {
 public:
  static constexpr std::size_t most = 4 * chunk_size;     // bytes
  static constexpr std::size_t least = chunk_size / 2;    // and at first: what is acknowledged at once, twice
  static constexpr std::size_t acknowledged = least / 2;  // so many bytes of bulk are, at once
  static constexpr duration patience = 10 * millisecond;

  // What is kept of a frame of bulk from its leaving to its acknowledgement.
  struct mark {
    std::size_t delivered = 0;  // bytes, before
    time_point since = 0;       // when that was so
    bool fills = false;         // most of the window was on its way
  };
  // `in_flight`: with it.
  mark leaves(time_point now, std::size_t bytes, std::size_t in_flight) noexcept {
    if (in_flight == bytes) delivered_at_ = now;
    return {delivered_, delivered_at_, in_flight >= window_ / 2};
  }

  // `waited`: from its leaving; `shortest`: the least that any frame has taken so far.
  void arrived(time_point now, mark const& left, std::size_t bytes, duration waited,
               duration shortest) noexcept {
    delivered_ += bytes;
    delivered_at_ = now;
    auto const bearable = 2 * shortest + patience;
    if (!left.fills) return;  // what carries little says nothing of how it would carry much
    if (waited <= bearable) {
      window_ = std::min(most, window_ + (filled_ ? bytes / 4 : bytes));
    } else if (!YONDER_MUTANT(bulk_window_ignored)) {
      filled_ = true;
      auto const meanwhile = static_cast<double>(std::max<duration>(now - left.since, 1));
      auto const rate = static_cast<double>(delivered_ - left.delivered) / meanwhile;
      window_ = std::clamp(static_cast<std::size_t>(rate * static_cast<double>(bearable)), least, window_);
    }
  }

  std::size_t window() const noexcept { return window_; }
  // Of one chunk: several fit in the window.
  std::size_t chunk() const noexcept { return window_ / 4; }

 private:
  std::size_t window_ = least;
  bool filled_ = false;  // as much as the connection carries, once
  std::size_t delivered_ = 0;
  time_point delivered_at_ = 0;
};

}  // namespace yonder::core
