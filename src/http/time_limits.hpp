// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstddef>
#include <vector>

namespace yonder::http {

// Something of which time is to be taken note.
class timed {
 public:
  using time_point = std::chrono::steady_clock::time_point;
  timed() = default;
  timed(timed const&) = delete;
  timed& operator=(timed const&) = delete;

  // Does what is due by `now`; returns when the next is, or max().
  virtual time_point look_at_time(time_point now) = 0;

 protected:
  ~timed() = default;

 private:
  friend class time_limits;
  std::size_t place_ = 0;
};

// The limits of many connections under one timer, to a tenth of a second: a limit that is moved with every
// request costs nothing then, where a timer of its own is set and cancelled each time. Used by the context's
// thread.
class time_limits {
 public:
  using time_point = timed::time_point;
  explicit time_limits(boost::asio::io_context& context) : timer_(context) {}

  void add(timed& one) {
    one.place_ = all_.size();
    all_.push_back(&one);
  }
  void remove(timed& one) noexcept {
    all_[one.place_] = all_.back();
    all_[one.place_]->place_ = one.place_;
    all_.pop_back();
  }
  // One of them is to be looked at by then.
  void set(time_point when) {
    if (when >= next_) return;
    next_ = when;
    timer_.expires_at(when);
    timer_.async_wait([this](boost::system::error_code const& error) {
      if (!error) look();
    });
  }

 private:
  static constexpr auto step = std::chrono::milliseconds(100);

  void look() {
    auto const now = std::chrono::steady_clock::now();
    next_ = (time_point::max)();
    auto next = next_;
    // One that is looked at may go, and the last takes its place.
    try {
      for (std::size_t i = all_.size(); i-- > 0;)
        if (i < all_.size()) next = (std::min)(next, all_[i]->look_at_time(now));
    } catch (...) {  // without memory, say: the others are looked at again
      set(now + step);
      throw;
    }
    if (next != (time_point::max)()) set((std::max)(next, now + step));
  }

  std::vector<timed*> all_{};
  time_point next_ = (time_point::max)();
  boost::asio::basic_waitable_timer<std::chrono::steady_clock,
                                    boost::asio::wait_traits<std::chrono::steady_clock>,
                                    boost::asio::io_context::executor_type>
      timer_;
};

}  // namespace yonder::http
