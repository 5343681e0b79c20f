// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "cpu/encoder.hpp"
#include "model/sentence_folder.hpp"

namespace yonder::kernels {

// What a sentence-transformers folder does to the pooled vectors, in fp32 on the CPU. Const calls are
// thread-safe.
class sentence_steps {
 public:
  // `width` is that of the pooled vectors; `threads` at most, 0: default_threads(). Throws ml::model_error.
  sentence_steps(sentence_folder const& folder, std::size_t width, std::size_t threads);

  // Empty rows stay so.
  void apply(std::vector<std::vector<float>>& rows) const;
  // Of the results.
  std::size_t width() const noexcept { return width_; }

 private:
  struct dense {
    dense_config config;
    cpu::linear layer;
    std::optional<cpu::linear> residual;  // where what came in has another width
  };

  dense load_dense(dense_config const& config, std::size_t width) const;
  std::vector<float> run(dense const& step, std::vector<float> const& row) const;

  cpu::kernel_set const& kernels_;
  std::size_t threads_;
  std::vector<std::optional<dense>> steps_;  // nothing: to length 1
  std::size_t width_;
};

}  // namespace yonder::kernels
