// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

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
           (found_.capacity() + pieces_.capacity()) * sizeof(word_piece);
  }

 private:
  friend class unigram;

  // The best way to a place of the word, and the last piece of it.
  struct best_end {
    double score = 0;
    std::uint32_t begin = none;
    std::int32_t id = 0;
  };
  static constexpr std::uint32_t none = ~std::uint32_t{0};

  struct cached {
    static constexpr std::size_t max_bytes = 38;
    static constexpr std::size_t max_ids = 6;

    std::array<char, max_bytes> word{};
    std::uint8_t bytes = 0;  // 0: empty
    std::uint8_t count = 0;
    std::array<std::int32_t, max_ids> ids{};
  };
  static constexpr int cache_bits = 13;

  std::vector<best_end> ends_;
  std::vector<word_piece> found_;
  std::vector<word_piece> pieces_;
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
  // The same, each with how many bytes of the word it stands for.
  void append(std::string_view word, std::vector<word_piece>& pieces, unigram_scratch& scratch) const;

  std::optional<std::int32_t> find(std::string_view piece) const;
  std::int32_t largest_id() const noexcept { return static_cast<std::int32_t>(size_) - 1; }
  std::size_t size() const noexcept { return size_; }

 private:
  // Children stand one after the other, by their bytes.
  struct node {
    std::uint32_t children = 0;  // the first one
    std::uint32_t count = 0;
    std::int32_t id = -1;  // of the piece that ends here
    double score = 0;
  };
  struct entry {
    std::string_view text;
    std::int32_t id;
    double score;
  };
  static constexpr std::uint32_t none = ~std::uint32_t{0};

  void build(std::vector<entry> const& sorted);
  std::uint32_t child(std::uint32_t at, unsigned char byte) const noexcept;
  void find_best(std::string_view word, unigram_scratch& scratch) const;
  void collect(std::string_view word, unigram_scratch& scratch) const;
  void append_unknown(std::string_view letters, std::vector<word_piece>& pieces) const;

  std::vector<node> nodes_;
  std::vector<unsigned char> labels_;            // of the edge to each node
  std::array<std::uint32_t, 256> roots_{};       // the root's children by byte
  std::array<std::int32_t, 256> byte_tokens_{};  // -1: none, as all are without byte fallback
  std::size_t size_ = 0;
  double unknown_score_ = 0;
  std::int32_t unknown_ = 0;
};

}  // namespace yonder::kernels
