// SPDX-License-Identifier: Apache-2.0
//
// What this library makes of model folders, for fuzz_folders.py to compare with transformers. Each line of
// the input is {"folder": path, "task": "classify" or "embed", "texts": [text, …]}; each line of the output
// {"values": [[number, …], …]}, with "labels" of a classifier, or {"error": words}.
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "yonder/ml/errors.hpp"
#include "yonder/ml/sentence_encoder.hpp"
#include "yonder/ml/text_classifier.hpp"

namespace {

using nlohmann::json;

json run(json const& order) {
  std::string const folder = order["folder"];
  std::vector<std::string> const texts = order["texts"];
  std::vector<std::string_view> const views(texts.begin(), texts.end());
  yonder::ml::text_options const options{.threads = 1};
  try {
    if (order["task"] == "embed") {
      return {{"values", yonder::ml::sentence_encoder(folder, options)(std::span(views))}};
    }
    yonder::ml::text_classifier const model(folder, options);
    json scores = json::array();
    for (auto const& text : texts) {
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
