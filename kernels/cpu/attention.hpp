// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "cpu/matrix.hpp"

namespace yonder::kernels::cpu {

// Scratch memory of attention(), kept between layers: O(longest sequence * head size).
struct attention_scratch {
  packed_matrix keys;
  packed_matrix values;
  std::vector<float> scores;
};

// Multi-head self-attention (Vaswani et al., arXiv:1706.03762): softmax(Q K^T / sqrt(head size)) V for each
// head of each sequence, without a mask: sequences lie one after the other, without padding. qkv: [tokens][3
// * hidden], queries, keys, values beside each other; out: [tokens][hidden]; sequence i has the tokens
// starts[i] to starts[i + 1]. Reference: reference::attention.
void attention(kernel_set const& kernels, float const* qkv, std::span<std::size_t const> starts,
               std::size_t heads, std::size_t head_size, float* out, attention_scratch& scratch);

}  // namespace yonder::kernels::cpu
