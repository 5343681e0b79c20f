// SPDX-License-Identifier: Apache-2.0
#include "src/core/timer_wheel.hpp"

#include <algorithm>
#include <bit>

namespace yonder::core {

void timer_wheel::arm(timer& one, time_point when) {
  if (one.armed()) {
    if (one.when == when) return;
    disarm(one);
  }
  one.when = when;
  if (when == never) return;
  insert(one);
  ++count_;
}

void timer_wheel::disarm(timer& one) {
  if (!one.armed()) return;
  remove(one);
  --count_;
}

void timer_wheel::insert(timer& one) {
  auto const width = time_point{1} << resolution_bits;
  auto const rounded = one.when > never - width ? one.when : one.when + (width - 1);
  auto const due = std::clamp(to_slot(rounded), now_, now_ + horizon);
  auto const differing = static_cast<int>(std::bit_width((due ^ now_) | (slots - 1)));
  auto const level = std::min((differing - 1) / slot_bits, levels - 1);
  auto const slot = (due >> (level * slot_bits)) % slots;
  one.slot = static_cast<std::uint16_t>(static_cast<std::uint64_t>(level) * slots + slot);
  occupied_[static_cast<std::size_t>(level)] |= std::uint64_t{1} << slot;
  slot_of(one).push_back(one);
}

void timer_wheel::remove(timer& one) {
  auto& list = slot_of(one);
  list.remove(one);
  if (list.empty()) occupied_[one.slot / slots] &= ~(std::uint64_t{1} << (one.slot % slots));
}

// What a finer wheel holds is always due before what a coarser one holds.
bool timer_wheel::first(place& found) const {
  for (int level = 0; level < levels; ++level) {
    auto const occupied = occupied_[static_cast<std::size_t>(level)];
    if (occupied == 0) continue;
    auto const shift = level * slot_bits;
    auto const current = (now_ >> shift) % slots;
    auto const ahead =
        static_cast<std::uint64_t>(std::countr_zero(std::rotr(occupied, static_cast<int>(current))));
    auto const turn = (now_ >> shift) - current;
    found = {level, (current + ahead) % slots, (turn + current + ahead) << shift};
    return true;
  }
  return false;
}

void timer_wheel::cascade(place const& from) {
  auto const index = static_cast<std::size_t>(from.level) * slots + from.slot;
  auto& list = wheel_[index];
  occupied_[static_cast<std::size_t>(from.level)] &= ~(std::uint64_t{1} << from.slot);
  for (auto left = list.size(); left != 0; --left) {
    auto& one = list.front();
    list.remove(one);
    insert(one);
  }
}

timer* timer_wheel::expire(time_point now) {
  auto const target = std::max(to_slot(now), now_);
  for (place found; first(found);) {
    if (found.begins > target) break;
    now_ = std::max(now_, found.begins);
    if (found.level != 0) {
      cascade(found);
      continue;
    }
    auto& one = wheel_[found.slot].front();
    disarm(one);
    return &one;
  }
  now_ = target;
  return nullptr;
}

time_point timer_wheel::next() const {
  place found;
  if (!first(found)) return never;
  return static_cast<time_point>(found.begins << resolution_bits);
}

}  // namespace yonder::core
