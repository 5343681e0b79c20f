// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "cuda/execution.cuh"

#if defined(__CUDACC__)
#include <cuda.h>
#define YONDER_GRID_CONSTANT __grid_constant__
#define YONDER_NO_UNROLL _Pragma("unroll 1")
#else
#define YONDER_GRID_CONSTANT
#define YONDER_NO_UNROLL
#endif

// What kernels need of Hopper (sm_90a): barriers that count bytes, copies of tiles by the tensor memory
// accelerator, and products of warpgroups; on the host by cuda/emulation.hpp, like cuda/execution.cuh.
// PTX ISA: https://docs.nvidia.com/cuda/parallel-thread-execution, "Asynchronous Warpgroup Level Matrix
// Instructions" and "Tensor Map".
namespace yonder::kernels::cuda {

// A matrix in global memory that is copied in boxes (cuda/tensor_map.hpp).
#if defined(__CUDACC__)
using tensor_map = CUtensorMap;
#else
using tensor_map = emulation::tensor;
#endif

// An mbarrier object in shared memory. A phase ends when its one arrival and the bytes that this expects are
// there.
struct alignas(8) mbarrier {
  std::uint64_t state;
};

inline constexpr int threads_of_group = 128;

// How a matrix of 16-bit elements lies in shared memory after it was copied in boxes: rows of 64 or 128
// bytes, their 16-byte chunks swizzled, in groups of eight rows one after the other. The descriptor of a part
// of it begins at `address`; parts begin at whole groups, or within the first row at a multiple of 32 bytes.
template <int RowBytes>
YONDER_HOST_DEVICE std::uint64_t wgmma_descriptor(std::uint32_t address) {
  static_assert(RowBytes == 64 || RowBytes == 128);
  constexpr std::uint64_t layout = RowBytes == 128 ? 1 : 2;
  constexpr std::uint64_t group_bytes = std::uint64_t{8} * RowBytes;
  constexpr std::uint64_t unused_stride = 1;  // between matrices wider than a row, which there are none of
  return (address & 0x3ffffU) >> 4 | unused_stride << 16 | group_bytes >> 4 << 32 | layout << 62;
}

#if defined(__CUDACC__)

// Of more than 48 KiB, whose size the launch states.
template <class Layout>
YONDER_DEVICE Layout& dynamic_shared_memory() {
  extern __shared__ __align__(1024) unsigned char yonder_dynamic_shared_memory[];
  return *reinterpret_cast<Layout*>(yonder_dynamic_shared_memory);
}

// The same number, computed here: what follows from it is not kept in registers for a whole loop.
YONDER_DEVICE std::uint32_t computed_here(std::uint32_t value) {
  asm volatile("" : "+r"(value));
  return value;
}

YONDER_DEVICE void prefetch_tensormap(tensor_map const& map) {
  asm volatile("prefetch.tensormap [%0];" ::"l"(&map) : "memory");
}

YONDER_DEVICE void mbarrier_init(mbarrier& barrier) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" ::"r"(shared_address(&barrier)) : "memory");
}
// After mbarrier_init(), before the threads' next barrier.
YONDER_DEVICE void fence_mbarrier_init() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
}

YONDER_DEVICE void mbarrier_arrive_expect_tx(mbarrier& barrier, std::uint32_t bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(&barrier)),
               "r"(bytes)
               : "memory");
}

#if defined(YONDER_CUDA_CHECKS)
YONDER_DEVICE bool mbarrier_try_wait_parity(mbarrier& barrier, unsigned parity) {
  std::uint32_t ended;
  asm volatile(
      "{ .reg .pred ended; mbarrier.try_wait.parity.shared::cta.b64 ended, [%1], %2; "
      "selp.u32 %0, 1, 0, ended; }"
      : "=r"(ended)
      : "r"(shared_address(&barrier)), "r"(parity)
      : "memory");
  return ended != 0;
}
#endif

// Until the phase of this parity has ended (mbarrier.try_wait.parity). In a build with YONDER_CUDA_CHECKS a
// wait of two seconds is a trap (cudaErrorLaunchFailure): what never comes is told.
YONDER_DEVICE void mbarrier_wait_parity(mbarrier& barrier, unsigned parity) {
#if defined(YONDER_CUDA_CHECKS)
  std::uint64_t const begin = global_nanoseconds();
  while (!mbarrier_try_wait_parity(barrier, parity)) {
    if (global_nanoseconds() - begin > longest_wait) __trap();
  }
#else
  asm volatile(
      "{\n"
      ".reg .pred ended;\n"
      "again:\n"
      "mbarrier.try_wait.parity.shared::cta.b64 ended, [%0], %1;\n"
      "@!ended bra again;\n"
      "}" ::"r"(shared_address(&barrier)),
      "r"(parity)
      : "memory");
#endif
}

