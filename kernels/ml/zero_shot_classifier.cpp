// SPDX-License-Identifier: Apache-2.0
#include "yonder/ml/zero_shot_classifier.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

#include "cpu/heads.hpp"
#include "ml/text_model.hpp"
#include "model/find_model.hpp"
#include "yonder/ml/errors.hpp"

namespace yonder::ml {
namespace {

// The sentence for a label, as Python's format() makes it.
class hypothesis {
 public:
  explicit hypothesis(std::string const& pattern) : pattern_(pattern), at_(pattern.find("{}")) {
    bool const once = at_ != std::string::npos && pattern.find_first_of("{}") == at_ &&
                      pattern.find_first_of("{}", at_ + 2) == std::string::npos;
    if (once) return;
    throw std::invalid_argument("the hypothesis template \"" + pattern +
                                "\" has to have {} once, where a label stands, and no other braces");
  }
  std::string operator()(std::string const& label) const {
    return pattern_.substr(0, at_) + label + pattern_.substr(at_ + 2);
  }

 private:
  std::string const& pattern_;
  std::size_t at_;
};

std::size_t entailment_of(std::filesystem::path const& folder, kernels::classifier_config const& config) {
  auto const& ids = config.entailment;
  if (ids.size() == 1 && ids[0] < config.labels.size()) return ids[0];
  throw unsupported_model({(folder / "config.json").string(),
                           std::to_string(ids.size()) + " labels that begin with \"entail\" in \"label2id\"",
                           "one, of the " + std::to_string(config.labels.size()) + " that the model has",
                           "choose a model of natural language inference"});
}

}  // namespace

class zero_shot_classifier::implementation {
 public:
  implementation(std::filesystem::path const& folder, text_options const& options)
      : model_(folder, options), entailment_(entailment_of(folder, model_.config().classifier)) {
    model_.expect_pairs();
  }

  std::vector<std::vector<label_score>> operator()(std::span<std::string_view const> texts,
                                                   std::span<std::string const> labels,
                                                   zero_shot_options const& options) const {
    auto const logits = run(texts, labels, hypothesis(options.hypothesis_template));
    bool const alone = options.multi_label || labels.size() == 1;
    std::vector<std::vector<label_score>> all;
    for (std::size_t i = 0; i < texts.size(); ++i) {
      auto const of_text = std::span(logits).subspan(i * labels.size(), labels.size());
      auto const scores = alone ? each_by_itself(of_text) : shared(of_text);
      auto& found = all.emplace_back();
      for (std::size_t k = 0; k < labels.size(); ++k) found.push_back({labels[k], scores[k]});
      std::ranges::stable_sort(found, [](auto const& a, auto const& b) { return a.score > b.score; });
    }
    return all;
  }

  std::string placement() const { return model_.placement(); }

 private:
  using rows = std::span<std::vector<float> const>;

  // [texts * labels][classes]
  std::vector<std::vector<float>> run(std::span<std::string_view const> texts,
                                      std::span<std::string const> labels, hypothesis const& about) const {
    std::vector<std::string> sentences;
    sentences.reserve(labels.size());
    for (auto const& label : labels) sentences.push_back(about(label));
    std::vector<kernels::text_pair_view> pairs;
    pairs.reserve(texts.size() * labels.size());
    for (auto const text : texts)
      for (auto const& sentence : sentences) pairs.push_back({text, sentence});
    return model_.run(pairs, kernels::pair_truncation::only_first);
  }

  // Entailment against contradiction: the first label, or the last one where that is entailment.
  std::vector<float> each_by_itself(rows logits) const {
    std::vector<float> scores;
    for (auto const& row : logits) {
      float both[] = {entailment_ == 0 ? row.back() : row.front(), row[entailment_]};
      kernels::cpu::apply_scores(kernels::score_function::softmax, both, 2);
      scores.push_back(both[1]);
    }
    return scores;
  }

  std::vector<float> shared(rows logits) const {
    std::vector<float> scores;
    for (auto const& row : logits) scores.push_back(row[entailment_]);
    if (!scores.empty())
      kernels::cpu::apply_scores(kernels::score_function::softmax, scores.data(), scores.size());
    return scores;
  }

  kernels::text_model model_;
  std::size_t entailment_;
};

zero_shot_classifier::zero_shot_classifier(std::filesystem::path const& folder, text_options options)
    : implementation_(std::make_unique<implementation const>(kernels::find_model(folder), options)) {}
zero_shot_classifier::zero_shot_classifier(zero_shot_classifier&&) noexcept = default;
zero_shot_classifier& zero_shot_classifier::operator=(zero_shot_classifier&&) noexcept = default;
zero_shot_classifier::~zero_shot_classifier() = default;

std::vector<label_score> zero_shot_classifier::operator()(std::string_view text,
                                                          std::span<std::string const> labels,
                                                          zero_shot_options const& options) const {
  return std::move((*implementation_)({&text, 1}, labels, options).front());
}

std::vector<std::vector<label_score>> zero_shot_classifier::operator()(
    std::span<std::string const> texts, std::span<std::string const> labels,
    zero_shot_options const& options) const {
  return (*implementation_)(std::vector<std::string_view>(texts.begin(), texts.end()), labels, options);
}

std::string zero_shot_classifier::placement() const { return implementation_->placement(); }

}  // namespace yonder::ml
