// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/types.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <utility>
#include <vector>

namespace yonder::core::simulation {

// What is to happen, by time and then by the order in which it was planned. Time is cut into slots: what
// falls into the present one is kept in order, what falls into one of the next ones lies there as it came,
// and what is far away waits in a heap.
template <class Happening>
class schedule {
 public:
  struct entry {
    template <class... Parts>
    entry(time_point due, std::uint64_t planned, Parts... parts)
        : when(due), order(planned), what{parts...} {}

    time_point when;
    std::uint64_t order;
    Happening what;
  };

  // Not earlier than what was taken last. `what` by its parts, which are written where they stay.
  template <class... Parts>
  void plan(time_point when, Parts... what) {
    auto const order = ++last_order_;
    auto const slot = slot_of(when);
    if (slot <= present_) return insert({when, order, what...});
    if (slot >= present_ + slots) {
      far_.emplace_back(when, order, what...);
      return std::push_heap(far_.begin(), far_.end(), later);
    }
    auto& lie = near_[slot % slots];
    if (lie.empty()) take_slot(slot, lie);
    lie.emplace_back(when, order, what...);
    ++in_slots_;
  }

  bool empty() const { return next_ == now_.size() && in_slots_ == 0 && far_.empty(); }

  // The first one.
  entry take() {
    if (next_ == now_.size()) advance();
    return now_[next_++];
  }

 private:
  static constexpr int slot_bits = 13;  // of nanoseconds
  static constexpr std::uint64_t slots = 256;

  static std::uint64_t slot_of(time_point when) { return static_cast<std::uint64_t>(when) >> slot_bits; }
  static bool later(entry const& a, entry const& b) {
    return a.when != b.when ? a.when > b.when : a.order > b.order;
  }

  // Slots come and go: each has memory that one has left just now.
  void take_slot(std::uint64_t slot, std::vector<entry>& lie) {
    taken_[slot % slots / 64] |= std::uint64_t{1} << slot % 64;
    if (spare_.empty()) return lie.reserve(16);
    lie.swap(spare_.back());
    spare_.pop_back();
  }

  void insert(entry const& made) {
    now_.push_back(made);
    settle(now_.size() - 1);
  }

  // Behind what comes before it: often it is there.
  void settle(std::size_t at) {
    if (at == next_ || !later(now_[at - 1], now_[at])) return;
    auto const made = now_[at];
    for (; at > next_ && later(now_[at - 1], made); --at) now_[at] = now_[at - 1];
    now_[at] = made;
  }

  // The first slot behind the present one in which something lies; not if there is none.
  std::uint64_t next_taken() const {
    auto slot = present_ + 1;
    auto rest = taken_[slot % slots / 64] >> slot % 64;
    while (rest == 0) {
      slot = (slot / 64 + 1) * 64;
      rest = taken_[slot % slots / 64];
    }
    return slot + static_cast<std::uint64_t>(std::countr_zero(rest));
  }

  void advance() {
    now_.clear();
    next_ = 0;
    if (in_slots_ == 0) {
      present_ = slot_of(far_.front().when);
    } else {
      auto const far = far_.empty() ? ~std::uint64_t{0} : slot_of(far_.front().when);
      present_ = std::min(next_taken(), far);
    }
    if (auto& lie = near_[present_ % slots]; !lie.empty()) {
      spare_.push_back(std::move(now_));
      now_ = std::exchange(lie, {});
    }
    taken_[present_ % slots / 64] &= ~(std::uint64_t{1} << present_ % 64);
    in_slots_ -= now_.size();
    for (std::size_t i = 1; i < now_.size(); ++i) settle(i);
    while (!far_.empty() && slot_of(far_.front().when) == present_) {
      std::pop_heap(far_.begin(), far_.end(), later);
      insert(far_.back());
      far_.pop_back();
    }
  }

  std::vector<entry> now_;  // from next_ on
  std::size_t next_ = 0;
  std::uint64_t present_ = 0;  // its slot
  std::array<std::vector<entry>, slots> near_;
  std::vector<std::vector<entry>> spare_;          // empty ones; the last one was used last
  std::array<std::uint64_t, slots / 64> taken_{};  // of these, those that are not empty, bit by bit
  std::size_t in_slots_ = 0;                       // entries of these
  std::vector<entry> far_;
  std::uint64_t last_order_ = 0;
};

}  // namespace yonder::core::simulation
