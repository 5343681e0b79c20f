// SPDX-License-Identifier: Apache-2.0
#include "cpu/kernel_set.hpp"

#include <array>

#include "cpu/vector_math.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#define YONDER_AVX2 [[gnu::target("avx2,fma")]]
#define YONDER_AVX512 [[gnu::target("avx512f,avx512dq,avx2,fma")]]
#endif

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

YONDER_ALWAYS_INLINE void softmax_loop(float* x, std::size_t count, float scale) noexcept {
  float const largest = vm::reduce(
      x[0], count, [](float a, float b) { return a > b ? a : b; }, [x](std::size_t i) { return x[i]; });
  for (std::size_t i = 0; i < count; ++i) x[i] = vm::exp(scale * (x[i] - largest));
  float const inverse = 1.0F / vm::sum(count, [x](std::size_t i) { return x[i]; });
  for (std::size_t i = 0; i < count; ++i) x[i] *= inverse;
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

namespace baseline {

constexpr std::size_t width = 8;
constexpr std::size_t rows_at_once = 4;

template <std::size_t Rows>
void tile_rows(float const* a, std::size_t stride, float const* panel, std::size_t depth,
               float* out) noexcept {
  float sums[Rows][width] = {};
  for (std::size_t k = 0; k < depth; ++k, panel += width) {
    for (std::size_t r = 0; r < Rows; ++r) {
      float const factor = a[r * stride + k];
      for (std::size_t j = 0; j < width; ++j) sums[r][j] += factor * panel[j];
    }
  }
  for (std::size_t r = 0; r < Rows; ++r) {
    for (std::size_t j = 0; j < width; ++j) out[r * width + j] = sums[r][j];
  }
}

template <std::size_t Rows>
void tile(float const* a, std::size_t stride, std::size_t rows, float const* panel, std::size_t depth,
          float* out) noexcept {
  if (rows == Rows) return tile_rows<Rows>(a, stride, panel, depth, out);
  if constexpr (Rows > 1) tile<Rows - 1>(a, stride, rows, panel, depth, out);
}

void gelu(float* x, std::size_t count) noexcept { gelu_loop(x, count); }
void gelu_tanh(float* x, std::size_t count) noexcept { gelu_tanh_loop(x, count); }
void softmax(float* x, std::size_t count, float scale) noexcept { softmax_loop(x, count, scale); }
void layer_norm(float* x, std::size_t count, float const* weight, float const* bias, float epsilon) noexcept {
  layer_norm_loop(x, count, weight, bias, epsilon);
}

constexpr kernel_set kernels = {"baseline", width,     rows_at_once, tile<rows_at_once>,
                                gelu,       gelu_tanh, softmax,      layer_norm};

}  // namespace baseline

#if defined(__x86_64__)

namespace avx2 {

constexpr std::size_t width = 16;
constexpr std::size_t rows_at_once = 6;  // 12 sums, two of the panel, one factor: 15 of 16 registers

template <std::size_t Rows>
YONDER_AVX2 void tile_rows(float const* a, std::size_t stride, float const* panel, std::size_t depth,
                           float* out) noexcept {
  __m256 sums[Rows][2];
  for (auto& row : sums) row[0] = row[1] = _mm256_setzero_ps();
  for (std::size_t k = 0; k < depth; ++k, panel += width) {
    __m256 const left = _mm256_loadu_ps(panel);
    __m256 const right = _mm256_loadu_ps(panel + 8);
    for (std::size_t r = 0; r < Rows; ++r) {
      __m256 const factor = _mm256_broadcast_ss(a + r * stride + k);
      sums[r][0] = _mm256_fmadd_ps(factor, left, sums[r][0]);
      sums[r][1] = _mm256_fmadd_ps(factor, right, sums[r][1]);
    }
  }
  for (std::size_t r = 0; r < Rows; ++r) {
    _mm256_storeu_ps(out + r * width, sums[r][0]);
    _mm256_storeu_ps(out + r * width + 8, sums[r][1]);
  }
}

template <std::size_t Rows>
YONDER_AVX2 void tile(float const* a, std::size_t stride, std::size_t rows, float const* panel,
                      std::size_t depth, float* out) noexcept {
  if (rows == Rows) return tile_rows<Rows>(a, stride, panel, depth, out);
  if constexpr (Rows > 1) tile<Rows - 1>(a, stride, rows, panel, depth, out);
}

YONDER_AVX2 void gelu(float* x, std::size_t count) noexcept { gelu_loop(x, count); }
YONDER_AVX2 void gelu_tanh(float* x, std::size_t count) noexcept { gelu_tanh_loop(x, count); }
YONDER_AVX2 void softmax(float* x, std::size_t count, float scale) noexcept { softmax_loop(x, count, scale); }
YONDER_AVX2 void layer_norm(float* x, std::size_t count, float const* weight, float const* bias,
                            float epsilon) noexcept {
  layer_norm_loop(x, count, weight, bias, epsilon);
}

constexpr kernel_set kernels = {"avx2", width,     rows_at_once, tile<rows_at_once>,
                                gelu,   gelu_tanh, softmax,      layer_norm};

}  // namespace avx2

namespace avx512 {

constexpr std::size_t width = 48;
constexpr std::size_t rows_at_once = 8;  // 24 sums, three of the panel, one factor: 28 of 32 registers

template <std::size_t Rows>
YONDER_AVX512 void tile_rows(float const* a, std::size_t stride, float const* panel, std::size_t depth,
                             float* out) noexcept {
  __m512 sums[Rows][3];
  for (auto& row : sums) row[0] = row[1] = row[2] = _mm512_setzero_ps();
  for (std::size_t k = 0; k < depth; ++k, panel += width) {
    __m512 const first = _mm512_loadu_ps(panel);
    __m512 const second = _mm512_loadu_ps(panel + 16);
    __m512 const third = _mm512_loadu_ps(panel + 32);
    for (std::size_t r = 0; r < Rows; ++r) {
      __m512 const factor = _mm512_set1_ps(a[r * stride + k]);
      sums[r][0] = _mm512_fmadd_ps(factor, first, sums[r][0]);
      sums[r][1] = _mm512_fmadd_ps(factor, second, sums[r][1]);
      sums[r][2] = _mm512_fmadd_ps(factor, third, sums[r][2]);
    }
  }
  for (std::size_t r = 0; r < Rows; ++r) {
    for (std::size_t part = 0; part < 3; ++part) _mm512_storeu_ps(out + r * width + part * 16, sums[r][part]);
  }
}

template <std::size_t Rows>
YONDER_AVX512 void tile(float const* a, std::size_t stride, std::size_t rows, float const* panel,
                        std::size_t depth, float* out) noexcept {
  if (rows == Rows) return tile_rows<Rows>(a, stride, panel, depth, out);
  if constexpr (Rows > 1) tile<Rows - 1>(a, stride, rows, panel, depth, out);
}

YONDER_AVX512 void gelu(float* x, std::size_t count) noexcept { gelu_loop(x, count); }
YONDER_AVX512 void gelu_tanh(float* x, std::size_t count) noexcept { gelu_tanh_loop(x, count); }
YONDER_AVX512 void softmax(float* x, std::size_t count, float scale) noexcept {
  softmax_loop(x, count, scale);
}
YONDER_AVX512 void layer_norm(float* x, std::size_t count, float const* weight, float const* bias,
                              float epsilon) noexcept {
  layer_norm_loop(x, count, weight, bias, epsilon);
}

constexpr kernel_set kernels = {"avx512", width,     rows_at_once, tile<rows_at_once>,
                                gelu,     gelu_tanh, softmax,      layer_norm};

}  // namespace avx512

#endif

struct available {
  std::array<kernel_set const*, 3> sets{};
  std::size_t count = 0;

  available() noexcept {
#if defined(__x86_64__)
    bool const fma = __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0;
    bool const wide = __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512dq") != 0;
    if (fma && wide) sets[count++] = &avx512::kernels;
    if (fma) sets[count++] = &avx2::kernels;
#endif
    sets[count++] = &baseline::kernels;
  }
};

}  // namespace

std::span<kernel_set const* const> available_kernels() noexcept {
  static available const found;
  return {found.sets.data(), found.count};
}

}  // namespace yonder::kernels::cpu
