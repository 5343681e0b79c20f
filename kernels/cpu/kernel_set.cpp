// SPDX-License-Identifier: Apache-2.0
#include "cpu/kernel_set.hpp"

#include <array>

#include "cpu/machine.hpp"
#include "cpu/target.hpp"
#include "cpu/vector_math.hpp"

namespace yonder::kernels::cpu {
namespace {

namespace vm = vector_math;

YONDER_ALWAYS_INLINE void gelu_loop(float* x, std::size_t count) noexcept {
  for (std::size_t i = 0; i < count; ++i) x[i] = 0.5F * x[i] * (1.0F + vm::erf(x[i] * 0.707106781F));
}

YONDER_ALWAYS_INLINE void gelu_tanh_loop(float* x, std::size_t count) noexcept {
  for (std::size_t i = 0; i < count; ++i) {
    float const inner = 0.797884561F * (x[i] + 0.044715F * x[i] * x[i] * x[i]);
    x[i] = x[i] * (1.0F - 1.0F / (1.0F + vm::exp(2.0F * inner)));  // 1 - 1 / (1 + e^2y) = (1 + tanh y) / 2
  }
}

YONDER_ALWAYS_INLINE float softmax_block_loop(float* x, std::size_t count, float scale,
                                              softmax_row& row) noexcept {
  float const largest = vm::reduce(
      row.largest, count, [](float a, float b) { return a > b ? a : b; },
      [x](std::size_t i) { return x[i]; });
  for (std::size_t i = 0; i < count; ++i) x[i] = vm::exp(scale * (x[i] - largest));
  float const shrunk = vm::exp(scale * (row.largest - largest));
  row.largest = largest;
  row.sum = row.sum * shrunk + vm::sum(count, [x](std::size_t i) { return x[i]; });
  return shrunk;
}

YONDER_ALWAYS_INLINE void scale_and_add_loop(float* x, float before, float const* y, float after,
                                             std::size_t count) noexcept {
  for (std::size_t i = 0; i < count; ++i) x[i] = (x[i] * before + y[i]) * after;
}

YONDER_ALWAYS_INLINE void layer_norm_loop(float* x, std::size_t count, float const* weight, float const* bias,
                                          float epsilon) noexcept {
  float const inverse = 1.0F / static_cast<float>(count);
  float const mean = inverse * vm::sum(count, [x](std::size_t i) { return x[i]; });
  float const variance =
      inverse * vm::sum(count, [x, mean](std::size_t i) { return (x[i] - mean) * (x[i] - mean); });
  float const scale = 1.0F / __builtin_sqrtf(variance + epsilon);
  for (std::size_t i = 0; i < count; ++i) x[i] = (x[i] - mean) * scale * weight[i] + bias[i];
}

YONDER_ALWAYS_INLINE void relu_loop(float* x, std::size_t count) noexcept {
  for (std::size_t i = 0; i < count; ++i) x[i] = x[i] < 0.0F ? 0.0F : x[i];
}

YONDER_ALWAYS_INLINE void add_loop(float* x, float const* y, std::size_t count) noexcept {
  for (std::size_t i = 0; i < count; ++i) x[i] += y[i];
}

YONDER_ALWAYS_INLINE void rotate_loop(float* x, float const* cosines, float const* sines,
                                      std::size_t half) noexcept {
  float* const y = x + half;
  for (std::size_t i = 0; i < half; ++i) {
    float const turned = x[i] * cosines[i] - y[i] * sines[i];
    y[i] = y[i] * cosines[i] + x[i] * sines[i];
    x[i] = turned;
  }
}

YONDER_ALWAYS_INLINE void add_to_rows_loop(tile_view const& tile, float const* y,
                                           std::size_t stride) noexcept {
  for (std::size_t r = 0; r < tile.rows; ++r)
    add_loop(tile.data + r * tile.stride, y + r * stride, tile.columns);
}

YONDER_ALWAYS_INLINE void copy_rows_loop(tile_view const& tile, float* to, std::size_t stride) noexcept {
  for (std::size_t r = 0; r < tile.rows; ++r) {
    float const* const from = tile.data + r * tile.stride;
    for (std::size_t j = 0; j < tile.columns; ++j) to[r * stride + j] = from[j];
  }
}

YONDER_ALWAYS_INLINE void multiply_rows_loop(tile_view const& tile, float const* y,
                                             std::size_t stride) noexcept {
  for (std::size_t r = 0; r < tile.rows; ++r) {
    float* const to = tile.data + r * tile.stride;
    for (std::size_t j = 0; j < tile.columns; ++j) to[j] *= y[r * stride + j];
  }
}

// An attribute takes no parentheses. NOLINTBEGIN(bugprone-macro-parentheses)
#define YONDER_LOOPS(TARGET)                                                                          \
  TARGET void gelu(float* x, std::size_t count) noexcept { gelu_loop(x, count); }                     \
  TARGET void gelu_tanh(float* x, std::size_t count) noexcept { gelu_tanh_loop(x, count); }           \
  TARGET void relu(float* x, std::size_t count) noexcept { relu_loop(x, count); }                     \
  TARGET float softmax_block(float* x, std::size_t count, float scale, softmax_row& row) noexcept {   \
    return softmax_block_loop(x, count, scale, row);                                                  \
  }                                                                                                   \
  TARGET void scale_and_add(float* x, float before, float const* y, float after,                      \
                            std::size_t count) noexcept {                                             \
    scale_and_add_loop(x, before, y, after, count);                                                   \
  }                                                                                                   \
  TARGET void layer_norm(float* x, std::size_t count, float const* weight, float const* bias,         \
                         float epsilon) noexcept {                                                    \
    layer_norm_loop(x, count, weight, bias, epsilon);                                                 \
  }                                                                                                   \
  TARGET void add(float* x, float const* y, std::size_t count) noexcept { add_loop(x, y, count); }    \
  TARGET void rotate(float* x, float const* cosines, float const* sines, std::size_t half) noexcept { \
    rotate_loop(x, cosines, sines, half);                                                             \
  }                                                                                                   \
  TARGET void add_to_rows(tile_view const& tile, float const* y, std::size_t stride) noexcept {       \
    add_to_rows_loop(tile, y, stride);                                                                \
  }                                                                                                   \
  TARGET void copy_rows(tile_view const& tile, float* to, std::size_t stride) noexcept {              \
    copy_rows_loop(tile, to, stride);                                                                 \
  }                                                                                                   \
  TARGET void multiply_rows(tile_view const& tile, float const* y, std::size_t stride) noexcept {     \
    multiply_rows_loop(tile, y, stride);                                                              \
  }
// NOLINTEND(bugprone-macro-parentheses)

namespace plain_loops {
YONDER_LOOPS()
}  // namespace plain_loops

constexpr kernel_set baseline_set = {"baseline",
                                     &baseline::fp32,
                                     &baseline::bf16,
                                     &baseline::int8,
                                     &baseline::fp32,
                                     nullptr,
                                     nullptr,
                                     plain_loops::gelu,
                                     plain_loops::gelu_tanh,
                                     plain_loops::relu,
                                     plain_loops::softmax_block,
                                     plain_loops::scale_and_add,
                                     plain_loops::layer_norm,
                                     plain_loops::add,
                                     plain_loops::rotate,
                                     plain_loops::add_to_rows,
                                     plain_loops::copy_rows,
                                     plain_loops::multiply_rows};

#if defined(__x86_64__)

namespace avx2_loops {
YONDER_LOOPS(YONDER_AVX2)
}  // namespace avx2_loops

namespace avx512_loops {
YONDER_LOOPS(YONDER_AVX512)
}  // namespace avx512_loops

constexpr kernel_set avx2_set = {"avx2",
                                 &avx2::fp32,
                                 &avx2::bf16,
                                 &avx2::int8,
                                 &avx2::fp32,
                                 &avx2::fp32_of_bf16,
                                 &avx2::fp32_of_f16,
                                 avx2_loops::gelu,
                                 avx2_loops::gelu_tanh,
                                 avx2_loops::relu,
                                 avx2_loops::softmax_block,
                                 avx2_loops::scale_and_add,
                                 avx2_loops::layer_norm,
                                 avx2_loops::add,
                                 avx2_loops::rotate,
                                 avx2_loops::add_to_rows,
                                 avx2_loops::copy_rows,
                                 avx2_loops::multiply_rows};

constexpr kernel_set avx_vnni_set = [] {
  auto set = avx2_set;
  set.name = "avx-vnni";
  set.int8 = &avx2::int8_vnni;
  return set;
}();

// `tiles`: those of AMX, whose fp32 is another product.
constexpr kernel_set with_avx512(char const* name, bool tiles, product_kernel const& fp32,
                                 product_kernel const& bf16, product_kernel const& int8) noexcept {
  return {name,
          &fp32,
          &bf16,
          &int8,
          &avx512::narrow_fp32,
          tiles ? nullptr : &avx512::fp32_of_bf16,
          tiles ? nullptr : &avx512::fp32_of_f16,
          avx512_loops::gelu,
          avx512_loops::gelu_tanh,
          avx512_loops::relu,
          avx512_loops::softmax_block,
          avx512_loops::scale_and_add,
          avx512_loops::layer_norm,
          avx512_loops::add,
          avx512_loops::rotate,
          avx512_loops::add_to_rows,
          avx512_loops::copy_rows,
          avx512_loops::multiply_rows};
}

#endif

#if defined(__AARCH64EL__)

// NEON is in every arm64: the plain loops are compiled for it.
constexpr kernel_set with_neon(char const* name, product_kernel const& bf16,
                               product_kernel const& int8) noexcept {
  auto set = baseline_set;
  set.name = name;
  set.fp32 = set.plain_rows = &neon::fp32;
  set.bf16 = &bf16;
  set.int8 = &int8;
  set.fp32_of_bf16 = &neon::fp32_of_bf16;
  set.fp32_of_f16 = &neon::fp32_of_f16;
  return set;
}

#endif

struct available {
  std::array<kernel_set, 5> sets{};
  std::array<kernel_set const*, 5> best_first{};
  std::size_t count = 0;

