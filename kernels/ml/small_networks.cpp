// SPDX-License-Identifier: Apache-2.0
#include "ml/small_networks.hpp"

#include <algorithm>

#include "cpu/heads.hpp"

namespace yonder::kernels {
namespace {

constexpr std::size_t most_labels = 100'000;

}  // namespace

network_config::network_config(std::filesystem::path const& folder, std::string_view type,
                               std::span<std::string_view const> keys)
    : file_((folder / "config.json").string()), json_(read_json(file_)) {
  if (view().string("model_type") != type) view().unsupported("model_type", std::string(type));
  for (auto const& [key, value] : json_.items())
    if (key != "model_type" && key != "labels" && std::find(keys.begin(), keys.end(), key) == keys.end())
      view().unsupported(key, "no such key of a " + std::string(type));
  auto const labels = json_.find("labels");
  auto const is_text = [](json const& one) { return one.is_string(); };
  if (labels == json_.end() || !labels->is_array() || labels->empty() || labels->size() > most_labels ||
      !std::all_of(labels->begin(), labels->end(), is_text))
    view().malformed("labels", "a list of names");
  labels_ = labels->get<std::vector<std::string>>();
}

std::size_t network_config::size(char const* key, std::size_t limit) const {
  auto const value = view().count(key, limit);
  if (value == 0) view().malformed(key, "a whole number from 1 to " + std::to_string(limit));
  return value;
}

std::vector<std::size_t> network_config::sizes(char const* key, std::size_t limit) const {
  auto const found = json_.find(key);
  auto const fits = [&](json const& one) {
    return one.is_number_unsigned() && one.get<std::uint64_t>() >= 1 && one.get<std::uint64_t>() <= limit;
  };
  if (found == json_.end() || !found->is_array() || found->empty() ||
      !std::all_of(found->begin(), found->end(), fits))
    view().malformed(key, "a list of whole numbers from 1 to " + std::to_string(limit));
  return found->get<std::vector<std::size_t>>();
}

ml::label_score best_label(std::vector<float> logits, std::span<std::string const> labels) {
  cpu::apply_scores(score_function::softmax, logits.data(), logits.size());
  auto const largest = std::max_element(logits.begin(), logits.end());
  return {labels[static_cast<std::size_t>(largest - logits.begin())], *largest};
}

std::vector<std::vector<float>> rows_of(std::vector<float> const& logits, std::size_t labels) {
  std::vector<std::vector<float>> rows;
  for (auto at = logits.begin(); at != logits.end(); at += static_cast<std::ptrdiff_t>(labels))
    rows.emplace_back(at, at + static_cast<std::ptrdiff_t>(labels));
  return rows;
}

}  // namespace yonder::kernels
