// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <stdexcept>
#include <string>

// Runs a kernel on the host, unchanged: each thread of a block is a fibre (ucontext), the blocks follow each
// other. It is strict where a GPU is lenient: shared memory starts poisoned, an asynchronous copy happens no
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

// Runs `thread` once for each thread of the grid. Throws fault, or what `thread` throws.
void launch(shape const& grid, order threads, std::function<void()> const& thread);

// What follows is for the thread that runs.
unsigned thread_index() noexcept;
unsigned block_x() noexcept;
unsigned block_y() noexcept;
shape const& grid() noexcept;
void sync_block();
// The block's shared memory: the same for all its threads, poisoned when the block begins.
void* shared_memory(std::size_t bytes);

// `bytes` of zeros where `source` is null. What is there goes at once; what comes is there after the wait.
void copy_async(void* to, void const* source, std::size_t bytes);
void commit_copies();
// Until all but the last `pending` committed groups are there.
void wait_for_copies(unsigned pending);

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
