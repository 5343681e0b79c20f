// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/link.hpp"
#include "src/core/mutant.hpp"

#include <algorithm>

namespace yonder::core {

// A token bucket that keeps retries from making an outage worse: each takes a token, each call brings a part
// of one, and time brings some, so that what waits for a token does not wait for ever.
class retry_budget {
 public:
  struct limits {
    double most = 100;  // tokens; so many at the start
    double per_call = 0.1;
    double per_second = 10;
  };

  retry_budget(limits const& allowed, time_point now)
      : limits_(allowed), tokens_(allowed.most), refilled_(now) {}

  void on_calls(std::uint32_t count) noexcept {
    tokens_ = std::min(limits_.most, tokens_ + limits_.per_call * count);
  }

  // Takes a token for each of `count` calls, if there are so many; of a bucket that never holds so many, all.
  bool take(time_point now, std::uint32_t count) noexcept {
    refill(now);
    if (YONDER_MUTANT(tokens_ignored)) return true;
    if (tokens_ < price(count) || YONDER_RARELY()) return false;
    tokens_ -= price(count);
    return true;
  }

  // When there will be so many tokens, if no call comes before.
  time_point next(std::uint32_t count) const noexcept {
    auto const missing = std::max(0.0, price(count) - tokens_) / limits_.per_second;
    return add(refilled_, static_cast<duration>(missing * static_cast<double>(second)) + 1);
  }

 private:
  double price(std::uint32_t count) const noexcept {
    return std::min(static_cast<double>(count), std::max(1.0, limits_.most));
  }
  void refill(time_point now) noexcept {
    auto const seconds = static_cast<double>(now - refilled_) / static_cast<double>(second);
    tokens_ = std::min(limits_.most, tokens_ + seconds * limits_.per_second);
    refilled_ = now;
  }

  limits limits_;
  double tokens_;
  time_point refilled_;
};

}  // namespace yonder::core
