// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include "tests/faults/board.hpp"
#include "yonder/yonder.hpp"

// What the rows call.
namespace faults {

// Begins, and returns: 2 * slot.
inline std::uint32_t enter(std::string const& path, std::uint32_t slot) {
  board const shared(path);
  shared[slot].process.store(::getpid());
  board::add(shared[slot].entered);
  board::add(shared[slot].left);
  return 2 * slot;
}

// The same, but the first `waiting` that begin wait until the slot is open, whatever they are told.
inline std::uint32_t hold(std::string const& path, std::uint32_t slot, std::uint32_t waiting) {
  board const shared(path);
  shared[slot].process.store(::getpid());
  if (board::add(shared[slot].entered) <= waiting)
    board::reaches(shared[slot].open, 1, std::chrono::hours(24));
  board::add(shared[slot].left);
  return 2 * slot;
}

inline int process() { return static_cast<int>(::getpid()); }

inline std::uint64_t sum_of(std::vector<std::uint64_t> const& numbers) {
  return std::accumulate(numbers.begin(), numbers.end(), std::uint64_t{0});
}
inline std::string fill(std::uint64_t size) { return std::string(size, 'x'); }

// Ends its process's stack; the compiler is not to see that it never ends.
inline int descend(int depth, volatile char* above) {
  volatile char own[4096];
  own[0] = above == nullptr ? '\0' : above[0];
  return depth < 0 ? own[0] : descend(depth + 1, own) + own[0];
}

inline bool exits_badly = false;
// Something in the program ends it again while it ends.
struct bad_farewell {
  ~bad_farewell() {
    if (exits_badly) ::_exit(7);
  }
};
inline bad_farewell const last_of_all;

inline int crash(std::string const& how) {
  if (how == "segv") {
    int* volatile nowhere = nullptr;
    return *nowhere;
  }
  if (how == "abort") std::abort();
  if (how == "overflow") return descend(0, nullptr);
  if (how == "loop") {
    for (volatile bool on = true; on;) {
    }
  }
  if (how == "exit") {
    exits_badly = true;
    std::exit(3);
  }
  if (how == "memory") {
    for (std::size_t const step = std::size_t{1} << 20;;) {
      auto* const more = std::malloc(step);
      if (more == nullptr) throw std::bad_alloc();
      std::memset(more, 1, step);
    }
  }
  return 0;
}

namespace task {

inline constexpr yonder::task<faults::enter> enter;
inline constexpr yonder::task<faults::hold> hold;
inline constexpr yonder::task<faults::process> process;
inline constexpr yonder::task<faults::sum_of> sum_of;
inline constexpr yonder::task<faults::fill> fill;
inline constexpr yonder::task<faults::crash> crash;

}  // namespace task

// client_rows.cpp: a process that asks for a lot.
int be_greedy(std::string const& keys, std::string const& address, std::size_t count, std::size_t size);

// How a call ended: its code, or 0 for a value.
template <class R>
yonder::error_details failure_of(yonder::call<R>& call) {
  auto const outcome = call.try_get();
  if (outcome) return {.code = yonder::errc{}};
  return outcome.error().details();
}

// Waits for its end, and no longer than `limit`.
template <class R>
bool has_ended(yonder::call<R>& call, std::chrono::nanoseconds limit) {
  try {
    return call.get_for(limit).has_value();
  } catch (std::exception const&) {
    return true;
  }
}

}  // namespace faults
