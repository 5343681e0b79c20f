// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "cpu/encoder.hpp"

namespace yonder::kernels::cpu {

// A gated recurrent unit, as PyTorch's GRU of one layer:
//   r = sigmoid(Wr x + br + Ur h + cr), z = sigmoid(Wz x + bz + Uz h + cz),
//   n = tanh(Wn x + bn + r (Un h + cn)), h' = (1 - z) n + z h, h = 0 at first.
class gated_recurrent_unit {
 public:
  // `name`.weight_ih_l0 [3 * hidden][in], .weight_hh_l0 [3 * hidden][hidden], and bias_ih_l0, bias_hh_l0.
  gated_recurrent_unit(weight_files const& files, std::string const& name, std::size_t in, std::size_t hidden,
                       kernel_set const& kernels);

  // rows[steps][in] of all sequences, one after the other, `lengths` of them each; to the last state of each,
  // [sequences][hidden]. Reference: reference::gated_recurrent_unit.
  std::vector<float> operator()(crew const& by, std::vector<float> const& rows,
                                std::span<std::size_t const> lengths) const;

 private:
  kernel_set const& kernels_;
  std::size_t hidden_;
  linear input_;
  linear recurrent_;
};

}  // namespace yonder::kernels::cpu
