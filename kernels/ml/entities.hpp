// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ml/token_windows.hpp"
#include "model/tokenizer.hpp"
#include "yonder/ml/token_classifier.hpp"

namespace yonder::kernels {

// What becomes of tokens' labels, as transformers' token-classification pipeline does it.
class entity_finder {
 public:
  // All must live as long.
  entity_finder(tokenizer const& tokens, std::span<std::string const> labels,
                ml::entity_options const& options)
      : tokens_(tokens), labels_(labels), options_(options) {}

  // Of one window; logits: [tokens of the window][labels].
  std::vector<ml::entity> operator()(std::string_view text, token_window const& window,
                                     std::span<float const> logits) const;

 private:
  struct scored_token;

  std::vector<scored_token> score(std::string_view text, token_window const& window,
                                  std::span<float const> logits) const;
  bool goes_on_word(std::string_view text, std::int32_t id, token_place const& place) const;
  ml::entity best_of(scored_token const& token) const;
  ml::entity join_word(std::span<scored_token const> word) const;
  std::vector<ml::entity> join_words(std::span<scored_token const> tokens) const;
  void drop_ignored(std::vector<ml::entity>& found) const;

  tokenizer const& tokens_;
  std::span<std::string const> labels_;
  ml::entity_options const& options_;
};

// Of several windows of one text: one of those that meet, the one of more code points, then the better one.
std::vector<ml::entity> merge_windows(std::string_view text, std::vector<ml::entity> found);

}  // namespace yonder::kernels
