// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "model/sentence_folder.hpp"

namespace yonder::kernels {

// What a model computes of a text: the logits of its labels, or else the pooled vectors one after the other.
struct model_task {
  std::optional<std::size_t> labels;
  std::vector<pooling_mode> pooling;
  std::size_t skipped = 0;  // tokens at the front of a text that pooling leaves out: those of its prompt

  std::size_t width(std::size_t hidden) const noexcept { return labels ? *labels : pooling.size() * hidden; }
};

}  // namespace yonder::kernels
