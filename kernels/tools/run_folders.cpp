// SPDX-License-Identifier: Apache-2.0
//
// What this library makes of model folders, for fuzz_folders.py to compare with transformers. Each line of
// the input is {"folder": path, "task": "classify", "embed", "rerank", "zero-shot", "tokens", "answer",
// "windows" or "passages", "texts": [text, …], "labels": [label, …]}; each line of the output {"values":
// [[number, …], …]}, with "labels" of a classifier, or {"error": words}.
#include <algorithm>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "../tests/head_rows.hpp"
#include "yonder/ml/errors.hpp"
#include "yonder/ml/reranker.hpp"
#include "yonder/ml/sentence_encoder.hpp"
#include "yonder/ml/text_classifier.hpp"
#include "yonder/ml/zero_shot_classifier.hpp"

namespace {

using nlohmann::json;

using texts = std::vector<std::string>;

// Each text with the one after it.
json rerank(std::string const& folder, texts const& all, yonder::ml::text_options const& options) {
  std::vector<yonder::ml::text_pair> pairs;
  for (std::size_t i = 0; i < all.size(); ++i) pairs.push_back({all[i], all[(i + 1) % all.size()]});
  return {{"values", yonder::ml::reranker(folder, options).scores(pairs)}};
}

// Of the labels in their order.
json zero_shot(std::string const& folder, texts const& all, texts const& labels,
               yonder::ml::text_options const& options) {
  yonder::ml::zero_shot_classifier const model(folder, options);
  auto const scores = [&](std::string const& text, bool multi_label) {
    std::vector<float> row(labels.size());
    for (auto const& found : model(text, labels, {.multi_label = multi_label}))
      row[static_cast<std::size_t>(std::ranges::find(labels, found.label) - labels.begin())] = found.score;
    return row;
  };
  json shared = json::array();
  json each = json::array();
  for (auto const& text : all) {
    shared.push_back(scores(text, false));
    each.push_back(scores(text, true));
  }
  return {{"values", shared}, {"scores", each}};
}

json run(json const& order) {
  std::string const folder = order["folder"];
  texts const all = order["texts"];
  std::vector<std::string_view> const views(all.begin(), all.end());
  yonder::ml::text_options const options{.threads = 1};
  try {
    if (order["task"] == "embed") {
      return {{"values", yonder::ml::sentence_encoder(folder, options)(std::span(views))}};
    }
    if (order["task"] == "tokens") {
      auto const found = head_rows::tokens(yonder::ml::token_classifier(folder, options), all);
      return {{"values", found.values}, {"labels", found.labels}};
    }
    if (order["task"] == "answer")
      return {{"values", head_rows::answers(yonder::ml::question_answerer(folder, options), all).values}};
    if (order["task"] == "windows")
      return {{"values", head_rows::windows(yonder::ml::sentence_encoder(folder, options), all).values}};
    if (order["task"] == "passages")
      return {{"values", head_rows::passages(yonder::ml::reranker(folder, options), all).values}};
    if (order["task"] == "rerank") return rerank(folder, all, options);
    if (order["task"] == "zero-shot") return zero_shot(folder, all, order["labels"], options);
    yonder::ml::text_classifier const model(folder, options);
    json scores = json::array();
    for (auto const& text : all) {
      json row = json::array();
      for (auto const& each : model.scores(text)) row.push_back(each.score);
      scores.push_back(std::move(row));
    }
    return {{"values", model.logits(views)}, {"scores", std::move(scores)}, {"labels", model.labels()}};
  } catch (std::exception const& error) {
    return {{"error", error.what()}};
  }
}

}  // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << run(json::parse(line)).dump(-1, ' ', true, json::error_handler_t::replace) << std::endl;
  }
}
