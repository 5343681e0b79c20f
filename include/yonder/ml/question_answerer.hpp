// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "yonder/ml/export.hpp"
#include "yonder/ml/text_options.hpp"
#include "yonder/ml/text_pair.hpp"

namespace yonder::ml {

// A piece of a text that answers a question.
struct answer {
  std::string text;  // the piece; empty where there is none
  float score = 0;   // the product of two probabilities; of several windows with the same piece their sum
  std::size_t begin = 0;  // its first byte in the text
  std::size_t end = 0;    // the byte after its last

  friend bool operator==(answer const&, answer const&) = default;
};

// What a question answerer is asked for; in brackets transformers' name.
struct answer_options {
  std::size_t most = 1;      // answers at most (top_k)
  bool may_be_none = false;  // an empty answer is one of them (handle_impossible_answer)
  std::size_t longest = 15;  // tokens of an answer at most (max_answer_len)
  bool whole_words = true;   // answers begin and end with words (align_to_words)
  // Tokens that the windows share in which too long a text is read (doc_stride); nothing: 128, or half a
  // window where that is less.
  std::optional<std::size_t> overlap = std::nullopt;

  friend bool operator==(answer_options const&, answer_options const&) = default;
};

// A Hugging Face folder with a BertForQuestionAnswering, a DistilBertForQuestionAnswering or a
// RobertaForQuestionAnswering: it looks in a text for what answers a question. Answers are those of
// transformers' question-answering pipeline (4.57, as later versions have none), without those of score 0;
// places are bytes of UTF-8.
//
// Const calls may run on several threads at once. Weights that are looked up by row stay in the mapped file:
// replace it by a rename, never in place, while a model is loaded.
class YONDER_KERNELS_API question_answerer {
 public:
  // `folder` as in text_classifier's constructor, which throws the same. A window, with its question, has 384
  // tokens at most unless text_options::max_tokens says otherwise.
  explicit question_answerer(std::filesystem::path const& folder, text_options options = {});
  question_answerer(question_answerer&&) noexcept;
  question_answerer& operator=(question_answerer&&) noexcept;
  ~question_answerer();

  // The best answer first; none where the question or the text is empty. Throws text_error: invalid_utf8, or
  // text_too_long where the question leaves no room for windows that share so many tokens.
  std::vector<answer> operator()(std::string_view question, std::string_view text,
                                 answer_options const& options = {}) const;
  // Those of each question and text, in order; on the CPU the same bits as one at a time. One bad text throws
  // for all.
  std::vector<std::vector<answer>> operator()(std::span<text_pair const> questions,
                                              answer_options const& options = {}) const;

  // Where it computes, for people: "CPU, fp32", or "cuda:0 (NVIDIA H200), bf16".
  std::string placement() const;

 private:
  class implementation;
  std::unique_ptr<implementation const> implementation_;
};

}  // namespace yonder::ml
