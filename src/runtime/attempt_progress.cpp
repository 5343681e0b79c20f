// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/attempt_progress.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "src/core/link.hpp"
#include "src/core/metadata.hpp"
#include "src/platform/process.hpp"

namespace yonder::runtime_detail {
namespace {

// Not in the middle of a character of UTF-8.
std::string_view beginning_of(std::string_view text) {
  if (text.size() <= core::max_progress_text) return text;
  auto size = core::max_progress_text;
  while (size != 0 && (static_cast<unsigned char>(text[size]) & 0xc0U) == 0x80U) --size;
  return text.substr(0, size);
}

std::uint32_t millionths_of(double fraction) {
  constexpr double whole = 1'000'000;
  return std::isnan(fraction) ? 0
                              : static_cast<std::uint32_t>(std::lround(std::clamp(fraction, 0., 1.) * whole));
}

}  // namespace

bool attempt_progress::report(core::attempt_key const& key, std::span<core::out::run::item const> items,
                              double fraction, std::string_view text) {
  std::lock_guard const held(mutex_);
  latest_.key = key;
  latest_.items = items;
  latest_.report.millionths = millionths_of(fraction);
  latest_.report.text = beginning_of(text);
  if (due_.load(std::memory_order_relaxed) != core::never) return false;
  if (!std::exchange(used_, true)) not_before_ = core::add(platform::now(), first_after);
  due_.store(not_before_, std::memory_order_relaxed);
  return true;
}

std::optional<attempt_progress::latest> attempt_progress::take(core::time_point now) {
  std::lock_guard const held(mutex_);
  if (due_.load(std::memory_order_relaxed) == core::never) return std::nullopt;
  due_.store(core::never, std::memory_order_relaxed);
  not_before_ = core::add(now, then_every);
  return latest_;
}

void attempt_progress::forget() noexcept {
  used_ = false;
  std::lock_guard const held(mutex_);
  due_.store(core::never, std::memory_order_relaxed);
}

}  // namespace yonder::runtime_detail
