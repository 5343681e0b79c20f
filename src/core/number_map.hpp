// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>
#include <vector>

namespace yonder::core {

// A hash map from numbers to elements that somebody else owns: linear probing in Robin Hood order (Celis
// 1986), at most half full. Each number has its own place while numbers follow each other, as those of calls
// do. Where that lets many meet (a stride, say), they are scattered from then on, by a multiplier made of
// `seed`.
template <class Element>
class number_map {
 public:
  explicit number_map(std::uint64_t seed = 0) : multiplier_(odd(seed)) {}

  std::size_t size() const noexcept { return count_; }

  Element* find(std::uint64_t number) const noexcept {
    if (count_ == 0) return nullptr;
    auto const at = index_of(number);
    return at == absent ? nullptr : entries_[at].element;
  }

  // False: the number is taken.
  bool insert(std::uint64_t number, Element& element) {
    if (find(number) != nullptr) return false;
    if (entries_.size() < 2 * (count_ + 1)) rebuild(entries_.empty() ? 4 : bits_ + 1);
    ++count_;
    if (place({number, &element}) > most_probes && !scattered_) scatter();
    return true;
  }

  // The element that was removed, or null.
  Element* erase(std::uint64_t number) noexcept {
    if (count_ == 0) return nullptr;
    auto const at = index_of(number);
    if (at == absent) return nullptr;
    auto* const removed = entries_[at].element;
    close(at);
    if (--count_ == 0 && entries_.size() > most_kept) std::vector<entry>().swap(entries_);
    return removed;
  }

 private:
  static constexpr std::size_t absent = std::size_t(-1);
  static constexpr std::size_t most_probes = 32;
  static constexpr std::size_t most_kept = 8'192;  // places of an empty map

  struct entry {
    std::uint64_t number = 0;
    Element* element = nullptr;
  };

  std::size_t mask() const noexcept { return entries_.size() - 1; }
  // The finalizer of SplitMix64 (Steele, Lea, Flood 2014): a small seed has few bits.
  static std::uint64_t odd(std::uint64_t seed) noexcept {
    auto z = seed + 0x9e3779b97f4a7c15;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return (z ^ (z >> 31)) | 1;
  }

  std::size_t home_of(std::uint64_t number) const noexcept {
    if (!scattered_) [[likely]]
      return static_cast<std::size_t>(number) & mask();
    // Twice: one multiplication may lay a run of numbers onto few places.
    number *= multiplier_;
    return static_cast<std::size_t>(((number ^ (number >> 32)) * 0x9e3779b97f4a7c15) >> (64 - bits_));
  }
  // How far from its home the entry at `at` lies.
  std::size_t distance_at(std::size_t at) const noexcept {
    return (at - home_of(entries_[at].number)) & mask();
  }

  std::size_t index_of(std::uint64_t number) const noexcept {
    auto at = home_of(number);
    for (std::size_t away = 0; entries_[at].element != nullptr; ++away, at = (at + 1) & mask()) {
      if (entries_[at].number == number) return at;
      if (distance_at(at) < away) return absent;
    }
    return absent;
  }

  // Whoever is nearer to its home makes room. How many places were taken before the one that was free.
  std::size_t place(entry added) noexcept {
    std::size_t probes = 0;
    auto at = home_of(added.number);
    for (std::size_t away = 0; entries_[at].element != nullptr; ++away, ++probes, at = (at + 1) & mask()) {
      auto const there = distance_at(at);
      if (there >= away) continue;
      std::swap(entries_[at], added);
      away = there;
    }
    entries_[at] = added;
    return probes;
  }

  // Moves back what is not at home behind the hole.
  void close(std::size_t hole) noexcept {
    for (auto at = (hole + 1) & mask(); entries_[at].element != nullptr && distance_at(at) != 0;
         at = (at + 1) & mask()) {
      entries_[hole] = entries_[at];
      hole = at;
    }
    entries_[hole] = {};
  }

  // Where there is no memory for that, numbers go on to meet.
  void scatter() noexcept try {
    std::vector<entry> old(entries_.size());
    entries_.swap(old);
    scattered_ = true;
    for (auto const& one : old) {
      if (one.element != nullptr) place(one);
    }
  } catch (std::bad_alloc const&) {
  }

  void rebuild(int bits) {
    std::vector<entry> old(std::size_t{1} << bits);  // whose memory may be refused
    entries_.swap(old);
    bits_ = bits;
    for (auto const& one : old) {
      if (one.element != nullptr) place(one);
    }
  }

  std::vector<entry> entries_;
  std::size_t count_ = 0;
  int bits_ = 4;
  bool scattered_ = false;
  std::uint64_t multiplier_;
};

}  // namespace yonder::core
