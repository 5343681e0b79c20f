// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "yonder/ml/errors.hpp"
#include "yonder/ml/question_answerer.hpp"
#include "yonder/ml/reranker.hpp"
#include "yonder/ml/sentence_encoder.hpp"
#include "yonder/ml/token_classifier.hpp"

// What models that answer for each token, or read by windows, make of texts, in the rows of tools/peer.py.
namespace head_rows {

struct outcome {
  std::vector<std::vector<float>> values;
  std::vector<std::string> labels;
};

template <class Found>
std::vector<float> row_of(std::vector<Found> const& found) {
  std::vector<float> row;
  for (auto const& each : found) {
    row.push_back(static_cast<float>(each.begin));
    row.push_back(static_cast<float>(each.end));
    row.push_back(each.score);
  }
  return row;
}

inline outcome tokens(yonder::ml::token_classifier const& model, std::vector<std::string> const& texts) {
  using enum yonder::ml::aggregation;
  outcome all;
  for (auto const& text : texts) {
    auto const add = [&](yonder::ml::entity_options const& options) {
      auto const found = model(text, options);
      all.values.push_back(row_of(found));
      for (auto const& each : found) all.labels.push_back(each.label);
    };
    for (auto const how : {none, simple, first, average, max})
      add({.aggregation = how, .ignored_labels = {}, .overlap = {}});
    add({.aggregation = average, .overlap = 1});
  }
  return all;
}

// What of each text answers the first two words of the one after it.
inline outcome answers(yonder::ml::question_answerer const& model, std::vector<std::string> const& texts) {
  outcome all;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    auto const& next = texts[(i + 1) % texts.size()];
    auto const question = next.substr(0, next.find(' ', std::min(next.find(' '), next.size() - 1) + 1));
    all.values.push_back(row_of(model(question, texts[i], {.most = 3, .may_be_none = true, .overlap = 4})));
    all.values.push_back(
        row_of(model(question, texts[i], {.most = 2, .longest = 4, .whole_words = false, .overlap = 2})));
  }
  return all;
}

inline outcome windows(yonder::ml::sentence_encoder const& model, std::vector<std::string> const& texts) {
  outcome all;
  for (auto const& found : model.encode_windows(texts, 2)) {
    auto& row = all.values.emplace_back();
    for (auto const& each : found) {
      row.push_back(static_cast<float>(each.begin));
      row.push_back(static_cast<float>(each.end));
      row.insert(row.end(), each.values.begin(), each.values.end());
    }
  }
  return all;
}

// Each text with the one after it.
inline outcome passages(yonder::ml::reranker const& model, std::vector<std::string> const& texts) {
  outcome all;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    auto& row = all.values.emplace_back();
    try {
      row.push_back(model(texts[i], texts[(i + 1) % texts.size()], {.overlap = 1}));
    } catch (yonder::ml::text_too_long const&) {
      row.clear();
    }
  }
  return all;
}

}  // namespace head_rows
