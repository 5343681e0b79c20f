// SPDX-License-Identifier: Apache-2.0
#include "cpu/attention.hpp"

#include <algorithm>
#include <cmath>

namespace yonder::kernels::cpu {
namespace {

constexpr std::size_t query_block =
    64;  // rows of scores at once, so that memory grows with length, not its square

struct head_view {
  float const* queries;
  std::size_t stride;
  std::size_t length;
  std::size_t size;
  float* out;
  std::size_t out_stride;
};

void attend(kernel_set const& kernels, head_view const& head, attention_scratch& scratch) noexcept {
  float const scale = 1.0F / std::sqrt(static_cast<float>(head.size));
  float* const scores = scratch.scores.data();
  for (std::size_t begin = 0; begin < head.length; begin += query_block) {
    std::size_t const count = std::min(query_block, head.length - begin);
    multiply(kernels, head.queries + begin * head.stride, head.stride, count, scratch.keys, nullptr, scores,
             head.length);
    for (std::size_t row = 0; row < count; ++row)
      kernels.softmax(scores + row * head.length, head.length, scale);
    multiply(kernels, scores, head.length, count, scratch.values, nullptr, head.out + begin * head.out_stride,
             head.out_stride);
  }
}

}  // namespace

void attention(kernel_set const& kernels, float const* qkv, std::span<std::size_t const> starts,
               std::size_t heads, std::size_t head_size, float* out, attention_scratch& scratch) {
  std::size_t const hidden = heads * head_size;
  std::size_t const stride = 3 * hidden;
  for (std::size_t sequence = 0; sequence + 1 < starts.size(); ++sequence) {
    std::size_t const length = starts[sequence + 1] - starts[sequence];
    scratch.scores.resize(std::min(query_block, length) * length);
    for (std::size_t head = 0; head < heads; ++head) {
      float const* const queries = qkv + starts[sequence] * stride + head * head_size;
      scratch.keys.assign_transposed(kernels, queries + hidden, stride, head_size, length);
      scratch.values.assign(kernels, queries + 2 * hidden, stride, length, head_size);
      attend(kernels,
             {queries, stride, length, head_size, out + starts[sequence] * hidden + head * head_size, hidden},
             scratch);
    }
  }
}

}  // namespace yonder::kernels::cpu
