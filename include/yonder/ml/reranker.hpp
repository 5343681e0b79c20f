// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <filesystem>
#include <limits>
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

// A document's place among those that were ranked.
struct ranked_text {
  std::size_t index = 0;  // in what was given
  float score = 0;        // the higher, the better it answers the query

  friend bool operator==(ranked_text const&, ranked_text const&) = default;
};

// How a reranker reads documents that are too long.
struct rerank_options {
  // A document that does not fit behind the whole query is read in windows that share so many tokens, and has
  // the best of their scores (MaxP: Dai and Callan, arXiv:1905.09217). Nothing: it is cut, as
  // CrossEncoder.predict() cuts it.
  std::optional<std::size_t> overlap = std::nullopt;

  friend bool operator==(rerank_options const&, rerank_options const&) = default;
};

// A cross-encoder: a folder that text_classifier takes, also as sentence-transformers saves a CrossEncoder,
// which reads a query and a document together. Scores are those of CrossEncoder(folder).predict(): after the
// folder's activation (Sigmoid or Identity), where it names none the sigmoid of one label, or the logits of
// several. Where both texts together are too long, the longer one is cut first.
//
// Const calls may run on several threads at once. Weights that are looked up by row stay in the mapped file:
// replace it by a rename, never in place, while a model is loaded.
class YONDER_KERNELS_API reranker {
 public:
  // `folder` as in text_classifier's constructor, which throws the same.
  explicit reranker(std::filesystem::path const& folder, text_options options = {});
  reranker(reranker&&) noexcept;
  reranker& operator=(reranker&&) noexcept;
  ~reranker();

  // How well a document answers a query. Of a model with one label; throws std::logic_error for another, and
  // text_error: invalid_utf8, or text_too_long where options forbid cutting.
  float operator()(std::string_view query, std::string_view document) const;
  // The same by windows, where options say so: text_too_long, too, where the query leaves no room for windows
  // that share so many tokens.
  float operator()(std::string_view query, std::string_view document, rerank_options const& options) const;
  // The best `most` of them, the best one first; equal ones in the order in which they came. Throws the same.
  std::vector<ranked_text> rank(std::string_view query, std::span<std::string const> documents,
                                std::size_t most = (std::numeric_limits<std::size_t>::max)(),
                                rerank_options const& options = {}) const;
  // [pairs][labels], whatever the number of labels; on the CPU the same bits as one at a time.
  std::vector<std::vector<float>> scores(std::span<text_pair const> pairs) const;

  // In the order of config.json's id2label.
  std::span<std::string const> labels() const noexcept;
  // Where it computes, for people: "CPU, fp32", or "cuda:0 (NVIDIA H200), bf16".
  std::string placement() const;

 private:
  class implementation;
  std::unique_ptr<implementation const> implementation_;
};

}  // namespace yonder::ml
