// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdint>

#include "cuda/number.hpp"

// What kernels need of the machine, under one name on a GPU (nvcc, sm_80 and newer) and on the host
// (cuda/emulation.hpp), so that every kernel compiles for both unchanged.
// PTX ISA: https://docs.nvidia.com/cuda/parallel-thread-execution

#if defined(__CUDACC__)
#define YONDER_KERNEL __global__
#define YONDER_DEVICE __device__ __forceinline__
#define YONDER_LAUNCH_BOUNDS(threads, blocks) __launch_bounds__(threads, blocks)
#define YONDER_UNROLL _Pragma("unroll")
#else
#include "cuda/emulation.hpp"
#define YONDER_KERNEL
#define YONDER_DEVICE inline
#define YONDER_LAUNCH_BOUNDS(threads, blocks)
#define YONDER_UNROLL
#endif

namespace yonder::kernels::cuda {

inline constexpr unsigned warp_size = 32;

// Sixteen bytes: what a thread loads and stores at once.
struct alignas(16) words {
  std::uint32_t word[4];
};

struct fragment_a {  // 16 x 16, 16-bit elements
  std::uint32_t word[4];
};
struct fragment_b {  // 16 x 8, 16-bit elements
  std::uint32_t word[2];
};
struct fragment_c {  // 16 x 8, float
  float value[4];
};

// As load_vector, from what no kernel ever writes: it may be read before griddepcontrol_wait(), and nothing
// else may. Not .nc: such loads ptxas moves behind the wait (check_ptx.sh looks at the order).
YONDER_DEVICE words load_parameter(void const* base, std::size_t index) {
#if defined(__CUDACC__)
  words out;
  asm volatile("ld.global.L1::evict_last.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(out.word[0]), "=r"(out.word[1]), "=r"(out.word[2]), "=r"(out.word[3])
               : "l"(static_cast<uint4 const*>(base) + index));
  return out;
#else
  return static_cast<words const*>(base)[index];
#endif
}

// The `index`-th 16 bytes from `base` on, by one instruction.
YONDER_DEVICE words load_vector(void const* base, std::size_t index) {
#if defined(__CUDACC__)
  uint4 const vector = static_cast<uint4 const*>(base)[index];
  return {{vector.x, vector.y, vector.z, vector.w}};
#else
  return static_cast<words const*>(base)[index];
#endif
}

YONDER_DEVICE void copy_vector(void* to, void const* from) {
#if defined(__CUDACC__)
  *static_cast<uint4*>(to) = *static_cast<uint4 const*>(from);
#else
  *static_cast<words*>(to) = *static_cast<words const*>(from);
#endif
}

YONDER_DEVICE void store_vector(void* base, std::size_t index, words const& vector) {
#if defined(__CUDACC__)
  static_cast<uint4*>(base)[index] =
      make_uint4(vector.word[0], vector.word[1], vector.word[2], vector.word[3]);
#else
  static_cast<words*>(base)[index] = vector;
#endif
}

#if defined(__CUDACC__)

YONDER_DEVICE unsigned thread_index() { return threadIdx.x; }
YONDER_DEVICE unsigned block_size() { return blockDim.x; }
YONDER_DEVICE unsigned block_x() { return blockIdx.x; }
YONDER_DEVICE unsigned block_y() { return blockIdx.y; }
YONDER_DEVICE unsigned grid_x() { return gridDim.x; }
YONDER_DEVICE unsigned grid_y() { return gridDim.y; }
YONDER_DEVICE void sync_block() { __syncthreads(); }
YONDER_DEVICE void sync_warp() { __syncwarp(); }
template <class Value>
YONDER_DEVICE Value shuffle_xor(Value value, unsigned mask) {
  return __shfl_xor_sync(0xffffffffU, value, static_cast<int>(mask));
}

template <class Layout>
YONDER_DEVICE Layout& shared_memory() {
  __shared__ Layout layout;
  return layout;
}

// Programmatic dependent launch: nothing that an earlier kernel wrote may be read, and nothing that it reads
// be overwritten, before the wait. Both do nothing before sm_90.
YONDER_DEVICE void griddepcontrol_wait() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}
YONDER_DEVICE void griddepcontrol_launch_dependents() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

YONDER_DEVICE std::uint32_t shared_address(void const* pointer) {
  return static_cast<std::uint32_t>(__cvta_generic_to_shared(pointer));
}

// 16 bytes from global to shared memory; zeros where `valid` is false.
YONDER_DEVICE void cp_async(void* to, void const* from, bool valid) {
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)), "l"(from),
               "r"(valid ? 16 : 0)
               : "memory");
}
YONDER_DEVICE void cp_async_commit_group() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int Pending>
YONDER_DEVICE void cp_async_wait_group() {
  asm volatile("cp.async.wait_group %0;" ::"n"(Pending) : "memory");
}

