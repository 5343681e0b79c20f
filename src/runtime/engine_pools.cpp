// SPDX-License-Identifier: Apache-2.0
// What workers are given, and how many there are.
#include <utility>

#include "src/platform/machine.hpp"
#include "src/platform/process.hpp"
#include "src/platform/thread.hpp"
#include "src/runtime/engine.hpp"
#include "src/runtime/needs.hpp"
#include "yonder/error.hpp"

namespace yonder::detail {

using platform::now;

// On a thread of its own: what nvidia-smi is asked takes long.
void engine::observe_machine() {
  observer_ = platform::start_thread("yonder-machine", [this] {
    auto has = runtime_detail::observed_machine();
    lock held(mutex_);
    if (lead_.ending()) return;
    time_ = now();
    survive(held, [&] {
      endurance_.once([&] { hub_->observed(time_, std::move(has), hub_due_.items()); });
      carry_out();
      flush();
    });
    wake_leader_if_needed();
  });
}

template <class Change>
void engine::change_pool(Change&& change) {
  if (!is_ours())
    throw_error(
        {.code = errc::no_runtime, .message = "this process is a fork of the one that made the runtime"});
  lock held(mutex_);
  if (!hub_)
    throw_error(
        {.code = errc::unsatisfiable,
         .message = "this runtime's hub is elsewhere, and starts its workers as its own runtime says"});
  if (lead_.ending()) throw_error({.code = errc::disconnected, .message = why_ended()});
  time_ = now();
  std::optional<core::failure> refused;
  survive(held, [&] {
    endurance_.once([&] { refused = change(); });
    carry_out();
    flush();
  });
  wake_leader_if_needed();
  if (refused) throw_error({.code = refused->code, .message = std::move(refused->message)});
}

void engine::scale(std::string_view needs, core::pool_change const& change) {
  change_pool([&] { return hub_->scale(time_, needs, change, hub_due_.items()); });
}

void engine::warm(std::string_view needs, std::size_t count) {
  change_pool([&] { return hub_->warm(time_, needs, count, hub_due_.items()); });
}

}  // namespace yonder::detail