  available() noexcept {
#if defined(__x86_64__)
    machine const& has = this_machine();
    if (has.amx) add(with_avx512("amx", true, amx::fp32, amx::bf16, amx::int8));
    if (has.avx512) {
      add(with_avx512("avx512", false, avx512::fp32, has.avx512_bf16 ? avx512::bf16 : avx512::bf16_by_fp32,
                      has.avx512_vnni ? avx512::int8 : avx2::int8));
    }
    if (has.avx_vnni) add(avx_vnni_set);
    if (has.avx2) add(avx2_set);
#endif
#if defined(__AARCH64EL__)
    machine const& has = this_machine();
    auto const& int8_without_matrices = has.dot_product ? neon::int8_dot : neon::int8;
    if (has.bf16 || has.i8mm) {
      add(with_neon("neon-matrices", has.bf16 ? neon::bf16 : neon::bf16_by_fp32,
                    has.i8mm ? neon::int8_matrices : int8_without_matrices));
    }
    if (has.dot_product) add(with_neon("neon-dot", neon::bf16_by_fp32, neon::int8_dot));
    add(with_neon("neon", neon::bf16_by_fp32, neon::int8));
#endif
    add(baseline_set);
  }

  void add(kernel_set const& set) noexcept {
    sets[count] = set;
    best_first[count] = &sets[count];
    ++count;
  }
};

}  // namespace

std::span<kernel_set const* const> available_kernels() noexcept {
  static available const found;
  return {found.best_first.data(), found.count};
}

}  // namespace yonder::kernels::cpu
