// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "cuda/arguments.hpp"
#include "model/config.hpp"
#include "model/safetensors.hpp"
#include "model/task.hpp"

namespace yonder::kernels::cuda {

// Where something lies in the one block of memory that holds a model's weights.
template <class Element>
struct part {
  std::size_t offset = 0;

  Element const* in(std::byte const* block) const { return reinterpret_cast<Element const*>(block + offset); }
};

struct norm_parts {
  part<float> weight;
  part<float> bias;  // zeros where the model has none
};

// Matrices are [out][in], as PyTorch has them. A product's bias is an epilogue of cuBLASLt, which takes it in
// the matrix's format; norms take theirs in float. Of a gated layer `intermediate` has both its halves.
template <class T>
struct layer_parts {
  part<T> query_key_value;
  std::optional<part<T>> query_key_value_bias;
  part<T> attention_output;
  std::optional<part<T>> attention_output_bias;
  norm_parts attention_norm;
  part<T> intermediate;
  std::optional<part<T>> intermediate_bias;
  part<T> output;
  std::optional<part<T>> output_bias;
  norm_parts output_norm;
  std::uint32_t window = unlimited_window;  // as in attention_arguments
  std::optional<part<float>> angles = std::nullopt;
};

template <class T>
struct classifier_parts {
  part<T> first;
  part<float> first_bias;
  part<T> second;
  part<float> second_bias;
  std::size_t labels = 0;
};

// Of any head but that: what rows go through before the last layer, as much of it as the family has.
template <class T>
struct head_parts {
  std::optional<part<T>> first;
  std::optional<part<T>> first_bias;
  std::optional<norm_parts> norm;
  part<T> last;
  part<float> last_bias;
  std::size_t labels = 0;
  bool of_tokens = false;  // each has labels, and not the sequence
};

template <class T>
struct model_parts {
  part<T> words;
  std::optional<part<T>> positions;
  std::optional<part<T>> types;
  norm_parts embedding_norm;
  std::optional<part<float>> distances;  // as in attention_arguments
  std::vector<layer_parts<T>> layers;
  std::optional<classifier_parts<T>> classifier;
  std::optional<head_parts<T>> head;
  std::vector<std::byte> bytes;  // the block, in host memory
};

// Reads and rounds the weights of a model, with those of its head where the task has one. Throws
// ml::inconsistent_model, and ml::unsupported_model where the kernels have no such shape.
template <class T>
model_parts<T> load_parts(weight_files const& files, encoder_config const& config, model_task const& task);

}  // namespace yonder::kernels::cuda
