// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>

#include "src/core/types.hpp"

namespace yonder::driver {

// For how long to look for what comes before sleeping, learnt from what it has gained. Where both sides of a
// conversation look, neither has to be woken; where they share one core, the one who looks delays the other.
// So it is tried after some short sleeps, given up after two misses in a row, and tried the less often the
// more often it has failed: whoever is idle, or never gains, sleeps at once.
class spinning {
 public:
  // As long as the other side may take to wake.
  static constexpr core::duration longest = 100 * core::microsecond;
  static constexpr core::duration shortest = 5 * core::microsecond;
  static constexpr core::duration short_sleep = 200 * core::microsecond;
  static constexpr int first_trial = 4;      // short sleeps before it
  static constexpr int rarest_trial = 4096;  // likewise

  // Before the next sleep; 0: not at all.
  [[nodiscard]] core::duration budget() const noexcept {
    if (on_) return std::clamp(4 * mean_, shortest, longest);
    return short_sleeps_ >= until_trial_ ? longest : 0;
  }

  // Something came while it looked.
  void found(core::duration after) noexcept {
    mean_ = on_ ? (3 * mean_ + after) / 4 : after;
    if (on_) until_trial_ = std::max(first_trial, until_trial_ / 2);
    on_ = true;
    misses_ = 0;
    ++found_;
  }
  // Now and then what else the driver waits for is to be asked for, too.
  [[nodiscard]] bool is_poll_due() const noexcept { return found_ % finds_between_polls == 0; }

  // Nothing came, and it sleeps.
  void missed() noexcept {
    if (on_ && ++misses_ < most_misses) return;
    on_ = false;
    misses_ = 0;
    short_sleeps_ = 0;
    until_trial_ = std::min(2 * until_trial_, rarest_trial);
  }

  // It slept for so long.
  void slept(core::duration time) noexcept { short_sleeps_ = time <= short_sleep ? short_sleeps_ + 1 : 0; }

 private:
  static constexpr int most_misses = 2;
  static constexpr unsigned finds_between_polls = 64;

  bool on_ = false;
  unsigned found_ = 0;    // ever
  int misses_ = 0;        // in a row
  int short_sleeps_ = 0;  // in a row
  int until_trial_ = first_trial;
  core::duration mean_ = 0;  // until something came
};

}  // namespace yonder::driver