// Four 8 x 8 matrices; lane 8 * m + r points to row r of matrix m in shared memory.
YONDER_DEVICE words ldmatrix_x4(void const* row) {
  words out;
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(out.word[0]), "=r"(out.word[1]), "=r"(out.word[2]), "=r"(out.word[3])
               : "r"(shared_address(row))
               : "memory");
  return out;
}
YONDER_DEVICE words ldmatrix_x4_trans(void const* row) {
  words out;
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(out.word[0]), "=r"(out.word[1]), "=r"(out.word[2]), "=r"(out.word[3])
               : "r"(shared_address(row))
               : "memory");
  return out;
}

// c += a * b
template <class T>
YONDER_DEVICE void mma_m16n8k16(fragment_c& c, fragment_a const& a, fragment_b const& b);
template <>
YONDER_DEVICE void mma_m16n8k16<bf16>(fragment_c& c, fragment_a const& a, fragment_b const& b) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(c.value[0]), "+f"(c.value[1]), "+f"(c.value[2]), "+f"(c.value[3])
      : "r"(a.word[0]), "r"(a.word[1]), "r"(a.word[2]), "r"(a.word[3]), "r"(b.word[0]), "r"(b.word[1]));
}
template <>
YONDER_DEVICE void mma_m16n8k16<f16>(fragment_c& c, fragment_a const& a, fragment_b const& b) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(c.value[0]), "+f"(c.value[1]), "+f"(c.value[2]), "+f"(c.value[3])
      : "r"(a.word[0]), "r"(a.word[1]), "r"(a.word[2]), "r"(a.word[3]), "r"(b.word[0]), "r"(b.word[1]));
}

