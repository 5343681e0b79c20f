// SPDX-License-Identifier: Apache-2.0
//
// The worker loop: what its attempts stream.
#include <algorithm>
#include <utility>

#include "src/platform/process.hpp"
#include "src/runtime/worker_loop.hpp"

namespace yonder::runtime_detail {

using platform::now;

bool worker_loop::send_items(core::attempt_key const& key, std::uint64_t first,
                             std::span<std::uint32_t const> sizes, std::span<std::byte const> values,
                             std::vector<detail::buffer> buffers) {
  auto fits = false;
  endurance_.once(
      [&] { fits = core_.produced(now(), key, first, sizes, values, std::move(buffers), due_.items()); });
  send_from_task();
  return fits;
}

void worker_loop::send_credit(core::attempt_key const& key, core::stream_level const& level) {
  endurance_.once([&] { core_.takes(now(), key, level, due_.items()); });
  send_from_task();
}

void worker_loop::say_that_waits(core::attempt_key const& key, std::uint64_t items) {
  endurance_.once([&] { core_.waits_for_input(now(), key, items, due_.items()); });
  send_from_task();
}

// Whoever reads the connection may sleep, and what it waits for may have shown in this send alone: that of
// ZeroMQ's descriptor does.
void worker_loop::send_from_task() {
  carry_out();
  flush();
  if (connection_ && !connection_->reliable()) poller_->ring();
}

// The streams of the attempt, if it runs; null: it does not.
attempt_streams* worker_loop::streams_of(core::attempt_key const& key) noexcept {
  attempt_streams* found = nullptr;
  each_lane([&](lane& one) {
    if (one.streams.is_of(key)) found = &one.streams;
  });
  return found;
}

void worker_loop::carry_out(core::out::stream_allowed const& told) {
  if (auto* const running = streams_of(told.key))
    running->allow(told.level);
  else
    turns_.allow(told.key, told.level);
}

void worker_loop::carry_out(core::out::stream_arrived&& came) {
  if (auto* const running = streams_of(came.key)) running->arrived(std::move(came.items), came.ended);
}

core::time_point worker_loop::next_deadline() {
  auto due = std::min(core_.next_deadline(), output_ ? output_->due() : core::never);
  each_lane([&](lane const& one) { due = std::min({due, one.streams.due(), one.context.progress().due()}); });
  return due;
}

void worker_loop::flush_streams(std::int64_t time) {
  each_lane([&](lane& one) {
    if (one.streams.due() <= time) one.streams.flush();
  });
}

// Of a row that is the item that was begun last: the others have ended, which is told before.
void worker_loop::flush_progress(std::int64_t time) {
  each_lane([&](lane& one) {
    if (one.context.progress().due() > time) return;
    endurance_.once([&] { close_row(time); });
    auto const latest = one.context.progress().take(time);
    if (!latest) return;
    endurance_.once([&] {
      if (latest->items.empty()) core_.progressed(time, latest->key, latest->report, due_.items());
      for (auto const& item : latest->items) core_.progressed(time, item.key, latest->report, due_.items());
    });
  });
}

}  // namespace yonder::runtime_detail
