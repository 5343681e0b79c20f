// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace yonder::transport {

// The blocks of the other side's memory that one side has done with, in memory that it alone writes. All
// zeros at first.
template <class Word, std::uint32_t most>
struct returned_words {
  alignas(64) Word count{};  // ever, modulo 2^32
  Word pages[most]{};        // where the latest of them begin: number i at i % most
};

// Of whoever reads the blocks.
template <class Word, std::uint32_t most>
class block_returner {
 public:
  explicit block_returner(returned_words<Word, most>& own) : own_(own) {}

  // The block was read, and will not be looked at again. One thread at a time.
  void give(std::uint32_t page) {
    own_.pages[count_ % most].store(page, std::memory_order_relaxed);
    own_.count.store(++count_, std::memory_order_release);
  }

 private:
  returned_words<Word, most>& own_;
  std::uint32_t count_ = 0;
};

// Of whoever writes them, and has never lent more than `most` at once: so none is overwritten before it was
// seen, if the other side keeps the rules. What it writes may be anything: each word is read once.
template <class Word, std::uint32_t most>
class block_collector {
 public:
  explicit block_collector(returned_words<Word, most> const& others) : others_(others) {}

  // Calls `give(page)` for each block that came back; `lent`: how many there are to come. False: more than
  // those, or `give` has returned false.
  template <class Give>
  [[nodiscard]] bool collect(std::uint32_t lent, Give give) {
    auto const count = others_.count.load(std::memory_order_acquire);
    if (count - seen_ > lent) return false;
    while (seen_ != count)
      if (!give(others_.pages[seen_++ % most].load(std::memory_order_relaxed))) return false;
    return true;
  }

 private:
  returned_words<Word, most> const& others_;
  std::uint32_t seen_ = 0;
};

}  // namespace yonder::transport
