// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <vector>

#include "cuda/batch.hpp"
#include "cuda/memory.hpp"
#include "cuda/operators.hpp"
#include "cuda/weights.hpp"

namespace yonder::kernels::cuda {

// A model whose weights lie in memory that the operators can read.
template <class T>
struct placed_model {
  model_parts<T> const& parts;
  encoder_config const& config;
  std::byte const* block;
  std::vector<pooling_mode> pooling;  // of a model without a classifier
  attention_unit attention = attention_unit::warp;

  std::uint32_t attention_warps(bucket const& size) const {
    return cuda::attention_warps(size, config.heads, attention);
  }

  // Floats of one result: the labels' logits, or the pooled vectors one after the other.
  std::size_t result_width() const {
    return parts.classifier ? parts.classifier->labels : pooling.size() * config.hidden;
  }
};

// The intermediate results of one batch. But for `arrivals`, what they hold before it does not matter.
template <class T>
struct activations {
  T* hidden;   // [rows][hidden]
  T* sum;      // [rows][hidden]: what a norm takes
  T* context;  // [rows][hidden]
  T* wide;     // queries, keys and values, then the intermediate layer
  float* scratch;
  std::uint32_t* arrivals;  // at the same place for every bucket; zero before the first batch

  static activations in(arena& memory, placed_model<T> const& model, bucket const& size);
};

// The products of one layer, in order.
template <class T>
struct layer_products {
  product_arguments<T> query_key_value;
  product_arguments<T> attention_output;
  product_arguments<T> intermediate;
  product_arguments<T> output;
};

template <class T>
layer_products<T> products_of(placed_model<T> const& model, layer_parts<T> const& layer,
                              activations<T> const& at, bucket const& size);

// Embedding to results, which are [sequences][result_width], in the order in which the operators must run.
template <class T>
void run_forward(operators<T>& run, placed_model<T> const& model, activations<T> const& at,
                 device_batch const& batch, bucket const& size, float* results);

}  // namespace yonder::kernels::cuda
