// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace yonder::transport {

// Which pages of a memory are blocks. Pure, and of whoever writes that memory alone: the other side can name
// a block, and changes nothing.
class block_table {
 public:
  static constexpr std::uint32_t most_blocks = 256;

  explicit block_table(std::uint32_t pages) : pages_(pages) {}

  // A block of `count` pages, at least one: the lowest that are free, so that the same ones are used again
  // and again. Nothing where there is no room, or where there are most_blocks.
  std::optional<std::uint32_t> take(std::uint32_t count);
  // False: no block begins there.
  bool give(std::uint32_t first);

  std::uint32_t blocks() const { return used_; }

  // Calls `give_back(first, count)` for pages that were part of a block since the last time, and are not now.
  template <class GiveBack>
  void for_each_idle(GiveBack give_back) {
    std::uint32_t free = 0;
    for (std::uint32_t i = 0; i < used_; ++i) {
      if (taken_[i].first != free) give_back(free, taken_[i].first - free);
      free = taken_[i].first + taken_[i].count;
    }
    if (touched_ > free) give_back(free, touched_ - free);
    touched_ = free;
  }

 private:
  struct block {
    std::uint32_t first;
    std::uint32_t count;
  };

  std::uint32_t pages_;
  std::uint32_t touched_ = 0;  // no page from here on was part of a block
  std::uint32_t used_ = 0;
  std::array<block, most_blocks> taken_;  // in order
};

}  // namespace yonder::transport
