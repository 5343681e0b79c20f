// SPDX-License-Identifier: Apache-2.0
#include "src/driver/leadership.hpp"

#include <algorithm>
#include <utility>

#include "src/core/check.hpp"
#include "src/core/mutant.hpp"

namespace yonder::driver {

leadership::successor leadership::next_leader() const noexcept {
  if (leader_ != leader::none || YONDER_MUTANT(lead_not_handed_over)) return successor::nobody;
  if (followers_ != 0) return successor::follower;
  return awaited_ != 0 || (loop_ && !YONDER_MUTANT(loop_not_told)) ? successor::housekeeper
                                                                   : successor::nobody;
}

leadership::chore leadership::housekeep() noexcept {
  if (ending_) return {chore::kind::end, 0};
  auto const calm = std::exchange(seen_, activity_) == activity_;
  if (callers_ == 0 && (calm || awaited_ != 0) && take(leader::housekeeper)) {
    pause_ = shortest_pause;
    return {chore::kind::lead, 0};
  }
  auto const pause = pause_ = calm ? std::min(2 * pause_, longest_pause) : shortest_pause;
  return {chore::kind::pause, pause};
}

core::duration mishaps::failed(std::exception const& error) noexcept {
  auto const final = dynamic_cast<core::broken_invariant const*>(&error) != nullptr;
  if (++in_a_row_ >= most_in_a_row || final) return core::never;
  return core::millisecond << in_a_row_;
}

}  // namespace yonder::driver
