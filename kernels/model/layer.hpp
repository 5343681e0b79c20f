// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

// What a layer of an encoder computes. The encoders of cpu/ and cuda/ read the same description; how its
// tensors are called is in family.hpp.
namespace yonder::kernels {

enum class activation : std::uint8_t { gelu, gelu_tanh, relu };

// A layer is two parts, attention and feed-forward, each of which is added to what goes into it.
enum class norm_place : std::uint8_t {
  after_sum,   // each sum is normed, and the norm goes on (Vaswani et al., arXiv:1706.03762)
  before_part  // a part reads the norm, the sum goes on as it is (Xiong et al., arXiv:2002.04745)
};

// How attention knows where a token stands, other than by what is added to its embedding.
struct attention_pattern {
  static constexpr std::size_t everything = std::numeric_limits<std::size_t>::max();

  std::size_t window = everything;  // a token sees those at most so far from it
  float rotary_base = 0.0F;         // of rotary positions (Su et al., arXiv:2104.09864); 0: none

  bool operator==(attention_pattern const&) const = default;
};

// Those of all layers: some see everything, and the others what is near.
struct attention_patterns {
  attention_pattern full = {};
  attention_pattern local = {};
  std::size_t full_every = 1;          // layers; the first one sees everything
  std::vector<bool> full_layers = {};  // where each is told by itself

  attention_pattern const& of(std::size_t layer) const noexcept {
    bool const sees_all = full_layers.empty() ? layer % full_every == 0 : full_layers[layer];
    return sees_all ? full : local;
  }
};

struct layer_description {
  norm_place norms = norm_place::after_sum;
  bool norm_biases = true;
  bool attention_biases = true;  // of query, key, value and of what stands behind them
  bool feed_forward_biases = true;
  // activate(x W)(x V) in the place of activate(x W), W and V one matrix (Shazeer, arXiv:2002.05202)
  bool gated = false;
  activation feed_forward_activation = activation::gelu;
};

// Which angles turn the queries and keys of a token that is `position` tokens from the front, as transformers
// has them: in single precision. [positions][head_size], cosines and then sines. Of a head's numbers, i and
// i + head_size / 2 are turned together.
std::vector<float> rotary_angles(float base, std::size_t positions, std::size_t head_size);

// What a classifier does between the hidden states and its last layer.
struct head_description {
  std::optional<activation> first_activation;  // nothing: tanh
  bool first_bias = true;
  bool takes_mean = false;  // of a text's tokens; else the first one
};

}  // namespace yonder::kernels
