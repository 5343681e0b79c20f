// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

namespace yonder::core {

// Elements at fixed addresses, made in chunks and used again and again. What many took at once goes back to
// the heap when none is used any more.
template <class Element>
class slab {
 public:
  // An element as it was made or as reset() left it.
  Element& acquire() {
    if (free_.empty()) grow();
    auto* const element = free_.back();
    free_.pop_back();
    ++used_;
    return *element;
  }

  void release(Element& element) {
    element.reset();
    free_.push_back(&element);
    if (--used_ == 0 && chunks_.size() > kept_chunks) {
      std::vector<Element*>().swap(free_);
      std::vector<std::unique_ptr<Element[]>>().swap(chunks_);
    }
  }

  std::size_t size() const noexcept { return used_; }

 private:
  static constexpr std::size_t chunk_size = 64;
  static constexpr std::size_t kept_chunks = 64;

  void grow() {
    auto& chunk = chunks_.emplace_back(std::make_unique<Element[]>(chunk_size));
    free_.reserve(chunks_.size() * chunk_size);
    for (auto i = chunk_size; i != 0; --i) free_.push_back(&chunk[i - 1]);
  }

  std::vector<std::unique_ptr<Element[]>> chunks_;
  std::vector<Element*> free_;
  std::size_t used_ = 0;
};

}  // namespace yonder::core
