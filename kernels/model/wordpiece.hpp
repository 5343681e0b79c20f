// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace yonder::kernels {

struct wordpiece_options {
  std::string unknown_token = "[UNK]";
  std::string continuing_prefix = "##";
  std::size_t max_word_chars = 100;  // code points; a longer word is unknown
};

// The greedy longest-match-first model of BERT (Wu et al., arXiv:1609.08144, as Hugging Face runs it).
class wordpiece {
 public:
  using entry = std::pair<std::string, std::int32_t>;

  // Where a token stands twice, the later id holds. Throws std::out_of_range where the unknown token is not
  // there.
  wordpiece(std::vector<entry> vocabulary, wordpiece_options const& options);
  // The maps refer to the strings of vocabulary_.
  wordpiece(wordpiece const&) = delete;
  wordpiece& operator=(wordpiece const&) = delete;
  wordpiece(wordpiece&&) = default;
  wordpiece& operator=(wordpiece&&) = default;

  // Appends the ids of `word`: its pieces, or the unknown token's.
  void append(std::string_view word, std::vector<std::int32_t>& ids) const;

  std::optional<std::int32_t> find(std::string_view token) const;
  std::int32_t largest_id() const noexcept { return largest_id_; }

 private:
  // Tokens by their text; those that go on a word without their prefix.
  struct pieces {
    std::unordered_map<std::string_view, std::int32_t> ids;
    std::size_t longest = 0;

    void add(std::string_view text, std::int32_t id);
  };
  struct match {
    std::size_t bytes = 0;
    std::int32_t id = 0;
  };

  static match longest_match(pieces const& among, std::string_view text);

  std::vector<entry> vocabulary_;
  pieces first_;
  pieces next_;
  std::size_t max_word_chars_;
  std::int32_t unknown_id_ = 0;
  std::int32_t largest_id_ = 0;
};

}  // namespace yonder::kernels
