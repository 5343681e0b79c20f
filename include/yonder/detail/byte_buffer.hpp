// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <utility>

#include "yonder/detail/export.hpp"

namespace yonder::detail {

// A growable array of bytes whose new bytes are not zeroed. Move-only; copies are made in words, by
// `copy_of`.
class byte_buffer {
 public:
  byte_buffer() noexcept = default;
  byte_buffer(byte_buffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)),
        size_(std::exchange(other.size_, 0)),
        capacity_(std::exchange(other.capacity_, 0)) {}
  byte_buffer& operator=(byte_buffer&& other) noexcept {
    byte_buffer(std::move(other)).swap(*this);
    return *this;
  }
  ~byte_buffer() {
    if (data_ != nullptr) free(data_, capacity_);
  }

  static byte_buffer copy_of(std::span<std::byte const> bytes) {
    byte_buffer copy;
    copy.append(bytes.data(), bytes.size());
    return copy;
  }

  std::byte* data() noexcept { return data_; }
  std::byte const* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }
  std::size_t capacity() const noexcept { return capacity_; }
  bool empty() const noexcept { return size_ == 0; }
  std::span<std::byte const> bytes() const noexcept { return {data_, size_}; }
  operator std::span<std::byte const>() const noexcept { return bytes(); }

  void clear() noexcept { size_ = 0; }
  void truncate(std::size_t size) noexcept {
    if (size < size_) size_ = size;
  }
  void reserve(std::size_t capacity) {
    if (capacity > capacity_) grow(capacity);
  }

  // Room for `count` bytes at the end, whose values are indeterminate until written.
  std::byte* extend(std::size_t count) {
    if (count > capacity_ - size_) [[unlikely]]
      grow(size_ + count);
    auto* const end = data_ + size_;
    size_ += count;
    return end;
  }

  void append(void const* from, std::size_t count) {
    if (count != 0) std::memcpy(extend(count), from, count);
  }

  // The memory, which the caller gives back to free() with the capacity that it had; nothing is left here.
  std::byte* release() noexcept {
    size_ = capacity_ = 0;
    return std::exchange(data_, nullptr);
  }
  YONDER_API static void free(std::byte* memory, std::size_t capacity) noexcept;

  void swap(byte_buffer& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(capacity_, other.capacity_);
  }

 private:
  static constexpr std::size_t small = 128;  // the least capacity

  YONDER_API void grow(std::size_t needed);
  std::byte* reallocated(std::size_t capacity);
  std::byte* moved_out(std::size_t capacity);

  std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

// One large contiguous block that travels beside the inline bytes, without a copy. `owner` keeps it alive;
// without one it is borrowed from a caller, who waits until the call has ended.
struct buffer {
  std::byte const* data = nullptr;
  std::size_t size = 0;
  std::shared_ptr<void const> owner;

  std::span<std::byte const> bytes() const noexcept { return {data, size}; }
  bool borrowed() const noexcept { return owner == nullptr && size != 0; }
};

// A buffer that owns a copy of `bytes`.
YONDER_API buffer owned_copy(std::span<std::byte const> bytes);

}  // namespace yonder::detail

#ifndef YONDER_LINKS_CORE
#include "yonder/detail/byte_buffer_definitions.hpp"
#endif
