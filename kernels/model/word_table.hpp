// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <vector>

namespace yonder::kernels {

// A token of a word, and how many of the word's bytes it stands for.
struct word_piece {
  std::int32_t id = 0;
  std::size_t bytes = 0;
  bool last = true;  // of those that stand for these bytes together
};

// A word of at most max_bytes bytes as two numbers.
struct word_key {
  static constexpr std::size_t max_bytes = 16;

  std::uint64_t low = 0;
  std::uint64_t high = 0;
  std::uint32_t bytes = 0;

  // Precondition: max_bytes bytes can be read at `word`, whatever its length.
  static word_key load(char const* word, std::size_t bytes) noexcept {
    word_key key{.bytes = static_cast<std::uint32_t>(bytes)};
    std::memcpy(&key.low, word, 8);
    std::memcpy(&key.high, word + 8, 8);
    key.low &= masks[bytes];
    key.high &= masks[bytes + max_bytes + 1];
    return key;
  }
  // The same without reading past the word.
  static word_key copy(std::string_view word) noexcept {
    bool const little = std::endian::native == std::endian::little;
    std::size_t const size = word.size();
    word_key key{.bytes = static_cast<std::uint32_t>(size)};
    if (little && size >= 8) {  // two loads that overlap
      std::memcpy(&key.low, word.data(), 8);
      if (size == 8) return key;
      std::memcpy(&key.high, word.data() + size - 8, 8);
      key.high >>= 8 * (max_bytes - size);
      return key;
    }
    if (little && size >= 4) {
      std::uint32_t first = 0;
      std::uint32_t last = 0;
      std::memcpy(&first, word.data(), 4);
      std::memcpy(&last, word.data() + size - 4, 4);
      key.low = first | std::uint64_t{last} << (8 * (size - 4));
      return key;
    }
    std::array<char, max_bytes> bytes{};
    for (std::size_t i = 0; i < size; ++i) bytes[i] = word[i];
    return load(bytes.data(), size);
  }

  std::uint64_t hash() const noexcept {
    return (low + bytes + high * 0x9E3779B97F4A7C15U) * 0xD6E8FEB86659FD93U;
  }

 private:
  // Of the first `bytes` of eight, then of the first bytes - 8.
  static constexpr auto masks = [] {
    std::array<std::uint64_t, 2 * (max_bytes + 1)> all{};
    constexpr std::uint64_t ones = ~std::uint64_t{0};
    for (std::size_t i = 0; i <= max_bytes; ++i) {
      std::size_t const here = i < 8 ? i : 8;
      std::size_t const after = i - here;
      bool const little = std::endian::native == std::endian::little;
      all[i] = here == 0 ? 0 : little ? ones >> (64 - 8 * here) : ones << (64 - 8 * here);
      all[i + max_bytes + 1] = after == 0 ? 0 : little ? ones >> (64 - 8 * after) : ones << (64 - 8 * after);
    }
    return all;
  }();
};

// Short words and a number each, for one look-up without a comparison of strings.
class word_table {
 public:
  explicit word_table(std::size_t words = 0)
      : shift_(64 - static_cast<int>(std::bit_width(2 * words + 2))),
        slots_((std::size_t{1} << (64 - shift_)) + max_probes) {}

  // May leave a word out, so that no vocabulary can make look-ups slow.
  void add(std::string_view word, std::int32_t value) {
    if (word.empty() || word.size() > word_key::max_bytes) return;
    auto const key = word_key::copy(word);
    slot* at = &slots_[key.hash() >> shift_];
    for (std::size_t probe = 0; probe < max_probes; ++probe, ++at) {
      if (at->bytes == 0 || at->holds(key)) {
        *at = {key.low, key.high, key.bytes, value};
        return;
      }
    }
  }

  // -1 where the word is not in it.
  std::int32_t find(word_key const& key) const noexcept {
    slot const* at = &slots_[key.hash() >> shift_];
    for (std::size_t probe = 0; probe < max_probes; ++probe, ++at) {
      if (at->holds(key)) return at->value;
      if (at->bytes == 0) return -1;
    }
    return -1;
  }

 private:
  static constexpr std::size_t max_probes = 16;

  struct slot {
    std::uint64_t low = 0;
    std::uint64_t high = 0;
    std::uint32_t bytes = 0;  // 0: empty
    std::int32_t value = 0;

    bool holds(word_key const& key) const noexcept {
      return low == key.low && high == key.high && bytes == key.bytes;
    }
  };

  int shift_;
  std::vector<slot> slots_;
};

}  // namespace yonder::kernels
