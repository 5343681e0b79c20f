// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/hub_records.hpp"

#include <algorithm>

namespace yonder::core {

// Since when calls of a function wait and none is given to a worker, so that it can be told once that this
// takes long. Exact in time only where it has taken long: functions whose calls flow cost two stores each.
class wait_watch {
 public:
  explicit wait_watch(duration patience) : patience_(patience) {}

  // A call of it waits, the first one.
  void began(time_point now, function_record& function) noexcept {
    function.waits_since = now;
    look_after(now, function);
  }
  // A call of it was given to a worker; others may wait still.
  void served(time_point now, function_record& function) noexcept {
    function.waits_since = now;
    if (function.wait_told) look_after(now, function);
  }

  // When look() may have something to tell.
  time_point due() const noexcept { return due_; }

  // The next function whose calls wait too long while `can_be_served` says no, of a map to them; null: none.
  template <class Functions, class Served>
  function_record* look(time_point now, Functions& functions, Served can_be_served) {
    if (due_ > now) return nullptr;
    auto next = never;
    for (auto& [key, function] : functions) {
      if (function->queue.empty() || function->wait_told) continue;
      auto const until = add(function->waits_since, patience_);
      if (until <= now && !can_be_served(*function)) {
        function->wait_told = true;
        return function.get();
      }
      next = std::min(next, until > now ? until : add(now, patience_));
    }
    due_ = next;
    return nullptr;
  }

 private:
  void look_after(time_point now, function_record& function) noexcept {
    function.wait_told = false;
    due_ = std::min(due_, add(now, patience_));
  }

  duration patience_;
  time_point due_ = never;
};

}  // namespace yonder::core
