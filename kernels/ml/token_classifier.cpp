// SPDX-License-Identifier: Apache-2.0
#include "yonder/ml/token_classifier.hpp"

#include <algorithm>
#include <iterator>
#include <stdexcept>
#include <utility>

#include "ml/entities.hpp"
#include "ml/text_model.hpp"
#include "model/find_model.hpp"

namespace yonder::ml {

class token_classifier::implementation {
 public:
  implementation(std::filesystem::path const& folder, text_options const& options)
      : model_(kernels::find_model(folder), options, kernels::model_head::tokens) {}

  std::vector<std::vector<entity>> find(std::span<std::string_view const> texts,
                                        entity_options const& options) const {
    if (options.overlap && options.aggregation == aggregation::none) {
      throw std::invalid_argument(
          "windows that share tokens need an aggregation: with none, those would be found twice");
    }
    std::vector<std::vector<entity>> all;
    all.reserve(texts.size());
    while (!texts.empty()) {
      auto const some = texts.first(std::min(texts.size(), texts_at_once));
      find_in(some, options, all);
      texts = texts.subspan(some.size());
    }
    return all;
  }

  std::vector<std::string> const& labels() const noexcept { return model_.config().classifier.labels; }
  std::string placement() const { return model_.placement(); }

 private:
  static constexpr std::size_t texts_at_once = 64;

  void find_in(std::span<std::string_view const> texts, entity_options const& options,
               std::vector<std::vector<entity>>& all) const {
    std::vector<kernels::token_window> windows;
    std::vector<std::size_t> ends;  // of each text's windows
    for (auto const text : texts) {
      auto some = model_.windows(text, options.overlap);
      windows.insert(windows.end(), std::move_iterator(some.begin()), std::move_iterator(some.end()));
      ends.push_back(windows.size());
    }
    auto const rows = model_.run(windows);
    kernels::entity_finder const find(model_.tokens(), labels(), options);
    for (std::size_t i = 0, window = 0; i < texts.size(); ++i) {
      bool const several = ends[i] - window > 1;
      std::vector<entity> found;
      for (; window < ends[i]; ++window) {
        auto some = find(texts[i], windows[window], rows[window]);
        found.insert(found.end(), std::move_iterator(some.begin()), std::move_iterator(some.end()));
      }
      all.push_back(several ? kernels::merge_windows(texts[i], std::move(found)) : std::move(found));
    }
  }

  kernels::text_model model_;
};

token_classifier::token_classifier(std::filesystem::path const& folder, text_options options)
    : implementation_(std::make_unique<implementation const>(folder, options)) {}
token_classifier::token_classifier(token_classifier&&) noexcept = default;
token_classifier& token_classifier::operator=(token_classifier&&) noexcept = default;
token_classifier::~token_classifier() = default;

std::vector<entity> token_classifier::operator()(std::string_view text, entity_options const& options) const {
  return std::move(implementation_->find({&text, 1}, options).front());
}

std::vector<std::vector<entity>> token_classifier::operator()(std::span<std::string const> texts,
                                                              entity_options const& options) const {
  return implementation_->find(std::vector<std::string_view>(texts.begin(), texts.end()), options);
}

std::span<std::string const> token_classifier::labels() const noexcept { return implementation_->labels(); }

std::string token_classifier::placement() const { return implementation_->placement(); }

}  // namespace yonder::ml
