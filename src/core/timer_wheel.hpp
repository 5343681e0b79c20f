// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/intrusive_list.hpp"
#include "src/core/types.hpp"

#include <array>
#include <cstdint>

namespace yonder::core {

struct timer_tag {};

// Something that is to happen at a time. `kind` is its owner's.
struct timer : list_hook<timer_tag> {
  time_point when = never;
  std::uint16_t slot = 0;
  std::uint8_t kind = 0;
  bool armed() const noexcept { return linked(); }
};

// Timers by time: a hierarchy of wheels of 64 slots each (Varghese and Lauck 1987), the finest slot about
// 0.13 ms wide. Arming and disarming take constant time. A timer never fires early, and at most one finest
// slot late.
class timer_wheel {
 public:
  explicit timer_wheel(time_point now) : now_(to_slot(now)) {}

  // Also moves a timer that is armed already. `never` disarms.
  void arm(timer& one, time_point when);
  void disarm(timer& one);

  // Takes out one timer whose time has come, or null when there is none left.
  timer* expire(time_point now);

  // Not later than the first timer's time; never: none is armed.
  time_point next() const;
  std::size_t size() const noexcept { return count_; }

 private:
  static constexpr int resolution_bits = 17;
  static constexpr int slot_bits = 6;
  static constexpr int levels = 7;
  static constexpr std::uint64_t slots = std::uint64_t{1} << slot_bits;
  static constexpr std::uint64_t horizon = std::uint64_t{1} << (levels * slot_bits - 1);

  struct place {
    int level = 0;
    std::uint64_t slot = 0;
    std::uint64_t begins = 0;
  };

  static std::uint64_t to_slot(time_point when) noexcept {
    return static_cast<std::uint64_t>(when) >> resolution_bits;
  }
  bool first(place& found) const;
  void insert(timer& one);
  intrusive_list<timer, timer_tag>& slot_of(timer const& one) { return wheel_[one.slot]; }
  void remove(timer& one);
  void cascade(place const& from);

  std::uint64_t now_;
  std::size_t count_ = 0;
  std::array<std::uint64_t, levels> occupied_{};
  std::array<intrusive_list<timer, timer_tag>, levels * slots> wheel_;
};

}  // namespace yonder::core
