// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/shown_map.hpp"

#include <algorithm>
#include <atomic>
#include <new>

#include "src/core/map_orders.hpp"
#include "src/platform/process.hpp"
#include "src/runtime/call_state.hpp"
#include "src/runtime/engine.hpp"
#include "src/runtime/orders.hpp"

namespace yonder::detail {
namespace {

constexpr auto between_reports = core::second;

std::uint64_t next_number() {
  static std::atomic<std::uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

}  // namespace

shown_map::shown_map(std::size_t const* total)
    : bar_(progress_bar::on_terminal(total)),
      total_(total != nullptr ? std::optional<std::uint64_t>(*total) : std::nullopt),
      since_(platform::now()),
      told_at_(since_),
      number_(next_number()) {}

// What cannot be told for want of memory goes with the connection.
shown_map::~shown_map() {
  if (!told_) return;
  try {
    core::map_report last;
    last.number = number_;
    last.over = true;
    begin_to_tell(core::encode_map(last));
  } catch (...) {
  }
}

core::duration shown_map::period() const noexcept { return bar_ ? progress_bar::period : between_reports; }

bool shown_map::add(call_state const& call) {
  ++done_;
  failed_ += failure_of(call) != nullptr ? 1 : 0;
  if (bar_) bar_->add();
  return is_due(platform::now());
}

void shown_map::show(call_state const& call, double running) {
  if (bar_) bar_->show(running);
  auto const now = platform::now();
  if (!is_due(now) || !call.where()->is_ours()) return;
  constexpr double millionths = 1'000'000;
  told_at_ = now;
  try {
    if (!hub_) {
      task_ = call.task();
      hub_ = call.where()->shared_from_this();
    }
    begin_to_tell(
        core::encode_map({.number = number_,
                          .task = task_,
                          .done = done_,
                          .failed = failed_,
                          .total = total_,
                          .running = static_cast<std::uint64_t>(std::max(running, 0.0) * millionths),
                          .elapsed = now - since_}));
  } catch (std::bad_alloc const&) {  // nobody's result hangs on it; later, perhaps
  }
}

// Of a hub that has not answered yet to the last, no more is asked.
bool shown_map::is_due(core::time_point now) const noexcept {
  return now - told_at_ >= between_reports && (!told_ || is_done(*told_));
}

void shown_map::begin_to_tell(std::string const& report) {
  told_ = begin_order(hub_, core::tell_map, report);
}

}  // namespace yonder::detail
