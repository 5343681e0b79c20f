// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <string_view>

namespace yonder::runtime_detail {

// Where a worker reads what is printed, before it passes that on: memory that it shares with whoever watches
// it, who finds there what the worker had taken and not passed on when it ended. Zeros are behind the text.
struct text_in_hand {
  static constexpr std::size_t most = 2048;
  char text[most];

  // What is left of a worker that has ended, of which `passed` is the last that came. It may have ended
  // when it had passed on a part of the text, or all of it.
  std::string_view left(std::string_view passed) const noexcept {
    auto size = most;
    while (size != 0 && text[size - 1] == 0) --size;
    std::string_view const all(text, size);
    for (auto came = std::min(size, passed.size()); came != 0; --came)
      if (passed.ends_with(all.substr(0, came))) return all.substr(came);
    return all;
  }
};

}  // namespace yonder::runtime_detail
