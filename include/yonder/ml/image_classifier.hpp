// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "yonder/ml/export.hpp"
#include "yonder/ml/text_classifier.hpp"

namespace yonder::ml {

// A small convolutional network on gray images of 28 x 28, digits say: 3x3 convolutions, each with ReLU and
// the maximum of 2x2, and a layer of labels, on the CPU in fp32. Its folder: config.json ("model_type":
// "yonder-cnn", "channels" of each convolution, "labels") and model.safetensors, whose tensors have PyTorch's
// names and shapes: convolutions.N.weight [out][in][3][3], classifier.weight
// [labels][channels * height * width]; a bias for each. tools/train_workloads makes one.
//
// Const calls may run on several threads at once.
class YONDER_KERNELS_API image_classifier {
 public:
  static constexpr std::size_t side = 28;             // pixels
  static constexpr std::size_t pixels = side * side;  // of an image

  // `threads` as in text_options. Throws model_error (errors.hpp).
  explicit image_classifier(std::filesystem::path const& folder, std::size_t threads = 0);
  image_classifier(image_classifier&&) noexcept;
  image_classifier& operator=(image_classifier&&) noexcept;
  ~image_classifier();

  // image[side][side]: 0 is black, 1 is white. The label with the highest probability. Throws
  // std::invalid_argument for another number of pixels, and for one that is no finite number.
  label_score operator()(std::span<float const> image) const;
  // images[n][side][side] to [n][labels]; each has the same bits alone and among others. Throws as above.
  std::vector<std::vector<float>> logits(std::span<float const> images) const;

  std::span<std::string const> labels() const noexcept;  // as config.json has them

 private:
  class implementation;
  std::unique_ptr<implementation const> implementation_;
};

}  // namespace yonder::ml
