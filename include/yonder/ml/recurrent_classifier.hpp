// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "yonder/ml/export.hpp"
#include "yonder/ml/text_classifier.hpp"

namespace yonder::ml {

// A small recurrent network on texts: byte by byte through a gated recurrent unit (Cho et al.,
// arXiv:1406.1078, as PyTorch's GRU computes it), whose last state has a layer of labels; on the CPU in fp32.
// Its folder: config.json ("model_type": "yonder-gru", "embedding" and "hidden" sizes, "max_bytes" of a text,
// "labels") and model.safetensors with PyTorch's names and shapes: embedding.weight [256][embedding],
// gru.weight_ih_l0 [3 * hidden][embedding], gru.weight_hh_l0 [3 * hidden][hidden], gru.bias_ih_l0,
// gru.bias_hh_l0, classifier.weight [labels][hidden], classifier.bias. tools/train_workloads makes one.
//
// Const calls may run on several threads at once.
class YONDER_KERNELS_API recurrent_classifier {
 public:
  // `threads` as in text_options. Throws model_error (errors.hpp).
  explicit recurrent_classifier(std::filesystem::path const& folder, std::size_t threads = 0);
  recurrent_classifier(recurrent_classifier&&) noexcept;
  recurrent_classifier& operator=(recurrent_classifier&&) noexcept;
  ~recurrent_classifier();

  // The label with the highest probability. Throws std::length_error for a text of more than max_bytes.
  label_score operator()(std::string_view text) const;
  // One for each text; each has the same bits alone and among others. Throws as above.
  std::vector<label_score> operator()(std::span<std::string const> texts) const;
  // [texts][labels]
  std::vector<std::vector<float>> logits(std::span<std::string_view const> texts) const;

  std::span<std::string const> labels() const noexcept;  // as config.json has them
  std::size_t max_bytes() const noexcept;                // of a text

 private:
  class implementation;
  std::unique_ptr<implementation const> implementation_;
};

}  // namespace yonder::ml
