// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

namespace yonder::kernels::cpu {

namespace detail {

struct free_memory {
  void operator()(std::byte* memory) const noexcept;
};
using owned_memory = std::unique_ptr<std::byte[], free_memory>;

// Zeros, at a cache line's boundary; large blocks lie in huge pages where the system has them. Throws
// std::bad_alloc.
owned_memory allocate_zeros(std::size_t bytes);

}  // namespace detail

// Memory that grows and is kept: after reserve(), data() has room for at least so many elements. Its bytes
// are zero until they are written; growing loses what was written.
template <class Element>
class aligned_buffer {
 public:
  aligned_buffer() = default;
  explicit aligned_buffer(std::size_t count) { reserve(count); }

  void reserve(std::size_t count) {
    if (count <= count_) return;
    if (count > SIZE_MAX / sizeof(Element)) throw std::bad_alloc();
    memory_.reset();
    count_ = 0;
    memory_ = detail::allocate_zeros(count * sizeof(Element));
    count_ = count;
  }

  std::size_t size() const noexcept { return count_; }
  Element* data() noexcept { return reinterpret_cast<Element*>(memory_.get()); }
  Element const* data() const noexcept { return reinterpret_cast<Element const*>(memory_.get()); }

 private:
  detail::owned_memory memory_;
  std::size_t count_ = 0;
};

}  // namespace yonder::kernels::cpu
