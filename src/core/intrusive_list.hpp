// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

namespace yonder::core {

// A place in one intrusive_list. An element that is in several lists at once has one of them, under its own
// Tag, for each.
template <class Tag>
struct list_hook {
  list_hook* previous = nullptr;
  list_hook* next = nullptr;
  bool linked() const noexcept { return previous != nullptr; }
};

// A doubly linked list through hooks that its elements derive from. It owns nothing.
template <class Element, class Tag>
class intrusive_list {
  using hook = list_hook<Tag>;

 public:
  intrusive_list() noexcept { head_.previous = head_.next = &head_; }
  intrusive_list(intrusive_list const&) = delete;
  intrusive_list& operator=(intrusive_list const&) = delete;

  bool empty() const noexcept { return head_.next == &head_; }
  std::size_t size() const noexcept { return size_; }
  Element& front() noexcept { return element(head_.next); }
  Element& back() noexcept { return element(head_.previous); }
  Element* first() noexcept { return empty() ? nullptr : &front(); }

  // The element behind `from`, or null.
  Element* after(Element& from) noexcept {
    auto* const next = static_cast<hook&>(from).next;
    return next == &head_ ? nullptr : &element(next);
  }

  // The element before `from`, or null.
  Element* before(Element& from) noexcept {
    auto* const previous = static_cast<hook&>(from).previous;
    return previous == &head_ ? nullptr : &element(previous);
  }

  void push_back(Element& added) noexcept { insert(*head_.previous, added); }
  void push_front(Element& added) noexcept { insert(head_, added); }
  void insert_after(Element& place, Element& added) noexcept { insert(static_cast<hook&>(place), added); }
  void insert_before(Element& place, Element& added) noexcept {
    insert(*static_cast<hook&>(place).previous, added);
  }

  void remove(Element& removed) noexcept {
    hook& at = removed;
    at.previous->next = at.next;
    at.next->previous = at.previous;
    at.previous = at.next = nullptr;
    --size_;
  }
  bool contains(Element const& one) const noexcept { return static_cast<hook const&>(one).linked(); }

 private:
  static Element& element(hook* at) noexcept { return static_cast<Element&>(*at); }
  void insert(hook& place, hook& added) noexcept {
    added.previous = &place;
    added.next = place.next;
    place.next->previous = &added;
    place.next = &added;
    ++size_;
  }

  hook head_;
  std::size_t size_ = 0;
};

}  // namespace yonder::core
