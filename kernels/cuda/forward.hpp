// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
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
  std::vector<pooling_mode> pooling;  // of a model without a head
  attention_unit attention = attention_unit::warp;

  // Windows and what distance adds are there for warps alone.
  std::uint32_t attention_warps(bucket const& size) const {
    bool const plain = !parts.distances && std::ranges::all_of(parts.layers, [](auto const& layer) {
      return layer.window == unlimited_window;
    });
    return cuda::attention_warps(size, config.heads, plain ? attention : attention_unit::warp);
  }

  // Floats of one result: the labels' logits, or the pooled vectors one after the other.
  std::size_t result_width() const {
    if (parts.classifier) return parts.classifier->labels;
    return parts.head ? parts.head->labels : pooling.size() * config.hidden;
  }
  // Each token, or each sequence, has one.
  bool of_tokens() const { return parts.head && parts.head->of_tokens; }
  std::size_t most_results(bucket const& size) const { return of_tokens() ? size.rows : size.sequences; }
  std::size_t results_of(batch_source const& batch) const {
    return of_tokens() ? batch.tokens() : batch.sequences();
  }
};

// The intermediate results of one batch. But for `arrivals`, what they hold before it does not matter.
template <class T>
struct activations {
  T* hidden;   // [rows][hidden]
  T* sum;      // [rows][hidden]: what a norm takes
  T* context;  // [rows][hidden]
  T* wide;     // queries, keys and values, then the intermediate layer
  T* normed;   // [rows][hidden], where norms stand before parts: what the next part reads
  T* gated;    // [rows][intermediate] of gated layers
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

// Embedding to results, [placed_model::results_of()][result_width()], in the order in which the operators
// must run.
template <class T>
void run_forward(operators<T>& run, placed_model<T> const& model, activations<T> const& at,
                 device_batch const& batch, bucket const& size, float* results);

}  // namespace yonder::kernels::cuda
