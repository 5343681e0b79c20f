// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

namespace yonder::core {

// A binary heap of elements that somebody else owns. Each knows its place, so that any of them can move and
// leave: `place`, from 1, 0: in none; and a.comes_before(b).
template <class Element>
class ranked_heap {
 public:
  bool empty() const noexcept { return elements_.empty(); }
  std::size_t size() const noexcept { return elements_.size(); }
  Element& front() const noexcept { return *elements_.front(); }
  std::span<Element* const> elements() const noexcept { return elements_; }

  void push(Element& added) {
    elements_.push_back(&added);
    added.place = elements_.size();
    sift(added.place - 1);
  }
  // What it is ranked by has changed.
  void moved(Element& one) noexcept { sift(one.place - 1); }
  void remove(Element& gone) noexcept {
    auto const index = std::exchange(gone.place, 0) - 1;
    auto& last = *elements_.back();
    elements_.pop_back();
    if (index == elements_.size()) return;
    put(index, last);
    sift(index);
  }

 private:
  void put(std::size_t index, Element& one) noexcept {
    elements_[index] = &one;
    one.place = index + 1;
  }
  void sift(std::size_t index) noexcept {
    auto& moved = *elements_[index];
    while (index != 0 && moved.comes_before(*elements_[(index - 1) / 2])) {
      put(index, *elements_[(index - 1) / 2]);
      index = (index - 1) / 2;
    }
    for (auto child = 2 * index + 1; child < elements_.size(); child = 2 * index + 1) {
      if (child + 1 < elements_.size() && elements_[child + 1]->comes_before(*elements_[child])) ++child;
      if (!elements_[child]->comes_before(moved)) break;
      put(index, *elements_[child]);
      index = child;
    }
    put(index, moved);
  }

  std::vector<Element*> elements_;
};

}  // namespace yonder::core