// One box, from this column and row on, to shared memory; zeros for what lies outside of the matrix
// (cp.async.bulk.tensor.2d). By one thread of a warp, whose lanes meet (sync_warp) before their next
// instruction that is .aligned.
YONDER_DEVICE void cp_async_bulk_tensor(void* to, tensor_map const& map, int column, int row,
                                        mbarrier& barrier) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%2, "
      "%3}], [%4];" ::"r"(shared_address(to)),
      "l"(&map), "r"(column), "r"(row), "r"(shared_address(&barrier))
      : "memory");
}

// What this thread stored to shared memory is seen by cp.async.bulk and wgmma after the block's next barrier.
YONDER_DEVICE void fence_proxy_async() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

// Whatever the thread does with these registers in its text before this happens before it, and what comes
// after, after.
template <int Fragments>
YONDER_DEVICE void pin(fragment_c (&sums)[Fragments]) {
  YONDER_UNROLL
  for (int n = 0; n < Fragments; ++n)
    asm volatile(""
                 : "+f"(sums[n].value[0]), "+f"(sums[n].value[1]), "+f"(sums[n].value[2]),
                   "+f"(sums[n].value[3])::"memory");
}

// Before the first of some products: registers that they use are as the thread left them.
YONDER_DEVICE void wgmma_fence() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
YONDER_DEVICE void wgmma_commit_group() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
// Until all committed products are done (pending: 0); before it their sums may not be touched.
YONDER_DEVICE void wgmma_wait_group() { asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory"); }

// wgmma.mma_async: out[64][Columns] = a[64][16] * b[16][Columns], or what is added to it. A warpgroup's warps
// have 16 rows each, as of m16n8k16; descriptors say where operands lie. Fence, issue, commit, wait.
// wgmma_shared: both operands in shared memory, b[column][k]. wgmma_registers: a in registers, b[k][column].
template <class T, int Columns>
YONDER_DEVICE void wgmma_shared(fragment_c (&out)[Columns / 8], std::uint64_t a, std::uint64_t b,
                                bool accumulate);
template <class T, int Columns>
YONDER_DEVICE void wgmma_registers(fragment_c (&out)[Columns / 8], fragment_a const& a, std::uint64_t b,
                                   bool accumulate);

#include "cuda/wgmma.inc"

#else

template <class Layout>
YONDER_DEVICE Layout& dynamic_shared_memory() {
  return shared_memory<Layout>();
}
YONDER_DEVICE std::uint32_t computed_here(std::uint32_t value) { return value; }
YONDER_DEVICE void prefetch_tensormap(tensor_map const&) {}
YONDER_DEVICE void mbarrier_init(mbarrier& barrier) { emulation::mbarrier_init(&barrier, 1); }
YONDER_DEVICE void fence_mbarrier_init() { emulation::fence_mbarrier_init(); }
YONDER_DEVICE void mbarrier_arrive_expect_tx(mbarrier& barrier, std::uint32_t bytes) {
  emulation::mbarrier_arrive_expect_tx(&barrier, bytes);
}
YONDER_DEVICE void mbarrier_wait_parity(mbarrier& barrier, unsigned parity) {
  emulation::mbarrier_wait_parity(&barrier, parity);
}
YONDER_DEVICE void cp_async_bulk_tensor(void* to, tensor_map const& map, int column, int row,
                                        mbarrier& barrier) {
  emulation::cp_async_bulk_tensor(to, map, column, row, &barrier);
}
YONDER_DEVICE void fence_proxy_async() { emulation::fence_proxy_async(); }
template <int Fragments>
YONDER_DEVICE void pin(fragment_c (&)[Fragments]) {}
YONDER_DEVICE void wgmma_fence() { emulation::wgmma_fence(); }
YONDER_DEVICE void wgmma_commit_group() { emulation::wgmma_commit_group(); }
YONDER_DEVICE void wgmma_wait_group() { emulation::wgmma_wait_group(0); }
YONDER_DEVICE std::uint32_t shared_address(void const* pointer) { return emulation::shared_address(pointer); }

namespace detail {

template <class T>
float widen_bits(std::uint16_t bits) {
  return to_float(T{bits});
}

}  // namespace detail

template <class T, int Columns>
YONDER_DEVICE void wgmma_shared(fragment_c (&out)[Columns / 8], std::uint64_t a, std::uint64_t b,
                                bool accumulate) {
  emulation::multiply({a, nullptr, b, false, accumulate, Columns, detail::widen_bits<T>, out[0].value});
}
template <class T, int Columns>
YONDER_DEVICE void wgmma_registers(fragment_c (&out)[Columns / 8], fragment_a const& a, std::uint64_t b,
                                   bool accumulate) {
  emulation::multiply({0, a.word, b, true, accumulate, Columns, detail::widen_bits<T>, out[0].value});
}

#endif

}  // namespace yonder::kernels::cuda
