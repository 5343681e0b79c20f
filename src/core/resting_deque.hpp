// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <deque>
#include <memory>
#include <utility>

namespace yonder::core {

// A deque that takes a pointer's memory until it has elements, and again once rest() was told that there will
// be none for a while. (std::deque takes some 600 bytes before it has any.)
template <class Element>
class resting_deque {
 public:
  using iterator = typename std::deque<Element>::iterator;
  using const_iterator = typename std::deque<Element>::const_iterator;

  bool empty() const noexcept { return elements_ == nullptr || elements_->empty(); }
  std::size_t size() const noexcept { return elements_ == nullptr ? 0 : elements_->size(); }
  Element& front() noexcept { return elements_->front(); }
  Element const& front() const noexcept { return elements_->front(); }
  Element& back() noexcept { return elements_->back(); }
  Element& operator[](std::size_t index) noexcept { return (*elements_)[index]; }
  iterator begin() noexcept { return seen().begin(); }
  iterator end() noexcept { return seen().end(); }
  const_iterator begin() const noexcept { return std::as_const(seen()).begin(); }
  const_iterator end() const noexcept { return std::as_const(seen()).end(); }

  void push_back(Element&& element) {
    wake();
    elements_->push_back(std::move(element));
  }
  // Takes what the first elements need.
  void wake() {
    if (elements_ == nullptr) elements_ = std::make_unique<std::deque<Element>>();
  }
  void pop_front() noexcept { elements_->pop_front(); }
  void pop_back() noexcept { elements_->pop_back(); }
  void erase(iterator place) { elements_->erase(place); }
  void clear() noexcept { elements_.reset(); }
  void rest() noexcept {
    if (empty()) elements_.reset();
  }

 private:
  std::deque<Element>& seen() const noexcept {
    static std::deque<Element> none;  // nothing is ever put there
    return elements_ == nullptr ? none : *elements_;
  }

  std::unique_ptr<std::deque<Element>> elements_;
};

}  // namespace yonder::core
