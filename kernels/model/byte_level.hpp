// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/word_table.hpp"

namespace yonder::kernels::byte_level {

// Takes the first match of GPT-2's pattern off `text`:
// 's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
// False where nothing is left. Precondition: valid UTF-8.
bool take_word(std::string_view& text, std::string_view& word) noexcept;

// The bytes that a token stands for: vocabularies write byte 0x20 as U+0120, say. Nothing where it has other
// characters.
std::optional<std::string> bytes_of(std::string_view token);
// The other way round.
std::string token_of(std::string_view bytes);

// Pairs of token ids, and what a merge makes of them. No two have the same pair.
class merge_table {
 public:
  struct merge {
    std::uint32_t rank = no_rank;
    std::int32_t id = 0;
  };
  static constexpr std::uint32_t no_rank = ~std::uint32_t{0};

  explicit merge_table(std::size_t merges = 0);

  // A later merge of the same pair replaces the earlier one.
  void add(std::int32_t left, std::int32_t right, merge what);
  merge find(std::int32_t left, std::int32_t right) const noexcept;

 private:
  struct slot {
    std::uint64_t pair = empty;
    merge what;
  };
  static constexpr std::uint64_t empty = ~std::uint64_t{0};

  std::size_t index_of(std::uint64_t pair) const noexcept;

  int shift_;
  std::vector<slot> slots_;
};

// Working memory of bpe, for one thread and one model at a time; its cache remembers short words.
class bpe_scratch {
 public:
  // Of its memory.
  std::size_t bytes() const noexcept {
    return cache_.capacity() * sizeof(cached) + symbols_.capacity() * sizeof(symbol) +
           queue_.capacity() * sizeof(candidate);
  }

 private:
  friend class bpe;

  // What stands at one place of a word, with its neighbours' places, and the merge with the one on its right.
  struct symbol {
    std::int32_t id;
    std::uint32_t before;
    std::uint32_t after;
    merge_table::merge next;
  };
  struct candidate {
    std::uint32_t rank;
    std::uint32_t place;
  };
  struct cached {
    static constexpr std::size_t max_ids = 6;

    std::uint64_t low = 0;
    std::uint64_t high = 0;
    std::uint32_t bytes = 0;
    std::uint32_t count = 0;
    std::array<std::int32_t, max_ids> ids{};
  };
  static constexpr int cache_bits = 13;

  std::vector<symbol> symbols_;
  std::vector<candidate> queue_;
  std::vector<cached> cache_;
};

// Byte-pair encoding over bytes (Sennrich et al., arXiv:1508.07909; Radford et al., 2019): of all neighbours
// that merge, those with the lowest rank do, the leftmost first.
class bpe {
 public:
  using entry = std::pair<std::string, std::int32_t>;
  // Two tokens as the vocabulary writes them.
  using merge_rule = std::pair<std::string, std::string>;

  // Merges in the order of their ranks. Throws std::out_of_range, with the token, where the vocabulary lacks
  // one that a byte or a merge needs.
  bpe(std::vector<entry> vocabulary, std::vector<merge_rule> const& merges);

  // Appends the ids of a word of bytes, in time n log n.
  void append(std::string_view word, std::vector<std::int32_t>& ids, bpe_scratch& scratch) const;

  // The same, each with how many bytes of the word it stands for.
  void append(std::string_view word, std::vector<word_piece>& pieces, bpe_scratch& scratch) const;

  // Of a token as the vocabulary writes it.
  std::optional<std::int32_t> find(std::string_view token) const;
  std::int32_t largest_id() const noexcept { return largest_id_; }
  std::size_t size() const noexcept { return vocabulary_.size(); }

 private:
  using symbols = std::vector<bpe_scratch::symbol>;

  std::int32_t required(std::string const& token) const;
  void find_whole_words();
  void append_uncached(std::string_view word, std::vector<std::int32_t>& ids, bpe_scratch& scratch) const;
  void merge(std::string_view word, bpe_scratch& scratch) const;
  void split(std::string_view word, symbols& to) const;
  void merge_short(symbols& word) const;
  void merge_long(bpe_scratch& scratch) const;
  void join(symbols& word, std::uint32_t place) const;

  std::vector<entry> vocabulary_;  // sorted
  std::array<std::int32_t, 256> bytes_{};
  merge_table merges_;
  word_table whole_words_;  // those of one token
  std::int32_t largest_id_ = 0;
};

}  // namespace yonder::kernels::byte_level
