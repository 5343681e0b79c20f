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

// In shared memory. A phase ends when its one arrival and the bytes that this expects are there.
struct alignas(8) transfer_barrier {
  std::uint64_t state;
};

inline constexpr int threads_of_group = 128;

// How a matrix of 16-bit elements lies in shared memory after it was copied in boxes: rows of 64 or 128
// bytes, their 16-byte chunks swizzled, in groups of eight rows one after the other. The descriptor of a part
// of it begins at `address`; parts begin at whole groups, or within the first row at a multiple of 32 bytes.
template <int RowBytes>
YONDER_HOST_DEVICE std::uint64_t matrix_descriptor(std::uint32_t address) {
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

YONDER_DEVICE void prefetch(tensor_map const& map) {
  asm volatile("prefetch.tensormap [%0];" ::"l"(&map) : "memory");
}

YONDER_DEVICE void init_barrier(transfer_barrier& barrier) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], 1;" ::"r"(shared_address(&barrier)) : "memory");
}
// After init_barrier(), before the threads' next barrier.
YONDER_DEVICE void publish_barriers() { asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory"); }

YONDER_DEVICE void arrive_expecting(transfer_barrier& barrier, std::uint32_t bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(&barrier)),
               "r"(bytes)
               : "memory");
}

// Until the phase of this parity has ended.
YONDER_DEVICE void wait_for_phase(transfer_barrier& barrier, unsigned parity) {
  asm volatile(
      "{\n"
      ".reg .pred ended;\n"
      "again:\n"
      "mbarrier.try_wait.parity.shared::cta.b64 ended, [%0], %1;\n"
      "@!ended bra again;\n"
      "}" ::"r"(shared_address(&barrier)),
      "r"(parity)
      : "memory");
}

// One box, from this column and row on, to shared memory; zeros for what lies outside of the matrix.
YONDER_DEVICE void copy_box(void* to, tensor_map const& map, int column, int row, transfer_barrier& barrier) {
  asm volatile(
      "cp.async.bulk.tensor.2d.shared::cluster.global.tile.mbarrier::complete_tx::bytes [%0], [%1, {%2, "
      "%3}], [%4];" ::"r"(shared_address(to)),
      "l"(&map), "r"(column), "r"(row), "r"(shared_address(&barrier))
      : "memory");
}

