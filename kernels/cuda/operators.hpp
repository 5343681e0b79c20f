// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "cuda/arguments.hpp"

namespace yonder::kernels::cuda {

// What an encoder is made of, each call after the one before it. The GPU's are in launch.cu; tests run the
// same kernels on the host.
template <class T>
class operators {
 public:
  operators() = default;
  operators(operators const&) = delete;
  operators& operator=(operators const&) = delete;
  virtual ~operators() = default;

  virtual void run(embedding_arguments<T> const& arguments) = 0;
  virtual void run(product_arguments<T> const& arguments) = 0;
  virtual void run(attention_arguments<T> const& arguments) = 0;
  virtual void run(norm_arguments<T> const& arguments) = 0;
  virtual void run(activation_arguments<T> const& arguments) = 0;
  virtual void run(gate_arguments<T> const& arguments) = 0;
  virtual void run(rotary_arguments<T> const& arguments) = 0;
  virtual void run(classification_arguments<T> const& arguments) = 0;
  virtual void run(pooling_arguments<T> const& arguments) = 0;
  virtual void run(label_arguments<T> const& arguments) = 0;
};

struct launch_grid {
  std::uint32_t x = 1;
  std::uint32_t y = 1;
  std::uint32_t threads = 32;
};

constexpr std::uint32_t divide_up(std::uint32_t a, std::uint32_t b) { return (a + b - 1) / b; }

// A warp a row: blocks of one warp while rows are few, so that they spread over the multiprocessors.
constexpr launch_grid grid_of_rows(std::uint32_t rows) {
  std::uint32_t const warps = rows <= 1024 ? 1 : 4;
  return {divide_up(rows, warps), 1, 32 * warps};
}

// Calls use with std::integral_constant<unsigned, Width>: the width as a kernel's template parameter, where
// there is a kernel of that width.
template <class Use>
void with_width(std::uint32_t width, Use const& use) {
  switch (width) {
    case 384: return use(std::integral_constant<unsigned, 384>{});
    case 768: return use(std::integral_constant<unsigned, 768>{});
    case 1024: return use(std::integral_constant<unsigned, 1024>{});
    default: return use(std::integral_constant<unsigned, 0>{});
  }
}

template <class T>
constexpr launch_grid grid_of(embedding_arguments<T> const& a) {
  return grid_of_rows(a.rows);
}

template <class T>
constexpr launch_grid grid_of(norm_arguments<T> const& a) {
  return grid_of_rows(a.rows);
}

template <class T>
constexpr launch_grid grid_of(activation_arguments<T> const& a) {
  return {divide_up(a.width, 8 * 128), divide_up(a.rows, 4), 128};
}

template <class T>
constexpr launch_grid grid_of(gate_arguments<T> const& a) {
  return {divide_up(a.width, 8 * 128), divide_up(a.rows, 4), 128};
}

template <class T>
constexpr launch_grid grid_of(rotary_arguments<T> const& a) {
  return grid_of_rows(a.rows);
}

template <class T>
constexpr launch_grid grid_of(label_arguments<T> const& a) {
  return grid_of_rows(a.rows);
}

// Where attention runs by warpgroups (cuda/attention_hopper.cuh): a block has two, for 128 queries.
inline constexpr std::uint32_t hopper_attention_warps = 8;

// Twice the tiles of one long sequence: short ones need more, and blocks walk on where even that is too few.
template <class T>
constexpr launch_grid grid_of(attention_arguments<T> const& a) {
  return {2 * divide_up(a.rows, 16 * a.warps), a.heads, 32 * a.warps};
}

template <class T>
constexpr launch_grid grid_of(classification_arguments<T> const& a) {
  return {divide_up(a.width, 32), std::min(divide_up(a.most_sequences, 8), 64U), 256};
}

template <class T>
constexpr launch_grid grid_of(pooling_arguments<T> const& a) {
  return {divide_up(a.width, 256), std::min(a.most_sequences, 4096U), 256};
}

}  // namespace yonder::kernels::cuda
