// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/json.hpp"
#include "yonder/ml/text_classifier.hpp"

namespace yonder::kernels {

// config.json of the folders of image_classifier and recurrent_classifier.
class network_config {
 public:
  // Each key is in `keys`, besides model_type, which is `type`, and labels. Throws ml::model_error.
  network_config(std::filesystem::path const& folder, std::string_view type,
                 std::span<std::string_view const> keys);

  // From 1 to `limit`.
  std::size_t size(char const* key, std::size_t limit) const;
  std::vector<std::size_t> sizes(char const* key, std::size_t limit) const;
  std::vector<std::string> const& labels() const noexcept { return labels_; }

 private:
  json_view view() const { return {json_, file_}; }

  std::string file_;
  json json_;
  std::vector<std::string> labels_;
};

// The label that has the highest of softmax(logits).
ml::label_score best_label(std::vector<float> logits, std::span<std::string const> labels);

// logits[rows][labels] as rows.
std::vector<std::vector<float>> rows_of(std::vector<float> const& logits, std::size_t labels);

}  // namespace yonder::kernels
