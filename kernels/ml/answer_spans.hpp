// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "ml/token_windows.hpp"
#include "yonder/ml/question_answerer.hpp"

namespace yonder::kernels {

// The answers of the windows of one text, as transformers' question-answering pipeline finds them.
class answer_finder {
 public:
  // All must live as long. `classification`: tokens of this id count as the text's.
  answer_finder(std::string_view text, std::optional<std::int32_t> classification,
                ml::answer_options const& options)
      : text_(text), classification_(classification), options_(options) {}

  // logits: [tokens of the window][where an answer begins, where it ends].
  void add(token_window const& window, std::span<float const> logits);
  // The best first.
  std::vector<ml::answer> take() &&;

 private:
  struct candidate {
    double score;
    std::size_t first;
    std::size_t last;
  };
  // Of each token, as where an answer begins and where it ends.
  struct chances {
    std::vector<double> begin;
    std::vector<double> end;
  };

  chances chances_of(token_window const& window, std::span<float const> logits) const;
  std::vector<candidate> best_of(chances const& all) const;
  byte_span place_of(token_window const& window, candidate const& found) const;
  void add(byte_span place, double score);

  std::string_view text_;
  std::optional<std::int32_t> classification_;
  ml::answer_options const& options_;
  double least_none_ = 1e6;
  struct scored_answer {
    double score;
    byte_span place;
    std::u32string lowercase;
  };
  std::vector<scored_answer> found_;
};

}  // namespace yonder::kernels
