// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ucontext.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <new>
#include <span>
#include <vector>

#include "cuda/emulation.hpp"

// The machine that runs a kernel, for the files of the emulation alone.
namespace yonder::kernels::cuda::emulation {

inline constexpr std::size_t stack_bytes = std::size_t{256} * 1024;
inline constexpr int poison = 0xff;  // a NaN in every format
inline constexpr std::size_t shared_alignment = 1024;

// Threads meet here: whoever comes last opens it for all.
struct meeting {
  char const* name = nullptr;
  unsigned arrived = 0;
  std::uint64_t opened = 0;
};

// Operands and results alternate between two halves: a lane may begin the next meeting before its neighbour
// has read the result of this one.
struct warp {
  meeting at;
  alignas(16) std::byte in[2][lanes * largest_operand];
  alignas(16) std::byte out[2][lanes * largest_operand];
};

struct copy {
  void* to;
  void const* source;
  std::size_t bytes;
};

// A product of a warpgroup that was issued, and what `out` held before.
struct issued_product {
  group_product what;
  std::array<std::uint32_t, 4> a_words;
  std::vector<float> before;
};

struct box_copy {
  void* to;
  tensor from;
  int column;
  int row;

  std::size_t bytes() const { return std::size_t{from.box_rows} * from.box_columns * sizeof(std::uint16_t); }
};

// One that counts arrivals and bytes.
struct phase_barrier {
  meeting at{"a barrier's phase"};
  unsigned arrivals = 0;
  unsigned missing = 0;
  std::size_t expected_bytes = 0;
  std::vector<box_copy> copies;
  unsigned initialized_by = 0;  // a thread
  bool init_is_fenced = false;
};

struct fibre {
  ucontext_t context{};
  std::unique_ptr<std::byte[]> stack{new std::byte[stack_bytes]};
  bool done = false;
  meeting const* waits_at = nullptr;
  std::uint64_t seen = 0;
  std::vector<copy> uncommitted;
  std::deque<std::vector<copy>> committed;
  bool left_its_warp = false;
  int passed_over = 0;              // instructions that a mutant lacks
  std::vector<std::size_t> stored;  // offsets in shared memory, not fenced since
  std::vector<std::size_t> fenced;  // since the last barrier
  bool products_fenced = false;
  std::vector<issued_product> uncommitted_products;
  std::deque<std::vector<issued_product>> committed_products;
};

struct shared_deleter {
  void operator()(std::byte* block) const noexcept {
    operator delete[](block, std::align_val_t{shared_alignment});
  }
};

struct machine {
  shape grid;
  std::function<void()> const* thread = nullptr;
  std::vector<fibre> fibres;
  std::vector<warp> warps;
  std::vector<meeting> warpgroups;
  std::map<void const*, phase_barrier> barriers;
  std::unique_ptr<std::byte[], shared_deleter> shared;
  std::size_t shared_bytes = 0;
  std::vector<std::byte> of_async_proxy;  // shared memory as boxes and products see it; empty: none comes
  std::vector<std::byte> accounted;       // shared memory, with all stores whose thread is known
  std::vector<std::size_t> published;     // fenced by threads that are at the block's barrier
  meeting block;
  std::span<earlier_memory const> earlier;
  std::vector<std::vector<std::byte>> hidden;  // what `earlier` holds, while it is not there
  meeting previous_grid{"the wait for the grid before"};
  ucontext_t scheduler{};
  unsigned current = 0;
  unsigned block_x = 0;
  unsigned block_y = 0;
  std::exception_ptr error;
  void const* scheduler_stack = nullptr;
  std::size_t scheduler_stack_bytes = 0;
};

// The one that runs now, and its thread.
machine& world() noexcept;
fibre& self() noexcept;

// True for the one that came last.
bool arrive(meeting& at, char const* name, unsigned expected);
void wait_at(meeting const& at);

// True where the mutant that runs lacks this one.
bool is_lacking(instruction which) noexcept;

// The stores to shared memory since it was last looked at are the running thread's.
void account_for_stores();

// Ends the phases whose arrivals and bytes are there. True if there was one.
bool end_phases(machine& world);

}  // namespace yonder::kernels::cuda::emulation
