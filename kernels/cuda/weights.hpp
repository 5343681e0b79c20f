// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "model/config.hpp"
#include "model/safetensors.hpp"

namespace yonder::kernels::cuda {

// Where something lies in the one block of memory that holds a model's weights.
template <class Element>
struct part {
  std::size_t offset = 0;

  Element const* in(std::byte const* block) const { return reinterpret_cast<Element const*>(block + offset); }
};

struct norm_parts {
  part<float> weight;
  part<float> bias;
};

// Matrices are [out][in], as PyTorch has them. A product's bias is an epilogue of cuBLASLt, which takes it in
// the matrix's format; norms take theirs in float.
template <class T>
struct layer_parts {
  part<T> query_key_value;
  part<T> query_key_value_bias;
  part<T> attention_output;
  part<T> attention_output_bias;
  norm_parts attention_norm;
  part<T> intermediate;
  part<T> intermediate_bias;
  part<T> output;
  part<T> output_bias;
  norm_parts output_norm;
};

template <class T>
struct classifier_parts {
  part<T> first;
  part<float> first_bias;
  part<T> second;
  part<float> second_bias;
  std::size_t labels = 0;
};

template <class T>
struct model_parts {
  part<T> words;
  part<T> positions;
  std::optional<part<T>> types;
  norm_parts embedding_norm;
  std::vector<layer_parts<T>> layers;
  std::optional<classifier_parts<T>> classifier;
  std::vector<std::byte> bytes;  // the block, in host memory
};

// Reads and rounds the weights of a model, those of a classifier with `labels` outputs where it has one.
// Throws ml::inconsistent_model, and ml::unsupported_model where the kernels have no such shape.
template <class T>
model_parts<T> load_parts(weight_files const& files, encoder_config const& config,
                          std::optional<std::size_t> labels);

}  // namespace yonder::kernels::cuda
