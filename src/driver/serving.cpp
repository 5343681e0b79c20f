// SPDX-License-Identifier: Apache-2.0
#include "src/driver/serving.hpp"

#include <algorithm>
#include <utility>

#include "src/core/mutant.hpp"

namespace yonder::driver {

bool serving::asked_to_stop(core::attempt_key const& key) noexcept {
  if (std::find(running_.begin(), running_.end(), key) != running_.end()) return true;
  auto const found = std::find_if(waiting_.begin() + static_cast<std::ptrdiff_t>(first_), waiting_.end(),
                                  [&](auto const& one) { return one.work.key == key; });
  if (found != waiting_.end() && !YONDER_MUTANT(early_stop_lost)) found->stopped = true;
  return false;
}

void serving::allow(core::attempt_key const& key, core::stream_level const& level) noexcept {
  for (auto i = first_; i < waiting_.size(); ++i) {
    auto& work = waiting_[i].work;
    if (work.key == key && work.stream) work.stream->allowed = level;
  }
}

bool serving::asked_to_exit(core::out::exit&& why) {
  if (!exit_) exit_ = std::move(why);
  waiting_.clear();
  first_ = 0;
  return runs() && !exit_->clean;
}

serving::step serving::next() const noexcept {
  if (exit_) return step::leave;
  if (idle()) return step::read;
  return waiting_[first_].stopped ? step::refuse : step::run;
}

core::out::run serving::take() {
  auto& first = waiting_[first_];
  if (!first.stopped) running_.push_back(first.work.key);
  ++first_;
  auto work = std::move(first.work);
  if (idle() || first_ == most_taken) {
    waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(first_));
    first_ = 0;
  }
  return work;
}

bool serving::flush_due(core::time_point now) noexcept {
  if (unflushed_since_ == core::never) unflushed_since_ = now;
  if (next() == step::run && now - unflushed_since_ < longest_delay) return false;
  return true;
}

watch::act watch::look(std::uint32_t runs) noexcept {
  auto const unchanged = std::exchange(seen_, runs) == runs;
  auto const running = runs % 2 == 1;
  if (running && unchanged && !YONDER_MUTANT(task_not_taken_over)) return act::take_over;
  idle_ = unchanged ? idle_ + 1 : 0;
  return idle_ >= idle_ticks ? act::sleep : act::tick;
}

}  // namespace yonder::driver
