// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace yonder::core {

// A queue in one block of memory that grows and is used again; elements can be taken out of its middle. One
// that has left is made anew, by its reset() if it has one.
template <class Element>
class ring {
 public:
  bool empty() const noexcept { return count_ == 0; }
  std::size_t size() const noexcept { return count_; }
  Element& operator[](std::size_t index) noexcept { return places_[(first_ + index) & mask_]; }
  Element& front() noexcept { return (*this)[0]; }
  Element const& front() const noexcept { return places_[first_]; }
  Element const& operator[](std::size_t index) const noexcept { return places_[(first_ + index) & mask_]; }

  void push_back(Element element) { push_back() = std::move(element); }
  // A new one at the end, as it was made or reset.
  Element& push_back() {
    if (count_ == places_.size()) grow();
    ++count_;
    return (*this)[count_ - 1];
  }

  void insert(std::size_t index, Element element) {
    push_back({});
    for (auto i = count_ - 1; i != index; --i) (*this)[i] = std::move((*this)[i - 1]);
    (*this)[index] = std::move(element);
  }

  void pop_front() noexcept {
    if constexpr (requires(Element & one) { one.reset(); })
      front().reset();
    else
      front() = {};
    first_ = (first_ + 1) & mask_;
    --count_;
  }

  void clear() noexcept {
    while (count_ != 0) pop_front();
  }

  void erase(std::size_t index) noexcept {
    for (; index != 0; --index) (*this)[index] = std::move((*this)[index - 1]);
    pop_front();
  }

 private:
  void grow() {
    std::vector<Element> larger(places_.empty() ? 4 : places_.size() * 2);
    for (std::size_t i = 0; i < count_; ++i) larger[i] = std::move((*this)[i]);
    places_ = std::move(larger);
    mask_ = places_.size() - 1;
    first_ = 0;
  }

  std::vector<Element> places_;
  std::size_t mask_ = 0;  // so many places less one
  std::size_t first_ = 0;
  std::size_t count_ = 0;
};

}  // namespace yonder::core
