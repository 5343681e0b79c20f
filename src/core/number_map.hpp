// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace yonder::core {

// A hash map from numbers to elements that somebody else owns; linear probing, at most half full. Numbers
// that follow each other lie side by side; a stride that would meet itself is scattered by `seed`.
template <class Element>
class number_map {
 public:
  explicit number_map(std::uint64_t seed = 0) : seed_(seed | 1) {}

  std::size_t size() const noexcept { return count_; }

  Element* find(std::uint64_t number) const noexcept {
    if (count_ == 0) return nullptr;
    return slots_[index_of(number)].element;
  }

  // False: the number is taken.
  bool insert(std::uint64_t number, Element& element) {
    if (slots_.size() < 2 * (count_ + 1)) grow();
    auto& slot = slots_[index_of(number)];
    if (slot.element != nullptr) return false;
    slot = {number, &element};
    ++count_;
    return true;
  }

  // The element that was removed, or null.
  Element* erase(std::uint64_t number) noexcept {
    if (count_ == 0) return nullptr;
    auto hole = index_of(number);
    auto* const removed = slots_[hole].element;
    if (removed == nullptr) return nullptr;
    close(hole);
    --count_;
    return removed;
  }

  template <class Visit>
  void for_each(Visit&& visit) const {
    for (auto const& slot : slots_) {
      if (slot.element != nullptr) visit(*slot.element);
    }
  }

 private:
  struct entry {
    std::uint64_t number = 0;
    Element* element = nullptr;
  };

  std::size_t home_of(std::uint64_t number) const noexcept {
    return static_cast<std::size_t>(number + (number >> bits_) * seed_) & (slots_.size() - 1);
  }

  // Where `number` is, or the empty slot where it would be.
  std::size_t index_of(std::uint64_t number) const noexcept {
    auto at = home_of(number);
    while (slots_[at].element != nullptr && slots_[at].number != number) at = (at + 1) & (slots_.size() - 1);
    return at;
  }

  // Moves back what follows, so that no probe ends too early (Knuth, volume 3, algorithm 6.4 R).
  void close(std::size_t hole) noexcept {
    auto const mask = slots_.size() - 1;
    for (auto at = (hole + 1) & mask; slots_[at].element != nullptr; at = (at + 1) & mask) {
      auto const home = home_of(slots_[at].number);
      if (((at - home) & mask) < ((at - hole) & mask)) continue;
      slots_[hole] = slots_[at];
      hole = at;
    }
    slots_[hole] = {};
  }

  void grow() {
    auto const old = std::move(slots_);
    bits_ = old.empty() ? 4 : bits_ + 1;
    slots_.assign(std::size_t{1} << bits_, entry{});
    for (auto const& one : old) {
      if (one.element != nullptr) slots_[index_of(one.number)] = one;
    }
  }

  std::vector<entry> slots_;
  std::size_t count_ = 0;
  int bits_ = 4;
  std::uint64_t seed_;
};

}  // namespace yonder::core
