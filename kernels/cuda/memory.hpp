// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

namespace yonder::kernels::cuda {

// Hands out parts of one block of memory, in order, each aligned for any kernel. With a null block it only
// counts: a plan is made by the same code that carries it out.
class arena {
 public:
  static constexpr std::size_t alignment = 256;

  arena() = default;
  explicit arena(std::byte* block) : block_(block) {}

  template <class Element>
  Element* take(std::size_t count) {
    std::size_t const at = used_;
    used_ += (count * sizeof(Element) + alignment - 1) / alignment * alignment;
    return block_ == nullptr ? nullptr : reinterpret_cast<Element*>(block_ + at);
  }

  std::size_t used() const noexcept { return used_; }

 private:
  std::byte* block_ = nullptr;
  std::size_t used_ = 0;
};

}  // namespace yonder::kernels::cuda
