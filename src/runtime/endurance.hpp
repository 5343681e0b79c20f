// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstring>
#include <exception>
#include <mutex>
#include <thread>

#include "src/driver/leadership.hpp"

namespace yonder::runtime_detail {

// What keeps a driver going when a step of it throws. Used under the driver's lock.
class endurance {
 public:
  using lock = std::unique_lock<std::mutex>;

  // Makes a step, which may release the lock and take it again. After a throw there is a pause, in which
  // others have the lock; or, where it comes again and again or a core was interrupted, give_up(char const*).
  // Then `ring()`, without which nobody might come to what the step has left.
  template <class Step, class GiveUp, class Ring>
  void survive(lock& held, Step&& step, GiveUp&& give_up, Ring&& ring) {
    char what[256] = "";
    core::duration pause = 0;
    try {
      step();
      mishaps_.succeeded();
      return;
    } catch (std::exception const& error) {
      std::strncpy(what, error.what(), sizeof what - 1);
      pause = interrupted_ ? core::never : mishaps_.failed(error);
    }
    if (!held.owns_lock()) held.lock();
    if (pause == core::never) {
      give_up(static_cast<char const*>(what));
    } else {
      held.unlock();
      std::this_thread::sleep_for(std::chrono::nanoseconds(pause));
      held.lock();
    }
    if (driver::leadership::must_ring_after_throw()) ring();
  }

  // A part of a step that cannot be made again: a core is asked, or what it said is carried out. A throw
  // leaves something in the middle, and a call might never end.
  template <class Step>
  void once(Step&& step) {
    try {
      step();
    } catch (...) {
      interrupted_ = true;
      throw;
    }
  }

 private:
  driver::mishaps mishaps_;
  bool interrupted_ = false;
};

}  // namespace yonder::runtime_detail
