// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>

#include "model/unicode.hpp"

namespace yonder::kernels {

// Text that is written from front to back. Its memory stays for the next one, and `slack` bytes past its end
// may be read: they are spaces once finish() was called.
class text_buffer {
 public:
  static constexpr std::size_t slack = 64;

  void clear() noexcept { size_ = 0; }
  void finish() {
    room(0);
    std::memset(bytes_.get() + size_, ' ', slack);
  }

  std::string_view view() const noexcept { return {bytes_.get(), size_}; }
  std::size_t capacity() const noexcept { return capacity_; }

  // Where the next bytes go: `bytes` of them may be written before advance().
  char* room(std::size_t bytes) {
    if (capacity_ - size_ < bytes + slack) grow(bytes);
    return bytes_.get() + size_;
  }
  void advance(std::size_t bytes) noexcept { size_ += bytes; }

  void append(std::string_view bytes) {
    if (!bytes.empty()) std::memcpy(room(bytes.size()), bytes.data(), bytes.size());
    size_ += bytes.size();
  }
  void put(char byte) {
    *room(1) = byte;
    ++size_;
  }
  void put(char32_t code) { size_ += unicode::encode(code, room(4)); }

 private:
  void grow(std::size_t bytes) {
    std::size_t const capacity = std::max<std::size_t>(2 * capacity_, size_ + bytes + 4 * slack);
    std::unique_ptr<char[]> larger(new char[capacity]);
    if (size_ != 0) std::memcpy(larger.get(), bytes_.get(), size_);
    bytes_ = std::move(larger);
    capacity_ = capacity;
  }

  std::unique_ptr<char[]> bytes_;
  std::size_t size_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace yonder::kernels
