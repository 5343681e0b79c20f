// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/little_endian.hpp"
#include "src/core/types.hpp"

#include <algorithm>
#include <concepts>
#include <limits>
#include <span>
#include <string>
#include <string_view>

// Numbers and texts behind each other, without tags.
namespace yonder::core {

template <std::integral Integer>
void put(std::string& text, Integer number) {
  std::byte bytes[sizeof(Integer)];
  store_le(bytes, number);
  text.append(reinterpret_cast<char const*>(bytes), sizeof bytes);
}

// In microseconds and one more; 0 stands for none.
inline void put_time(std::string& text, duration time, bool none) {
  put(text,
      none ? std::uint64_t{0} : static_cast<std::uint64_t>(std::max<duration>(time, 0) / microsecond) + 1);
}

// A text, at most 65,535 bytes of it, behind its size.
inline void put_text(std::string& text, std::string_view value) {
  value = value.substr(0, std::numeric_limits<std::uint16_t>::max());
  put(text, static_cast<std::uint16_t>(value.size()));
  text += value;
}

class field_reader {
 public:
  explicit field_reader(std::span<std::byte const> left) : left_(left) {}

  template <std::integral... Integers>
  bool take(Integers&... numbers) {
    return (take_one(numbers) && ...);
  }
  bool take_time(duration& time, duration none) {
    std::uint64_t stated = 0;
    if (!take_one(stated)) return false;
    auto const most = static_cast<std::uint64_t>(never / microsecond);
    time = stated == 0 ? none : static_cast<duration>(std::min(stated - 1, most)) * microsecond;
    return true;
  }
  bool take_text(std::string& text, std::size_t size) {
    if (size > left_.size()) return false;
    text.assign(reinterpret_cast<char const*>(left_.data()), size);
    left_ = left_.subspan(size);
    return true;
  }
  // A text behind its size, a u16.
  bool take_text(std::string& text) {
    std::uint16_t size = 0;
    return take_one(size) && take_text(text, size);
  }
  std::size_t left() const { return left_.size(); }

 private:
  template <std::integral Integer>
  bool take_one(Integer& number) {
    if (left_.size() < sizeof(Integer)) return false;
    number = load_le<Integer>(left_.data());
    left_ = left_.subspan(sizeof(Integer));
    return true;
  }

  std::span<std::byte const> left_;
};

}  // namespace yonder::core
