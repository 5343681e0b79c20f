// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/check.hpp"
#include "src/core/frame.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <tuple>

namespace yonder::core {

// Calls with consecutive numbers, of many frames: whether a further one is about some of them. Frames of one
// call cost what one does; where some are about several calls, a question looks at no more than the widest of
// these has.
class call_ranges {
 public:
  void add(call_id const& first, std::uint32_t count) {
    ++frames_[{first.session, first.number, count}];
    widest_ = std::max(widest_, count);
  }
  // Was added, and not removed since.
  void remove(call_id const& first, std::uint32_t count) {
    auto const found = frames_.find({first.session, first.number, count});
    YONDER_CHECK(found != frames_.end(), "a range of calls is removed that was added");
    if (--found->second != 0) return;
    frames_.erase(found);
    if (frames_.empty()) widest_ = 1;
  }
  bool overlaps(call_id const& first, std::uint32_t count) const {
    auto const before = std::min<std::uint64_t>(widest_ - 1, first.number);
    auto one = frames_.lower_bound({first.session, first.number - before, 0});
    for (; one != frames_.end(); ++one) {
      auto const& [session, number, calls] = one->first;
      if (session != first.session || number >= first.number + count) return false;
      if (number + calls > first.number) return true;
    }
    return false;
  }
  void clear() noexcept {
    frames_.clear();
    widest_ = 1;
  }

 private:
  std::map<std::tuple<std::uint64_t, std::uint64_t, std::uint32_t>, std::size_t> frames_;
  std::uint32_t widest_ = 1;
};

}  // namespace yonder::core
