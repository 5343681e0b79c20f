// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>

#include "cpu/matrix.hpp"
#include "model/layer.hpp"

namespace yonder::kernels::cpu {

// Queries, keys and values of packed sequences, beside each other: values[tokens][3 * heads * head_size];
// sequence i has the tokens starts[i] to starts[i + 1].
struct attention_input {
  float const* values;
  std::span<std::size_t const> starts;
  std::size_t heads;
  std::size_t head_size;
  // What is added to each score times sqrt(head size), by distance: [heads][2 * reach - 1], of the key that
  // lies reach - 1 tokens before its query first. No sequence is longer than reach. Null: nothing.
  float const* distances = nullptr;
  std::size_t reach = 0;
  std::size_t window = attention_pattern::everything;  // as there
};

// Where its rows [tokens][heads * head_size] go: to floats, or to an operand that does not ask for whole
// rows.
struct attention_output {
  float* values = nullptr;
  operand* encoded = nullptr;
};

// Multi-head self-attention (Vaswani et al., arXiv:1706.03762): softmax((Q K^T + distances) / sqrt(head
// size)) V for each head of each sequence, over the keys of its window (Beltagy et al., arXiv:2004.05150):
// sequences lie one after the other, without padding. Scores exist for a few queries and a block of keys at a
// time (Dao et al., arXiv:2205.14135). Reference: reference::attention. Throws std::bad_alloc.
void attention(kernel_set const& kernels, crew const& by, attention_input const& from,
               attention_output const& to);

}  // namespace yonder::kernels::cpu
