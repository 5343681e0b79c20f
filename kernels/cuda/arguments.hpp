// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>

#include "model/config.hpp"
#include "model/sentence_folder.hpp"

// What each kernel reads and writes. T is bf16 or f16. Matrices are dense and row-major, their rows 16-byte
// aligned; what is per token has no padding between sequences.
namespace yonder::kernels::cuda {

// Rows of one sequence whose queries one block takes.
struct attention_tile {
  std::int32_t first;   // row of the sequence's first token
  std::int32_t length;  // tokens of the sequence
  std::int32_t query;   // the tile's first query, within the sequence
};

struct batch_counts {
  std::int32_t tokens;
  std::int32_t sequences;
  std::int32_t tiles;
  std::int32_t skipped;  // tokens at the front of each sequence that pooling leaves out
};

// One batch in device memory. Kernels read the counts there, so that one graph serves every batch of its
// bucket.
struct device_batch {
  batch_counts const* counts;
  std::int32_t const* ids;      // [tokens]
  std::uint32_t const* places;  // [tokens]: position | type << 16
  std::int32_t const* starts;   // [sequences + 1]
  attention_tile const* tiles;  // [tiles]
};

struct norm_parameters {
  float const* weight;
  float const* bias;
  float epsilon;
};

// out[token] = norm(words[id] + positions[position] + types[type]); zeros in the rows past the last token.
// What the model has no table of is null, and not added.
template <class T>
struct embedding_arguments {
  device_batch batch;
  T const* words;
  T const* positions;
  T const* types;
  norm_parameters norm;
  T* out;
  std::uint32_t rows;
  std::uint32_t width;
};

// out = norm(in)
template <class T>
struct norm_arguments {
  T const* in;
  norm_parameters norm;
  T* out;
  std::uint32_t rows;
  std::uint32_t width;
};

// x = f(x + bias), in place. The bias may be null.
template <class T>
struct activation_arguments {
  T* x;
  T const* bias;
  activation function;
  std::uint32_t rows;
  std::uint32_t width;
};

// out[rows][width] = f(first + its bias) * (second + its bias), in[rows][2 * width] being both, and bias
// [2 * width] likewise, which may be null.
template <class T>
struct gate_arguments {
  T const* in;
  T const* bias;
  activation function;
  T* out;
  std::uint32_t rows;
  std::uint32_t width;
};

// Queries and keys of qkv, as attention has them, each turned by the angles of its token's position, in
// place.
template <class T>
struct rotary_arguments {
  device_batch batch;
  T* qkv;
  float const* angles;  // [positions][head_size], as rotary_angles() has them
  std::uint32_t rows;
  std::uint32_t heads;
  std::uint32_t head_size;  // 32 or 64
};

inline constexpr std::uint32_t unlimited_window = 0xffffffffU;

// qkv: [tokens][3 * hidden], queries, keys, values beside each other; out: [tokens][hidden].
template <class T>
struct attention_arguments {
  device_batch batch;
  T const* qkv;
  T* out;
  std::uint32_t rows;
  std::uint32_t heads;
  std::uint32_t head_size;  // 32 or 64
  std::uint32_t warps;      // 1 to 4, or hopper_attention_warps, 16 queries each: a tile has 16 * warps
  // Only with 1 to 4 warps: a query sees those keys that are at most so far from it, and what is added to
  // each score times sqrt(head_size), by distance, as spread_distances() has it; null: nothing.
  std::uint32_t window = unlimited_window;
  float const* distances = nullptr;
  std::uint32_t reach = 0;  // no sequence is longer, where there are distances

  bool has_pattern() const { return window != unlimited_window || distances != nullptr; }
};

enum class first_activation : std::uint8_t { tanh, relu };

// logits = second * f(first * hidden[first token] + first_bias) + second_bias
template <class T>
struct classification_arguments {
  device_batch batch;
  T const* hidden;
  T const* first;  // [width][width]
  float const* first_bias;
  T const* second;  // [labels][width]
  float const* second_bias;
  first_activation function;
  float* scratch;           // [sequences][width]
  std::uint32_t* arrivals;  // one for each group of sequences, all zero before and after
  float* logits;            // [sequences][labels]
  std::uint32_t width;
  std::uint32_t labels;
  std::uint32_t most_sequences;  // of the bucket
};

// out[row][label] = weight[label] * in[row] + bias[label], of each token, or of each sequence, of which `in`
// then has a row.
template <class T>
struct label_arguments {
  device_batch batch;
  T const* in;
  T const* weight;  // [labels][width]
  float const* bias;
  float* out;
  std::uint32_t rows;  // of the bucket
  std::uint32_t width;
  std::uint32_t labels;
  bool of_tokens;
};

// out[sequence * stride] = the tokens' rows, pooled, without those that the batch skips: as cpu::pool().
template <class T>
struct pooling_arguments {
  device_batch batch;
  T const* hidden;
  pooling_mode mode;
  float* out;
  std::uint32_t stride;
  std::uint32_t width;
  std::uint32_t most_sequences;
  T* rounded = nullptr;  // where it is not null, the rows go there, and not to `out`
};

// out[rows][columns] = f(in[rows][depth] * transpose(weight[columns][depth]) + bias + residual), rounded
// once. Bias and residual may be null. On a GPU, gelu may take its tanh form, as cuBLASLt has it: on N(0, 1)
// and against the exact function that raises the relative error, which is rounding's, from 1.66e-3 to 1.67e-3
// in bf16 and from 2.1e-4 to 2.9e-4 in fp16 (kernels/tools/fit_gelu.py).
template <class T>
struct product_arguments {
  T const* in;
  T const* weight;
  T const* bias;
  T const* residual;                   // [rows][columns], other memory than `out`
  std::optional<activation> function;  // only where there is a bias
  T* out;
  std::uint32_t rows;
  std::uint32_t columns;
  std::uint32_t depth;
};

}  // namespace yonder::kernels::cuda
