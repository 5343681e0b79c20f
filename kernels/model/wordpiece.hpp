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

#include "model/marked_text.hpp"
#include "model/word_table.hpp"

namespace yonder::kernels {

struct wordpiece_options {
  std::string unknown_token = "[UNK]";
  std::string continuing_prefix = "##";
  std::size_t max_word_chars = 100;  // code points; a longer word is unknown
};

// Two tries, of the tokens that begin a word and of those that go on one, with the failure links of
// LinMaxMatch (Song et al., arXiv:2012.15524): greedy longest-match-first in time linear in the word.
class piece_trie {
 public:
  // A token's bytes, not empty, and its id.
  using entry = std::pair<std::string_view, std::int32_t>;

  piece_trie() = default;
  // Both sorted, each token once. Throws std::length_error past 2^31 bytes.
  piece_trie(std::vector<entry> const& first, std::vector<entry> const& next);

  // Writes the ids of the pieces, at most one per byte, and returns their end; null where there are none that
  // make up the word.
  std::int32_t* match(std::string_view word, std::int32_t* to) const noexcept;

 private:
  struct node {
    std::uint32_t children = 0;  // the first one; the others follow
    std::uint32_t fail = none;   // where matching goes on when no child fits
    std::uint32_t pops = none;   // what has matched by then: the end of a list in pops_
    std::uint32_t children_count = 0;
  };
  // The list that ends here: what stands before, and one more id.
  struct pop {
    std::uint32_t before;
    std::uint32_t length;
    std::int32_t id;
  };
  class builder;

  static constexpr std::uint32_t none = ~std::uint32_t{0};
  static constexpr std::uint32_t begin_word = 0;
  static constexpr std::uint32_t inside_word = 1;

  std::uint32_t child(std::uint32_t at, unsigned char byte) const noexcept;
  std::int32_t* emit(std::uint32_t pops, std::int32_t* to) const noexcept;

  std::vector<node> nodes_;
  std::vector<unsigned char> labels_;  // of the edge to each node
  std::vector<pop> pops_;
  std::array<std::array<std::uint32_t, 256>, 2> roots_{};  // their children by byte
};

// The greedy longest-match-first model of BERT (Wu et al., arXiv:1609.08144, as Hugging Face runs it).
class wordpiece {
 public:
  using entry = std::pair<std::string, std::int32_t>;

  // Where a token stands twice, the later id holds. Throws std::out_of_range where the unknown token is not
  // there, std::length_error where the vocabulary is too large.
  wordpiece(std::vector<entry> vocabulary, wordpiece_options const& options);

  // Appends the ids of `word`: its pieces, or the unknown token's.
  void append(std::string_view word, std::vector<std::int32_t>& ids) const;
  // The same, each with how many bytes of the word it stands for.
  void append(std::string_view word, std::vector<word_piece>& pieces) const;
  // The same for all words of a text.
  void append(marked_text const& text, std::vector<std::int32_t>& ids) const;

  std::optional<std::int32_t> find(std::string_view token) const;
  std::int32_t largest_id() const noexcept { return largest_id_; }
  std::size_t size() const noexcept { return vocabulary_.size(); }
  // What stands before the tokens that go on a word.
  std::string const& continuing_prefix() const noexcept { return continuing_prefix_; }

 private:
  std::int32_t* write(std::string_view word, std::int32_t* to) const noexcept;
  word_piece longest_piece(std::string_view word, bool first) const;
  void fill_tables();

  std::vector<entry> vocabulary_;  // sorted, each token once
  piece_trie trie_;
  word_table whole_words_;
  std::array<std::int32_t, 128> whole_characters_{};  // of ASCII
  std::string continuing_prefix_;
  std::size_t longest_token_ = 0;  // bytes
  std::size_t max_word_chars_;
  std::int32_t unknown_id_ = 0;
  std::int32_t largest_id_ = 0;
};

}  // namespace yonder::kernels
