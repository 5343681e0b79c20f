// SPDX-License-Identifier: Apache-2.0
// How a loop of the program's own drives a runtime that has no thread for it.
#include <algorithm>

#include "src/platform/process.hpp"
#include "src/runtime/engine.hpp"

namespace yonder::detail {

bool engine::drive() {
  if (!is_ours()) return false;
  auto const self = shared_from_this();  // what goes on here may end the runtime
  {
    lock held(mutex_);
    trim_heap_if_due(held);
    if (lead_.drive()) {
      survive(held, [&] {
        send_pack();  // of what the program has called since
        poller_->poll(0);
        take_what_came();
      });
      sleep_in_loop(held);
    } else {
      hook_->mute(true);
      hook_->wake_at(-1);
    }
  }
  executor_.run_due();
  lock const held(mutex_);
  return !lead_.ending();
}

// The lead stays with the loop, unless somebody waits for it.
void engine::sleep_in_loop(lock& held) {
  if (lead_.is_followed()) {
    lead_.yield();
    hook_->mute(true);
    hook_->wake_at(-1);
    return hand_over();
  }
  hook_->mute(false);
  core::time_point wake_at = 0;
  survive(held, [&] {
    due_ = next_deadline();
    wake_at = arm() ? std::min(due_, trim_at_) : 0;
  });
  lead_.fall_asleep(wake_at);
  hook_->wake_at(wake_at == core::never ? -1 : wake_at);
}

}  // namespace yonder::detail
