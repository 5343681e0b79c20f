// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/items.hpp"
#include "src/core/types.hpp"

#include <algorithm>

// The accounts of streams. A reader states levels, never increments; what it has not taken is bounded by its
// window, and by one item more, since an item may be larger than what is left of the bytes.
namespace yonder::core {

// Nobody may let a producer run further ahead than this.
inline constexpr stream_level max_stream_window{std::uint64_t{1} << 20, std::uint64_t{64} << 20};

// `level` as a reader states it who has got as far as `passed`.
inline bool is_within_window(stream_level const& level, stream_level const& passed) noexcept {
  return level.items <= passed.items + max_stream_window.items &&
         level.bytes <= passed.bytes + max_stream_window.bytes;
}

// What a frame of items holds.
struct stream_frame {
  std::uint64_t first = 0;  // its first item's number
  stream_level size;        // of all its items
  std::uint64_t last = 0;   // bytes of the last one
};

// Bytes of a frame that hold values.
inline std::uint64_t value_bytes(frame const& message) noexcept {
  std::uint64_t bytes = message.payload().size();
  for (auto const& one : message.buffers) bytes += one.size;
  return bytes;
}

// False: malformed.
inline bool read_stream_items(frame const& message, stream_frame& said) {
  packed_items items;
  if (!read_position(message, said.first) || !read_items(message, items)) return false;
  said.size = {items.count, value_bytes(message)};
  said.last = items.sizes == nullptr ? said.size.bytes : items.size_of(items.count - 1, 1);
  return true;
}

// The account of whoever passes items on, and sees that nobody says more than he may.
struct stream_account {
  stream_level allowed;
  stream_level passed;

  // Takes them in. False: they do not follow, or there was no credit for the last of them.
  [[nodiscard]] bool take(stream_frame const& came) noexcept {
    auto const before_last =
        stream_level{passed.items + came.size.items - 1, passed.bytes + came.size.bytes - came.last};
    if (came.first != passed.items || before_last.reaches(allowed)) return false;
    passed = {passed.items + came.size.items, passed.bytes + came.size.bytes};
    return true;
  }
  // The reader's level; an earlier one that comes late changes nothing. False: further than anybody may go.
  [[nodiscard]] bool allow(stream_level const& level) noexcept {
    if (!is_within_window(level, passed)) return false;
    allowed = {std::max(allowed.items, level.items), std::max(allowed.bytes, level.bytes)};
    return true;
  }
  bool waits() const noexcept { return passed.reaches(allowed); }
};

// The account of a reader: what it has taken, and so what it allows.
class stream_reader {
 public:
  stream_reader() = default;
  stream_reader(stream_level const& window, stream_level const& begin) noexcept
      : window_{std::clamp<std::uint64_t>(window.items, 1, max_stream_window.items),
                std::clamp<std::uint64_t>(window.bytes, 1, max_stream_window.bytes)},
        taken_(begin) {
    allowed_ = {taken_.items + window_.items, taken_.bytes + window_.bytes};
  }

  stream_level const& allowed() const noexcept { return allowed_; }  // as was stated last
  stream_level const& taken() const noexcept { return taken_; }

  // Its user is done with so much. True: allowed() has changed, and is to be stated.
  [[nodiscard]] bool take(stream_level const& more) noexcept {
    taken_ = {taken_.items + more.items, taken_.bytes + more.bytes};
    auto const is_low = [](std::uint64_t allowed, std::uint64_t taken, std::uint64_t window) {
      return allowed <= taken + window / 2;
    };
    if (!is_low(allowed_.items, taken_.items, window_.items) &&
        !is_low(allowed_.bytes, taken_.bytes, window_.bytes))
      return false;
    allowed_ = {std::max(allowed_.items, taken_.items + window_.items),
                std::max(allowed_.bytes, taken_.bytes + window_.bytes)};
    return true;
  }

 private:
  stream_level window_{1, 1};
  stream_level taken_;
  stream_level allowed_;
};

}  // namespace yonder::core
