// SPDX-License-Identifier: Apache-2.0
#include "yonder/ml/text_classifier.hpp"

#include <algorithm>
#include <utility>

#include "cpu/heads.hpp"
#include "ml/text_model.hpp"
#include "model/find_model.hpp"

namespace yonder::ml {

class text_classifier::implementation {
 public:
  implementation(std::filesystem::path const& folder, text_options const& options)
      : model_(kernels::find_model(folder), options) {}

  std::vector<std::vector<float>> logits(std::span<std::string_view const> texts) const {
    return model_.run(texts);
  }

  tokenized_texts tokenize(std::span<std::string_view const> texts) const {
    return tokenized_texts(std::make_unique<kernels::tokenized_rows const>(model_.tokenize(texts)));
  }

  // A row for each of what the model takes: texts, or their tokens.
  std::vector<std::vector<float>> scores(auto const& texts) const {
    auto rows = model_.run(texts);
    for (auto& row : rows)
      if (!row.empty()) kernels::cpu::apply_scores(config().scores, row.data(), row.size());
    return rows;
  }

  std::vector<label_score> best(auto const& texts) const {
    std::vector<label_score> results;
    for (auto const& row : scores(texts)) results.push_back(best_of(row));
    return results;
  }

  std::vector<label_score> all(std::span<float const> row) const {
    std::vector<label_score> results;
    results.reserve(row.size());
    for (std::size_t i = 0; i < row.size(); ++i) results.push_back({labels()[i], row[i]});
    return results;
  }

  std::string placement() const { return model_.placement(); }
  std::vector<std::string> const& labels() const noexcept { return config().labels; }

 private:
  // Nothing of an empty row.
  label_score best_of(std::span<float const> row) const {
    if (row.empty()) return {};
    auto const largest = std::max_element(row.begin(), row.end());
    return {labels()[static_cast<std::size_t>(largest - row.begin())], *largest};
  }
  kernels::classifier_config const& config() const noexcept { return model_.config().classifier; }

  kernels::text_model model_;
};

text_classifier::text_classifier(std::filesystem::path const& folder, text_options options)
    : implementation_(std::make_unique<implementation const>(folder, options)) {}
text_classifier::text_classifier(text_classifier&&) noexcept = default;
text_classifier& text_classifier::operator=(text_classifier&&) noexcept = default;
text_classifier::~text_classifier() = default;

label_score text_classifier::operator()(std::string_view text) const {
  return std::move(implementation_->best(std::span(&text, 1)).front());
}

std::vector<label_score> text_classifier::operator()(std::span<std::string_view const> texts) const {
  return implementation_->best(texts);
}

std::vector<label_score> text_classifier::operator()(std::span<std::string const> texts) const {
  std::vector<std::string_view> const views(texts.begin(), texts.end());
  return implementation_->best(std::span(views));
}

std::vector<label_score> text_classifier::operator()(tokenized_texts const& texts) const {
  return implementation_->best(texts.rows());
}

tokenized_texts text_classifier::tokenize(std::span<std::string const> texts) const {
  return implementation_->tokenize(std::vector<std::string_view>(texts.begin(), texts.end()));
}

std::vector<label_score> text_classifier::scores(std::string_view text) const {
  return implementation_->all(implementation_->scores(std::span(&text, 1)).front());
}

std::vector<std::vector<label_score>> text_classifier::scores(tokenized_texts const& texts) const {
  std::vector<std::vector<label_score>> results;
  results.reserve(texts.size());
  for (auto const& row : implementation_->scores(texts.rows())) results.push_back(implementation_->all(row));
  return results;
}

std::vector<std::vector<float>> text_classifier::logits(std::span<std::string_view const> texts) const {
  return implementation_->logits(texts);
}

std::span<std::string const> text_classifier::labels() const noexcept { return implementation_->labels(); }

std::string text_classifier::placement() const { return implementation_->placement(); }

}  // namespace yonder::ml
