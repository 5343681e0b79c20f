// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "model/sentence_folder.hpp"

namespace yonder::kernels {

// What a model computes of a text: the logits of its labels, or of each token's, or else the pooled vectors
// one after the other.
struct model_task {
  std::optional<std::size_t> labels;
  std::vector<pooling_mode> pooling;
  std::string token_layer = {};  // the layer that gives each token its logits; empty: the text has them

  bool of_each_token() const noexcept { return !token_layer.empty(); }
  // Of a row: a text's, or a token's.
  std::size_t width(std::size_t hidden) const noexcept { return labels ? *labels : pooling.size() * hidden; }
};

}  // namespace yonder::kernels
