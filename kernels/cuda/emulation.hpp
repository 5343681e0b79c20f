// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <stdexcept>
#include <string>

// Runs a kernel on the host, unchanged: each thread of a block is a fibre (ucontext), the blocks follow each
// other. It is strict where a GPU is lenient: shared memory starts poisoned, what is asynchronous happens no
// earlier than its wait, a barrier that not every thread reaches is an error, and each warp runs as far ahead
// of the others as barriers allow, in an order that the caller chooses, so that a missing barrier shows. Not
// thread-safe.
namespace yonder::kernels::cuda::emulation {

// The kernel broke a rule of the machine.
class fault : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

enum class order : std::uint8_t { ascending, descending, shuffled };

struct shape {
  unsigned grid_x = 1;
  unsigned grid_y = 1;
  unsigned threads = 32;  // a multiple of 32
};

// What the kernels before this one in the stream write, or still read. Until griddepcontrol_wait() it holds
// `poison`, and what is stored there is lost.
struct earlier_memory {
  void* base;
  std::size_t bytes;
  int poison;
};

// What a mutant of a kernel lacks.
enum class instruction : std::uint8_t {
  none,
  griddepcontrol_wait,
  sync_block,
  sync_warp,
  cp_async_wait_group,
  fence_proxy_async,
  mbarrier_wait,
  fence_mbarrier_init,
  wgmma_fence,
  descriptor_stride  // of wgmma: groups of rows are then twice as far apart
};

// While it lives, each thread passes over an instruction: all of them, or its `index`-th alone, from 0 on.
// Tests show so that they would see it.
class mutant {
 public:
  explicit mutant(instruction lacks, int index = -1) noexcept;
  mutant(mutant const&) = delete;
  mutant& operator=(mutant const&) = delete;
  ~mutant();
};

// Runs `thread` once for each thread of the grid. The grid before it ends as late as it may, when no thread
// of a block can go on without; where threads descend, it has ended before. Throws fault, or what `thread`
// throws.
void launch(shape const& grid, order threads, std::function<void()> const& thread,
            std::span<earlier_memory const> earlier = {});

// What follows is for the thread that runs.
unsigned thread_index() noexcept;
unsigned block_x() noexcept;
unsigned block_y() noexcept;
shape const& grid() noexcept;
void sync_block();
// The block's shared memory: the same for all its threads, poisoned when the block begins, and aligned to
// 1,024 bytes. Its addresses, as descriptors have them, begin at 1,024.
void* shared_memory(std::size_t bytes);
std::uint32_t shared_address(void const* pointer);

// Until the grid before this one has ended (programmatic dependent launch).
void griddepcontrol_wait();

// `bytes` of zeros where `source` is null. What is there goes at once; what comes is there after the wait.
void cp_async(void* to, void const* source, std::size_t bytes);
void cp_async_commit_group();
// Until all but the last `pending` committed groups are there.
void cp_async_wait_group(unsigned pending);

// ---- Hopper: barriers that count bytes, copies of tiles, products of warpgroups ----

inline constexpr std::size_t warpgroup = 128;  // threads

// A matrix of 16-bit elements in global memory, copied in boxes. The 16-byte chunks of a box's rows, which
// are 64 or 128 bytes, are swizzled as CU_TENSOR_MAP_SWIZZLE_64B and _128B say.
struct tensor {
  void const* base;
  std::size_t rows;
  std::size_t columns;
  std::size_t stride;  // of rows, in bytes
  unsigned box_rows;
  unsigned box_columns;
};

// A barrier is 8 bytes of shared memory. A phase of it ends when all arrivals and all expected bytes are
// there.
void mbarrier_init(void const* barrier, unsigned arrivals);
// What this thread initialized is there for copies, which come by another proxy; to one that completes on a
// barrier without it, it is a fault.
void fence_mbarrier_init();
void mbarrier_arrive_expect_tx(void const* barrier, std::size_t bytes);
// Until the phase of this parity has ended.
void mbarrier_wait_parity(void const* barrier, unsigned parity);
// A box to shared memory; what lies outside of the matrix is zeros. The thread has then left its warp: what
// is .aligned is a fault until converge(), which the warp's barrier calls.
void cp_async_bulk_tensor(void* to, tensor const& from, int column, int row, void const* barrier);

void converge();
// By the whole warp.
void sync_warp();

// Boxes and products see shared memory by a proxy of their own (the PTX ISA, "Async proxy"): what this thread
// stored there is theirs after this and the block's next barrier, and a product that reads it without is a
// fault.
void fence_proxy_async();

// One thread's part of out[64][columns] += a[64][16] * b[16][columns]; a warpgroup's threads issue the same.
struct group_product {
  std::uint64_t a;               // descriptor of a[row][k], where `a_words` is null
  std::uint32_t const* a_words;  // the thread's fragment of a
  std::uint64_t b;               // descriptor of b[column][k], or of b[k][column]
  bool b_rows_are_k;
  bool accumulate;
  unsigned columns;
  float (*widen)(std::uint16_t bits);
  float* out;  // [columns / 2]
};

void wgmma_fence();
// `out` is poisoned until the wait.
void multiply(group_product const& product);
void wgmma_commit_group();
// Until all but the last `pending` committed groups are done.
void wgmma_wait_group(unsigned pending);

namespace detail {

// All 32 lanes meet; the last one computes for all. `in` and `out` are the lane's operand and result.
void meet(char const* name, void const* in, std::size_t in_size, void* out, std::size_t out_size,
          void (*compute)(void const* in, void* out));

}  // namespace detail

inline constexpr std::size_t lanes = 32;
inline constexpr std::size_t largest_operand = 64;

// A function of a whole warp: Compute(lanes' operands, lanes' results).
template <class Out, class In, void (*Compute)(std::array<In, lanes> const&, std::array<Out, lanes>&)>
Out warp_wide(char const* name, In const& in) {
  static_assert(sizeof(In) <= largest_operand && sizeof(Out) <= largest_operand);
  Out out;
  detail::meet(name, &in, sizeof in, &out, sizeof out, [](void const* ins, void* outs) {
    Compute(*static_cast<std::array<In, lanes> const*>(ins), *static_cast<std::array<Out, lanes>*>(outs));
  });
  return out;
}

}  // namespace yonder::kernels::cuda::emulation
