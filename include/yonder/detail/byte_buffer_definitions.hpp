// SPDX-License-Identifier: Apache-2.0
#pragma once

// What byte_buffer.hpp declares; see YONDER_FUNCTION.
#include <cstdlib>
#include <cstring>
#include <new>

#include "yonder/detail/byte_buffer.hpp"
#include "yonder/detail/spare_blocks.hpp"

namespace yonder::detail {

YONDER_FUNCTION void byte_buffer::free(std::byte* memory, std::size_t capacity) noexcept {
  if (capacity == small)
    spare_blocks<small>::give(memory);
  else
    std::free(memory);
}

YONDER_FUNCTION std::byte* byte_buffer::reallocated(std::size_t capacity) {
  auto* const grown = static_cast<std::byte*>(std::realloc(data_, capacity));
  if (grown == nullptr) throw std::bad_alloc();
  return grown;
}

YONDER_FUNCTION std::byte* byte_buffer::moved_out(std::size_t capacity) {
  auto* const grown = static_cast<std::byte*>(std::malloc(capacity));
  if (grown == nullptr) throw std::bad_alloc();
  std::memcpy(grown, data_, size_);
  spare_blocks<small>::give(data_);
  return grown;
}

YONDER_FUNCTION void byte_buffer::grow(std::size_t needed) {
  if (needed < size_) throw std::bad_alloc();
  auto capacity = capacity_ + capacity_ / 2;
  if (capacity < needed) capacity = needed;
  data_ = capacity <= small    ? static_cast<std::byte*>(spare_blocks<small>::take())
          : capacity_ == small ? moved_out(capacity)
                               : reallocated(capacity);
  capacity_ = capacity <= small ? small : capacity;
}

YONDER_FUNCTION buffer owned_copy(std::span<std::byte const> bytes) {
  auto copy = std::make_shared<byte_buffer>(byte_buffer::copy_of(bytes));
  return {copy->data(), copy->size(), copy};
}

}  // namespace yonder::detail
