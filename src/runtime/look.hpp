// SPDX-License-Identifier: Apache-2.0
#pragma once

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include <mutex>

#include "src/driver/spinning.hpp"
#include "src/platform/process.hpp"
#include "transports/transport.hpp"

namespace yonder::runtime_detail {

// Lets the other thread of this core run, where there are two.
inline void relax() noexcept {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Before a driver sleeps: looks for what comes to `at`, without the driver's lock, for as long as that has
// paid. True: something has come, and nothing else need be asked. Meanwhile the driver does not count as
// asleep.
inline bool look(transport::endpoint& at, driver::spinning& spin, std::unique_lock<std::mutex>& held) {
  auto const budget = spin.budget();
  if (budget == 0 || !at.watch()) return false;
  held.unlock();
  constexpr int looks = 32;  // between two looks at the clock
  auto const begin = platform::now();
  auto time = begin;
  bool came = false;
  for (; !came && time - begin <= budget; time = platform::now())
    for (int i = 0; !(came = at.look()) && i < looks; ++i) relax();
  came ? spin.found(time - begin) : spin.missed();
  held.lock();
  at.unwatch();
  return came && !spin.is_poll_due();
}

}  // namespace yonder::runtime_detail