// 2^x, subnormal results flushed to zero.
YONDER_DEVICE float ex2_approx(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
YONDER_DEVICE float reciprocal_sqrt(float x) { return rsqrtf(x); }
YONDER_DEVICE float reciprocal_approx(float x) {
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
// Never part of an fma.
YONDER_DEVICE float multiply_rounded(float a, float b) { return __fmul_rn(a, b); }
YONDER_DEVICE float multiply_add(float a, float b, float c) { return __fmaf_rn(a, b, c); }

YONDER_DEVICE std::uint64_t global_nanoseconds() {
  std::uint64_t now;
  asm volatile("mov.u64 %0, %globaltimer;" : "=l"(now));
  return now;
}
inline constexpr std::uint64_t longest_wait = 2'000'000'000;  // nanoseconds, of checked waits

// All that this block wrote before is visible to the block that sees the counter grow. Returns the count
// before.
YONDER_DEVICE unsigned publish(unsigned* counter) {
  __threadfence();
  unsigned const before = atomicAdd(counter, 1U);
  __threadfence();
  return before;
}
// Past the first-level cache, which does not know what other blocks wrote.
YONDER_DEVICE float load_from_other_block(float const* address) { return __ldcg(address); }

#else

YONDER_DEVICE unsigned thread_index() { return emulation::thread_index(); }
YONDER_DEVICE unsigned block_size() { return emulation::grid().threads; }
YONDER_DEVICE unsigned block_x() { return emulation::block_x(); }
YONDER_DEVICE unsigned block_y() { return emulation::block_y(); }
YONDER_DEVICE unsigned grid_x() { return emulation::grid().grid_x; }
YONDER_DEVICE unsigned grid_y() { return emulation::grid().grid_y; }
YONDER_DEVICE void sync_block() { emulation::sync_block(); }

namespace detail {

template <class Value>
struct shuffled {
  Value value;
  unsigned mask;
};
template <class T>
using all_lanes = std::array<T, emulation::lanes>;

template <class Value>
void exchange(all_lanes<shuffled<Value>> const& in, all_lanes<Value>& out) {
  for (std::size_t lane = 0; lane < in.size(); ++lane) out[lane] = in[lane ^ in[lane].mask].value;
}

inline std::uint16_t element(void const* row, std::size_t column) {
  std::uint16_t bits;
  std::memcpy(&bits, static_cast<std::byte const*>(row) + column * sizeof bits, sizeof bits);
  return bits;
}

// ldmatrix.x4: register m of lane l has the elements 2 * (l % 4) and the next of row l / 4 of matrix m.
inline void gather(all_lanes<void const*> const& rows, all_lanes<words>& out) {
  for (std::size_t lane = 0; lane < rows.size(); ++lane) {
    for (std::size_t m = 0; m < 4; ++m) {
      void const* const row = rows[8 * m + lane / 4];
      out[lane].word[m] = element(row, 2 * (lane % 4)) | std::uint32_t{element(row, 2 * (lane % 4) + 1)}
                                                             << 16;
    }
  }
}

inline void gather_transposed(all_lanes<void const*> const& rows, all_lanes<words>& out) {
  for (std::size_t lane = 0; lane < rows.size(); ++lane) {
    for (std::size_t m = 0; m < 4; ++m) {
      std::size_t const row = 8 * m + 2 * (lane % 4);
      out[lane].word[m] = element(rows[row], lane / 4) | std::uint32_t{element(rows[row + 1], lane / 4)}
                                                             << 16;
    }
  }
}

struct operands {
  fragment_a a;
  fragment_b b;
  fragment_c c;
};

// mma.m16n8k16: where the PTX ISA puts each element of A (row, k), B (k, column) and C (row, column).
template <class T>
void multiply_fragments(all_lanes<operands> const& in, all_lanes<fragment_c>& out) {
  float a[16][16];
  float b[16][8];
  for (std::size_t lane = 0; lane < in.size(); ++lane) {
    std::size_t const group = lane / 4;
    std::size_t const pair = 2 * (lane % 4);
    for (std::size_t i = 0; i < 4; ++i) {
      float_pair const values = unpack<T>(in[lane].a.word[i]);
      a[group + i % 2 * 8][pair + i / 2 * 8] = values.low;
      a[group + i % 2 * 8][pair + i / 2 * 8 + 1] = values.high;
    }
    for (std::size_t i = 0; i < 2; ++i) {
      float_pair const values = unpack<T>(in[lane].b.word[i]);
      b[pair + i * 8][group] = values.low;
      b[pair + i * 8 + 1][group] = values.high;
    }
  }
  for (std::size_t lane = 0; lane < in.size(); ++lane) {
    for (std::size_t i = 0; i < 4; ++i) {
      float sum = in[lane].c.value[i];
      for (std::size_t k = 0; k < 16; ++k) sum += a[lane / 4 + i / 2 * 8][k] * b[k][2 * (lane % 4) + i % 2];
      out[lane].value[i] = sum;
    }
  }
}

}  // namespace detail

YONDER_DEVICE void sync_warp() { emulation::sync_warp(); }
template <class Value>
YONDER_DEVICE Value shuffle_xor(Value value, unsigned mask) {
  return emulation::warp_wide<Value, detail::shuffled<Value>, detail::exchange<Value>>("a shuffle",
                                                                                       {value, mask});
}
template <class Layout>
YONDER_DEVICE Layout& shared_memory() {
  return *static_cast<Layout*>(emulation::shared_memory(sizeof(Layout)));
}
YONDER_DEVICE void griddepcontrol_wait() { emulation::griddepcontrol_wait(); }
YONDER_DEVICE void griddepcontrol_launch_dependents() {}
YONDER_DEVICE void cp_async(void* to, void const* from, bool valid) {
  emulation::cp_async(to, valid ? from : nullptr, 16);
}
YONDER_DEVICE void cp_async_commit_group() { emulation::cp_async_commit_group(); }
template <int Pending>
YONDER_DEVICE void cp_async_wait_group() {
  emulation::cp_async_wait_group(Pending);
}
YONDER_DEVICE words ldmatrix_x4(void const* row) {
  return emulation::warp_wide<words, void const*, detail::gather>("ldmatrix", row);
}
YONDER_DEVICE words ldmatrix_x4_trans(void const* row) {
  return emulation::warp_wide<words, void const*, detail::gather_transposed>("ldmatrix.trans", row);
}
template <class T>
YONDER_DEVICE void mma_m16n8k16(fragment_c& c, fragment_a const& a, fragment_b const& b) {
  c = emulation::warp_wide<fragment_c, detail::operands, detail::multiply_fragments<T>>("mma", {a, b, c});
}
YONDER_DEVICE float ex2_approx(float x) { return std::exp2(x); }
YONDER_DEVICE float reciprocal_sqrt(float x) { return 1.0F / std::sqrt(x); }
YONDER_DEVICE float reciprocal_approx(float x) { return 1.0F / x; }
YONDER_DEVICE float multiply_rounded(float a, float b) { return a * b; }
YONDER_DEVICE float multiply_add(float a, float b, float c) { return std::fma(a, b, c); }
YONDER_DEVICE unsigned publish(unsigned* counter) { return (*counter)++; }
YONDER_DEVICE float load_from_other_block(float const* address) { return *address; }

#endif

YONDER_DEVICE unsigned warp_index() { return thread_index() / warp_size; }
YONDER_DEVICE unsigned lane_index() { return thread_index() % warp_size; }

YONDER_DEVICE float warp_sum(float value) {
  YONDER_UNROLL
  for (unsigned mask = warp_size / 2; mask != 0; mask /= 2) value += shuffle_xor(value, mask);
  return value;
}

}  // namespace yonder::kernels::cuda
