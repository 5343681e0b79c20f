// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <vector>

// What the operators compute, written as their formulas in double precision. Tests and later devices compare
// with these.
namespace yonder::kernels::reference {

// [rows][columns] = a[rows][depth] * transpose(b[columns][depth]) + bias[columns]
std::vector<double> multiply(float const* a, std::size_t rows, float const* b, std::size_t columns,
                             std::size_t depth, float const* bias);
double gelu(double x);
double gelu_tanh(double x);
std::vector<double> softmax(float const* x, std::size_t count, double scale);
std::vector<double> layer_norm(float const* x, std::size_t count, float const* weight, float const* bias,
                               double epsilon);
// x[size] with each pair x[i], x[i + size / 2] turned by position * base^(-2 i / size) (Su et al.,
// arXiv:2104.09864).
std::vector<double> rotate(float const* x, std::size_t size, std::size_t position, double base);
// One sequence: qkv[length][3 * heads * head_size] to [length][heads * head_size]. `distances` as in
// cpu::attention_input, or null; `window` as there.
std::vector<double> attention(float const* qkv, std::size_t length, std::size_t heads, std::size_t head_size,
                              float const* distances = nullptr, std::size_t reach = 0,
                              std::size_t window = static_cast<std::size_t>(-1));

// One image [in][height][width] by weight[out][in][3][3] with a border of zeros, then ReLU, then the largest
// of each 2x2: [out][height / 2][width / 2], as PyTorch's Conv2d(padding=1), ReLU and MaxPool2d(2).
std::vector<double> convolution(std::vector<double> const& image, std::size_t in, std::size_t height,
                                std::size_t width, std::vector<float> const& weight,
                                std::vector<float> const& bias);
// x[steps][in] to the last state [hidden], with the weights of PyTorch's GRU.
std::vector<double> gated_recurrent_unit(std::vector<float> const& x, std::size_t in, std::size_t hidden,
                                         std::vector<float> const& weight_ih,
                                         std::vector<float> const& weight_hh,
                                         std::vector<float> const& bias_ih,
                                         std::vector<float> const& bias_hh);

}  // namespace yonder::kernels::reference
