// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "model/double_array.hpp"
#include "model/word_table.hpp"

namespace yonder::kernels {

// A piece of SentencePiece's vocabulary and the logarithm of its probability.
struct scored_piece {
  std::string text;
  double score = 0;
};

// Working memory of unigram, for one thread and one model at a time; its cache remembers short words.
class unigram_scratch {
 public:
  // Of its memory.
  std::size_t bytes() const noexcept {
    return cache_.capacity() * sizeof(cached) + ends_.capacity() * sizeof(best_end) +
           found_.capacity() * sizeof(word_piece) + word_.capacity();
  }

 private:
  friend class unigram;

  // The best way to a place of the word, and the last piece of it.
  struct best_end {
    double score = std::numeric_limits<double>::quiet_NaN();  // of none
    std::uint32_t begin = 0;
    std::int32_t id = 0;
  };

  // A line of the processor's cache.
  struct alignas(64) cached {
    static constexpr std::size_t max_bytes = 32;
    static constexpr std::size_t max_ids = 7;
    using key = std::array<std::uint64_t, max_bytes / 8>;

    key word{};  // zeros after it
    std::array<std::int32_t, max_ids> ids{};
    std::uint8_t kind = 0;  // its bytes, and whether a mark stands before them; 0: empty
    std::uint8_t count = 0;
  };
  std::vector<best_end> ends_;
  std::vector<word_piece> found_;  // the last one first
  std::string word_;
  std::vector<cached> cache_;
};

// The unigram language model (Kudo, arXiv:1804.10959) as Hugging Face's tokenizers runs it: of all ways to
// cut a word into pieces that with the largest sum of scores, in double precision; the first one found of
// equals. Letters without a piece cost the smallest score less 10, and those next to each other are one
// unknown token, or with byte fallback the tokens "<0x00>" to "<0xFF>" of their bytes.
class unigram {
 public:
  // In the order of their ids; of equal texts the last one holds. Throws std::out_of_range where `unknown` is
  // none of them, std::length_error where the texts are too large.
  unigram(std::vector<scored_piece> const& pieces, std::size_t unknown, bool byte_fallback);

  // Appends the ids of `word`, which is not empty.
  void append(std::string_view word, std::vector<std::int32_t>& ids, unigram_scratch& scratch) const;
  // The same of `word` with metaspace::usual_mark before it where `marked`; one of the two is not empty.
  // Precondition: `slack` bytes can be read at word.data(), whatever its size.
  static constexpr std::size_t slack = unigram_scratch::cached::max_bytes;
  void append(std::string_view word, bool marked, std::vector<std::int32_t>& ids,
              unigram_scratch& scratch) const;
  // The pieces of `word`, each with how many of its bytes it stands for.
  void append(std::string_view word, std::vector<word_piece>& pieces, unigram_scratch& scratch) const;

  std::optional<std::int32_t> find(std::string_view piece) const;
  std::int32_t largest_id() const noexcept { return static_cast<std::int32_t>(size_) - 1; }
  std::size_t size() const noexcept { return size_; }

 private:
  void find_best(std::string_view word, unigram_scratch& scratch) const;
  void collect(std::string_view word, unigram_scratch& scratch) const;
  template <class Each>
  void for_each_piece(std::string_view word, unigram_scratch& scratch, Each&& each) const;
  template <class Each>
  void cut_unknown(std::string_view letters, Each&& each) const;

  double_array pieces_;
  std::array<std::int32_t, 256> byte_tokens_{};  // -1: none, as all are without byte fallback
  std::size_t size_ = 0;
  double unknown_score_ = 0;
  int cache_bits_;  // of the number of words that a scratch remembers
  std::int32_t unknown_ = 0;
};

}  // namespace yonder::kernels