// What this thread stored to shared memory is seen by copies and products that come after the next barrier.
YONDER_DEVICE void publish_stores() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }

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
YONDER_DEVICE void fence_products() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
YONDER_DEVICE void commit_products() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
// Until all committed products are done; before it their sums may not be touched.
YONDER_DEVICE void wait_for_products() { asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory"); }

// out[64][Columns] = a[64][16] * b[16][Columns], or what is added to it. A warpgroup's warps have 16 rows
// each, as of m16n8k16; descriptors say where operands lie. Issue, commit, wait.
template <class T, int Columns>
YONDER_DEVICE void multiply_rows(fragment_c (&out)[Columns / 8], std::uint64_t a, std::uint64_t b,
                                 bool accumulate);
template <class T, int Columns>
YONDER_DEVICE void multiply_columns(fragment_c (&out)[Columns / 8], fragment_a const& a, std::uint64_t b,
                                    bool accumulate);

#define YONDER_SUM(n) \
  "+f"(out[n].value[0]), "+f"(out[n].value[1]), "+f"(out[n].value[2]), "+f"(out[n].value[3])
#define YONDER_SUMS_16(n) YONDER_SUM(n), YONDER_SUM((n) + 1), YONDER_SUM((n) + 2), YONDER_SUM((n) + 3)
// By the number of a thread's sums, which is half the number of columns.
#define YONDER_SUMS_OF_16 YONDER_SUMS_16(0)
#define YONDER_SUMS_OF_32 YONDER_SUMS_OF_16, YONDER_SUMS_16(4)
#define YONDER_SUMS_OF_64 YONDER_SUMS_OF_32, YONDER_SUMS_16(8), YONDER_SUMS_16(12)
#define YONDER_NAMES_OF_16 "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15"
#define YONDER_NAMES_OF_32                                                 \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, " \
  "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"
#define YONDER_NAMES_OF_64                                                           \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, "           \
  "%16, %17, %18, %19, %20, %21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31, " \
  "%32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, " \
  "%48, %49, %50, %51, %52, %53, %54, %55, %56, %57, %58, %59, %60, %61, %62, %63"
#define YONDER_GROUP_PRODUCT(NAME, COLUMNS, SUMS, ADD)                                        \
  "{ .reg .pred add; setp.ne.b32 add, " ADD ", 0; wgmma.mma_async.sync.aligned.m64n" #COLUMNS \
  "k16.f32." NAME "." NAME " {" YONDER_NAMES_OF_##SUMS "}, "

// Both operands in shared memory, b[column][k].
#define YONDER_MULTIPLY_ROWS(T, NAME, COLUMNS, SUMS, A, B, ADD)                                 \
  template <>                                                                                   \
  YONDER_DEVICE void multiply_rows<T, COLUMNS>(fragment_c(&out)[COLUMNS / 8], std::uint64_t a,  \
                                               std::uint64_t b, bool accumulate) {              \
    asm volatile(YONDER_GROUP_PRODUCT(NAME, COLUMNS, SUMS, ADD) A ", " B ", add, 1, 1, 0, 0; }" \
                 : YONDER_SUMS_OF_##SUMS                                                        \
                 : "l"(a), "l"(b), "r"(static_cast<int>(accumulate)));                          \
  }
// The left operand in registers, b[k][column].
#define YONDER_MULTIPLY_COLUMNS(T, NAME, COLUMNS, SUMS, A0, A1, A2, A3, B, ADD)                        \
  template <>                                                                                          \
  YONDER_DEVICE void multiply_columns<T, COLUMNS>(fragment_c(&out)[COLUMNS / 8], fragment_a const& a,  \
                                                  std::uint64_t b, bool accumulate) {                  \
    asm volatile(YONDER_GROUP_PRODUCT(NAME, COLUMNS, SUMS, ADD) "{" A0 ", " A1 ", " A2 ", " A3 "}, " B \
                                                                ", add, 1, 1, 1; }"                    \
                 : YONDER_SUMS_OF_##SUMS                                                               \
                 : "r"(a.word[0]), "r"(a.word[1]), "r"(a.word[2]), "r"(a.word[3]), "l"(b),             \
                   "r"(static_cast<int>(accumulate)));                                                 \
  }

YONDER_MULTIPLY_ROWS(bf16, "bf16", 64, 32, "%32", "%33", "%34")
YONDER_MULTIPLY_ROWS(bf16, "bf16", 128, 64, "%64", "%65", "%66")
YONDER_MULTIPLY_ROWS(f16, "f16", 64, 32, "%32", "%33", "%34")
YONDER_MULTIPLY_ROWS(f16, "f16", 128, 64, "%64", "%65", "%66")
YONDER_MULTIPLY_COLUMNS(bf16, "bf16", 32, 16, "%16", "%17", "%18", "%19", "%20", "%21")
YONDER_MULTIPLY_COLUMNS(bf16, "bf16", 64, 32, "%32", "%33", "%34", "%35", "%36", "%37")
YONDER_MULTIPLY_COLUMNS(f16, "f16", 32, 16, "%16", "%17", "%18", "%19", "%20", "%21")
YONDER_MULTIPLY_COLUMNS(f16, "f16", 64, 32, "%32", "%33", "%34", "%35", "%36", "%37")

#undef YONDER_MULTIPLY_COLUMNS
#undef YONDER_MULTIPLY_ROWS
#undef YONDER_GROUP_PRODUCT
#undef YONDER_NAMES_OF_64
#undef YONDER_NAMES_OF_32
#undef YONDER_NAMES_OF_16
#undef YONDER_SUMS_OF_64
#undef YONDER_SUMS_OF_32
#undef YONDER_SUMS_OF_16
#undef YONDER_SUMS_16
#undef YONDER_SUM

#else

template <class Layout>
YONDER_DEVICE Layout& dynamic_shared_memory() {
  return shared_memory<Layout>();
}
YONDER_DEVICE std::uint32_t computed_here(std::uint32_t value) { return value; }
YONDER_DEVICE void prefetch(tensor_map const&) {}
YONDER_DEVICE void init_barrier(transfer_barrier& barrier) { emulation::init_barrier(&barrier, 1); }
YONDER_DEVICE void publish_barriers() {}
YONDER_DEVICE void arrive_expecting(transfer_barrier& barrier, std::uint32_t bytes) {
  emulation::arrive_expecting(&barrier, bytes);
}
YONDER_DEVICE void wait_for_phase(transfer_barrier& barrier, unsigned parity) {
  emulation::wait_for_phase(&barrier, parity);
}
YONDER_DEVICE void copy_box(void* to, tensor_map const& map, int column, int row, transfer_barrier& barrier) {
  emulation::copy_box(to, map, column, row, &barrier);
}
YONDER_DEVICE void publish_stores() {}
template <int Fragments>
YONDER_DEVICE void pin(fragment_c (&)[Fragments]) {}
YONDER_DEVICE void fence_products() { emulation::fence_products(); }
YONDER_DEVICE void commit_products() { emulation::commit_products(); }
YONDER_DEVICE void wait_for_products() { emulation::wait_for_products(0); }
YONDER_DEVICE std::uint32_t shared_address(void const* pointer) { return emulation::shared_address(pointer); }

namespace detail {

template <class T>
float widen_bits(std::uint16_t bits) {
  return to_float(T{bits});
}

}  // namespace detail

template <class T, int Columns>
YONDER_DEVICE void multiply_rows(fragment_c (&out)[Columns / 8], std::uint64_t a, std::uint64_t b,
                                 bool accumulate) {
  emulation::multiply({a, nullptr, b, false, accumulate, Columns, detail::widen_bits<T>, out[0].value});
}
template <class T, int Columns>
YONDER_DEVICE void multiply_columns(fragment_c (&out)[Columns / 8], fragment_a const& a, std::uint64_t b,
                                    bool accumulate) {
  emulation::multiply({0, a.word, b, true, accumulate, Columns, detail::widen_bits<T>, out[0].value});
}

#endif

}  // namespace yonder::kernels::cuda
