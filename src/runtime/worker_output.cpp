// SPDX-License-Identifier: Apache-2.0
//
// The worker loop: what its attempts print.
#include <stdio_ext.h>

#include <cstdio>
#include <utility>

#include "src/platform/process.hpp"
#include "src/runtime/worker_loop.hpp"

namespace yonder::runtime_detail {

using platform::now;

void worker_loop::begin_output() {
  if (!config_.printed || !config_.relay) return;
  output_.emplace(std::move(config_.printed), std::move(config_.relay), config_.in_hand);
  poller_->add(output_->descriptor(), *this, 0);
  if (config_.reads_printed != nullptr) config_.reads_printed->store(1, std::memory_order_relaxed);
}

// What a task has left of a line is its own. Without the lock: where the pipe is full, the watchdog reads it.
void worker_loop::finish_lines() const noexcept {
  if (output_ && ::__fpending(stdout) != 0) std::fflush(stdout);
}

// Of a row, those that began and were not told: it is closed.
printed_text::owner worker_loop::row_in_hand() const noexcept {
  auto const first = row_.first();
  auto const behind = row_.last_begun().call.number + 1;
  if (behind <= first.call.number) return {};
  return {first, static_cast<std::uint32_t>(behind - first.call.number)};
}

// Whoever runs, if that is one attempt, or several that run as one.
printed_text::owner worker_loop::who_prints() const noexcept {
  if (lanes_.empty() && row_runs_) return row_.is_closed() ? row_in_hand() : printed_text::owner{};
  if (lanes_.empty()) return serves_;
  printed_text::owner found;
  std::size_t count = 0;
  for (auto const& one : lanes_) {
    if (!one->work || ++count > 1) continue;
    found = owner_of(*one->work);
  }
  return count == 1 ? found : printed_text::owner{};
}

printed_text::owner worker_loop::owner_of(core::out::run const& work) noexcept {
  return {work.key, work.items.empty() ? 1 : static_cast<std::uint32_t>(work.items.size())};
}

void worker_loop::on_ready(std::uint64_t, bool, bool) { output_is_ready_ = true; }

void worker_loop::look_at_output(std::int64_t time) {
  if (!output_ || output_->descriptor() < 0) return;
  auto const descriptor = output_->descriptor();
  auto const came = output_->read();
  if (output_->descriptor() < 0) poller_->remove(descriptor);
  if (!came) return;
  auto const by = who_prints();
  if (by != output_->by()) tell_output(time, true);
  output_->keep(time, by);
}

// `all`: of what ends.
void worker_loop::tell_output(std::int64_t time, bool all) {
  if (!output_) return;
  if (!all && !outbox_.empty()) return output_->put_off(time);
  while (auto const next = output_->next(time, all)) {
    auto const& by = output_->by();
    auto taken = false;
    endurance_.once(
        [&] { taken = core_.printed(time, by.key, by.count, next->text, next->skipped, all, due_.items()); });
    if (!taken) break;
    output_->told(*next);
  }
  if (all && output_->by().key.attempt != 0) return output_->forget();
  if (output_->due() != core::never) output_->put_off(time);
}

// Before the outcome is told: behind it, the hub knows nothing of the attempt.
void worker_loop::end_output(std::int64_t time) {
  look_at_output(time);
  tell_output(time, true);
}

void worker_loop::flush_output(std::int64_t time) {
  if (!output_) return;
  if (std::exchange(output_is_ready_, false)) look_at_output(time);
  if (output_->due() <= time) tell_output(time, false);
}

// The watchdog: something was printed. What a row prints is read when that is closed.
void worker_loop::take_printed() {
  if (row_runs_ && !row_.is_closed()) return;
  auto const time = now();
  look_at_output(time);
  if (turns_.runs()) return;
  tell_output(time, false);
  send_from_task();
}

}  // namespace yonder::runtime_detail
