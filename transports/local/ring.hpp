// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace yonder::transport {

// What one side of a connection says to the other, in memory that it alone writes. All zeros at first.
template <class Word>
struct ring_words {
  alignas(64) Word written{};  // bytes put into its ring, ever, modulo 2^32
  Word bell{};                 // another value whenever the other side is to look
  alignas(64) Word taken{};    // bytes taken from the other's ring, ever, modulo 2^32
  alignas(64) Word sleep{};    // odd: it is awake; even: it is to be woken, once for each value
  Word wants_room{};           // 1: to be woken when half of its ring is free
};

// One side of two rings of bytes in memory that two processes share: it writes one and reads the other. Pure:
// it knows the positions, not the bytes, and Word is std::atomic<std::uint32_t> or what a test puts in its
// place.
//
// What the other side writes may be anything at any time: each word is read once, its value held against what
// is possible, and what this side has written is never read back.
//
// Threads: one at a time, but for the words themselves.
template <class Word>
class ring_side {
 public:
  using number = std::uint32_t;

  // `capacity`: of either ring, a power of two.
  ring_side(ring_words<Word>& own, ring_words<Word> const& other, number capacity)
      : own_(own), other_(other), capacity_(capacity) {}

  // --- writing
  // How many bytes can be written at written(): looks at the other side only where less than `wanted` is
  // known.
  [[nodiscard]] number room(number wanted) {
    if (auto const known = capacity_ - (written_ - other_taken_); known >= wanted) return known;
    auto const taken = other_.taken.load(std::memory_order_seq_cst);  // after want_room()
    if (written_ - taken > written_ - other_taken_) return fail();  // it went back, or past what was written
    other_taken_ = taken;
    return capacity_ - (written_ - taken);
  }
  [[nodiscard]] number written() const { return written_; }
  // The bytes that were written there are the other side's.
  void publish(number count) {
    written_ += count;
    own_.written.store(written_, std::memory_order_release);
    rings_ = true;
  }
  // Whether ring() of the other side is to wake this one when half of the ring is free.
  void want_room(bool on) {
    if (wants_room_ == on) return;
    wants_room_ = on;
    own_.wants_room.store(on ? 1 : 0, std::memory_order_seq_cst);
  }

  // --- reading
  // How many bytes lie at taken().
  [[nodiscard]] number readable() {
    auto const written = other_.written.load(std::memory_order_acquire);
    auto const count = written - taken_;
    if (count > capacity_ || count < unread_) return fail();
    unread_ = count;
    return count;
  }
  [[nodiscard]] number taken() const { return taken_; }
  // Whether `taken` bytes, as of taken(), are not all that the other side has written. Any thread.
  [[nodiscard]] bool wrote_past(number taken) const {
    return other_.written.load(std::memory_order_relaxed) != taken;
  }
  // They were copied, and will not be looked at again.
  void take(number count) {
    taken_ += count;
    unread_ -= count;
    own_.taken.store(taken_, std::memory_order_seq_cst);
    if (unread_ <= capacity_ / 2 && other_.wants_room.load(std::memory_order_seq_cst) != 0) rings_ = true;
  }

  // The other side has broken the rules: it is told of no more bytes and no more room.
  [[nodiscard]] bool is_broken() const { return broken_; }

  // --- waking the other side
  // After publish() and take(). True: the other side sleeps, or is about to, and is to be woken.
  [[nodiscard]] bool ring() {
    if (!rings_) return false;
    rings_ = false;
    own_.bell.store(++bell_, std::memory_order_seq_cst);
    auto const sleep = other_.sleep.load(std::memory_order_seq_cst);
    if (sleep % 2 != 0 || sleep == woken_) return false;
    woken_ = sleep;
    return true;
  }

  // --- sleeping
  // False: there is something to do. True: the other side knows that this one is to be woken. Whoever changes
  // the bell and does not see that it sleeps has changed it before it is read again here.
  [[nodiscard]] bool may_sleep() {
    auto const seen = other_.bell.load(std::memory_order_seq_cst);
    if (has_work()) return false;
    own_.sleep.store(sleep_ += 2, std::memory_order_seq_cst);
    if (other_.bell.load(std::memory_order_seq_cst) == seen) return true;
    stay_awake();
    return false;
  }
  void stay_awake() { own_.sleep.store(sleep_ | 1, std::memory_order_release); }
  [[nodiscard]] bool has_work() {
    bool const work = readable() != 0 || (wants_room_ && room(capacity_ / 2) >= capacity_ / 2);
    return work || broken_;
  }

 private:
  number fail() {
    broken_ = true;
    return 0;
  }

  ring_words<Word>& own_;
  ring_words<Word> const& other_;
  number capacity_;
  number written_ = 0;
  number other_taken_ = 0;
  number taken_ = 0;
  number unread_ = 0;  // of what was seen
  number bell_ = 0;
  number sleep_ = 0;
  number woken_ = 1;  // the sleep of the other side that was ended last; 1: none
  bool rings_ = false;
  bool wants_room_ = false;
  bool broken_ = false;
};

}  // namespace yonder::transport
