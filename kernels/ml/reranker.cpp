// SPDX-License-Identifier: Apache-2.0
#include "yonder/ml/reranker.hpp"

#include <algorithm>
#include <iterator>
#include <stdexcept>
#include <utility>

#include "cpu/heads.hpp"
#include "ml/text_model.hpp"
#include "model/cross_encoder_folder.hpp"
#include "model/find_model.hpp"

namespace yonder::ml {

class reranker::implementation {
 public:
  implementation(kernels::cross_encoder_folder const& folder, text_options const& options)
      : model_(folder, options),
        activation_(folder.activation.value_or(labels().size() == 1 ? kernels::score_function::sigmoid
                                                                    : kernels::score_function::none)) {}

  std::vector<std::vector<float>> scores(std::span<kernels::text_pair_view const> pairs) const {
    auto rows = model_.run(pairs, kernels::pair_truncation::longest_first);
    for (auto& row : rows) kernels::cpu::apply_scores(activation_, row.data(), row.size());
    return rows;
  }

  std::vector<float> one_each(std::string_view query, std::span<std::string const> documents) const {
    require_one_label();
    std::vector<kernels::text_pair_view> pairs;
    pairs.reserve(documents.size());
    for (auto const& document : documents) pairs.push_back({query, document});
    std::vector<float> found;
    found.reserve(pairs.size());
    for (auto const& row : scores(pairs)) found.push_back(row.front());
    return found;
  }

  std::vector<float> one_each(std::string_view query, std::span<std::string_view const> documents,
                              std::size_t overlap) const {
    require_one_label();
    std::vector<float> found;
    found.reserve(documents.size());
    while (!documents.empty()) {
      auto const some = documents.first(std::min(documents.size(), documents_at_once));
      documents = documents.subspan(some.size());
      add_best(query, some, overlap, found);
    }
    return found;
  }

  void require_one_label() const {
    if (labels().size() == 1) return;
    throw std::logic_error("this reranker has " + std::to_string(labels().size()) +
                           " labels, and so no one score; ask scores() for all of them");
  }

  std::vector<std::string> const& labels() const noexcept { return model_.config().classifier.labels; }
  std::string placement() const { return model_.placement(); }

 private:
  static constexpr std::size_t documents_at_once = 64;

  // Of each document the score of its best window.
  void add_best(std::string_view query, std::span<std::string_view const> documents, std::size_t overlap,
                std::vector<float>& found) const {
    std::vector<kernels::token_window> windows;
    std::vector<std::size_t> ends;  // of each document's windows
    for (auto const document : documents) {
      auto some = model_.windows({query, document}, model_.max_tokens(), overlap);
      windows.insert(windows.end(), std::move_iterator(some.begin()), std::move_iterator(some.end()));
      ends.push_back(windows.size());
    }
    auto rows = model_.run(windows);
    for (auto& row : rows) kernels::cpu::apply_scores(activation_, row.data(), row.size());
    auto next = rows.begin();
    for (auto const end : ends) {
      auto const last = rows.begin() + static_cast<std::ptrdiff_t>(end);
      found.push_back(std::ranges::max_element(next, last)->front());
      next = last;
    }
  }

  kernels::text_model model_;
  kernels::score_function activation_;
};

reranker::reranker(std::filesystem::path const& folder, text_options options)
    : implementation_(std::make_unique<implementation const>(
          kernels::read_cross_encoder_folder(kernels::find_model(folder)), options)) {}
reranker::reranker(reranker&&) noexcept = default;
reranker& reranker::operator=(reranker&&) noexcept = default;
reranker::~reranker() = default;

float reranker::operator()(std::string_view query, std::string_view document) const {
  implementation_->require_one_label();
  kernels::text_pair_view const pair{query, document};
  return implementation_->scores({&pair, 1}).front().front();
}

float reranker::operator()(std::string_view query, std::string_view document,
                           rerank_options const& options) const {
  if (!options.overlap) return (*this)(query, document);
  return implementation_->one_each(query, {&document, 1}, *options.overlap).front();
}

std::vector<ranked_text> reranker::rank(std::string_view query, std::span<std::string const> documents,
                                        std::size_t most, rerank_options const& options) const {
  auto const scores =
      options.overlap
          ? implementation_->one_each(
                query, std::vector<std::string_view>(documents.begin(), documents.end()), *options.overlap)
          : implementation_->one_each(query, documents);
  std::vector<ranked_text> ranked;
  ranked.reserve(scores.size());
  for (float const score : scores) ranked.push_back({ranked.size(), score});
  std::ranges::stable_sort(ranked, [](auto const& a, auto const& b) { return a.score > b.score; });
  ranked.resize(std::min(most, ranked.size()));
  return ranked;
}

std::vector<std::vector<float>> reranker::scores(std::span<text_pair const> pairs) const {
  std::vector<kernels::text_pair_view> views;
  views.reserve(pairs.size());
  for (auto const& pair : pairs) views.push_back({pair.first, pair.second});
  return implementation_->scores(views);
}

std::span<std::string const> reranker::labels() const noexcept { return implementation_->labels(); }

std::string reranker::placement() const { return implementation_->placement(); }

}  // namespace yonder::ml
