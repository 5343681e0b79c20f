// SPDX-License-Identifier: Apache-2.0
#include "cuda/emulation.hpp"

#include <ucontext.h>

#include <algorithm>
#include <cstring>
#include <deque>
#include <exception>
#include <memory>
#include <numeric>
#include <random>
#include <span>
#include <utility>
#include <vector>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define YONDER_HAS_ASAN 1
#endif
#elif defined(__SANITIZE_ADDRESS__)
#define YONDER_HAS_ASAN 1
#endif
#if defined(YONDER_HAS_ASAN)
#include <sanitizer/common_interface_defs.h>
#endif

namespace yonder::kernels::cuda::emulation {
namespace {

constexpr std::size_t stack_bytes = std::size_t{256} * 1024;
constexpr int poison = 0xff;  // a NaN in every format

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

struct fibre {
  ucontext_t context{};
  std::unique_ptr<std::byte[]> stack{new std::byte[stack_bytes]};
  bool done = false;
  meeting const* waits_at = nullptr;
  std::uint64_t seen = 0;
  std::vector<copy> uncommitted;
  std::deque<std::vector<copy>> committed;
};

struct machine {
  shape grid;
  std::function<void()> const* thread = nullptr;
  std::vector<fibre> fibres;
  std::vector<warp> warps;
  std::vector<std::byte> shared;
  meeting block;
  ucontext_t scheduler{};
  unsigned current = 0;
  unsigned block_x = 0;
  unsigned block_y = 0;
  std::exception_ptr error;
  void const* scheduler_stack = nullptr;
  std::size_t scheduler_stack_bytes = 0;
};

machine* running = nullptr;

// AddressSanitizer has to know which stack is in use.
class stack_switch {
 public:
  stack_switch([[maybe_unused]] void const* stack, [[maybe_unused]] std::size_t bytes,
               [[maybe_unused]] bool leaves_for_good = false) {
#if defined(YONDER_HAS_ASAN)
    __sanitizer_start_switch_fiber(leaves_for_good ? nullptr : &saved_, stack, bytes);
#endif
  }

  void arrived([[maybe_unused]] void const** from = nullptr, [[maybe_unused]] std::size_t* bytes = nullptr) {
#if defined(YONDER_HAS_ASAN)
    __sanitizer_finish_switch_fiber(saved_, from, bytes);
#endif
  }

 private:
#if defined(YONDER_HAS_ASAN)
  void* saved_ = nullptr;
#endif
};

fibre& self() { return running->fibres[running->current]; }

void back_to_scheduler() {
  stack_switch step(running->scheduler_stack, running->scheduler_stack_bytes);
  swapcontext(&self().context, &running->scheduler);
  step.arrived();
}

void run_thread() {
#if defined(YONDER_HAS_ASAN)
  __sanitizer_finish_switch_fiber(nullptr, &running->scheduler_stack, &running->scheduler_stack_bytes);
#endif
  try {
    (*running->thread)();
  } catch (...) {
    running->error = std::current_exception();
  }
  self().done = true;
  stack_switch const last(running->scheduler_stack, running->scheduler_stack_bytes, true);
  swapcontext(&self().context, &running->scheduler);
}

void start(fibre& each) {
  each.done = false;
  each.waits_at = nullptr;
  each.uncommitted.clear();
  each.committed.clear();
  getcontext(&each.context);
  each.context.uc_stack.ss_sp = each.stack.get();
  each.context.uc_stack.ss_size = stack_bytes;
  each.context.uc_link = nullptr;
  makecontext(&each.context, run_thread, 0);
}

bool can_run(fibre const& each) {
  return !each.done && (each.waits_at == nullptr || each.waits_at->opened != each.seen);
}

void resume(machine& world, unsigned index) {
  fibre& each = world.fibres[index];
  each.waits_at = nullptr;
  world.current = index;
  stack_switch step(each.stack.get(), stack_bytes);
  swapcontext(&world.scheduler, &each.context);
  step.arrived();
  if (world.error) std::rethrow_exception(world.error);
}

std::string deadlock(machine const& world) {
  std::string text = "threads wait for ever:";
  for (std::size_t i = 0; i < world.fibres.size(); ++i) {
    auto const& each = world.fibres[i];
    text += ' ' + std::to_string(i) + (each.done ? " has ended" : std::string(" at ") + each.waits_at->name);
    if (i == 40) return text + " …";
  }
  return text;
}

// Until none of its threads can go on. True if any could.
bool run_warp(machine& world, std::span<unsigned const> threads) {
  for (bool any = false;; any = true) {
    bool progressed = false;
    for (unsigned const index : threads) {
      if (!can_run(world.fibres[index])) continue;
      resume(world, index);
      progressed = true;
    }
    if (!progressed) return any;
  }
}

// Each warp goes as far as it can before the next one begins: what no barrier forbids, happens.
void run_block(machine& world, std::span<unsigned const> sequence) {
  world.block = {};
  std::fill(world.shared.begin(), world.shared.end(), std::byte{poison});
  for (auto& each : world.warps) each.at = {};
  for (auto& each : world.fibres) start(each);
  for (;;) {
    bool progressed = false;
    for (std::size_t at = 0; at < sequence.size(); at += lanes)
      progressed = run_warp(world, sequence.subspan(at, lanes)) || progressed;
    if (std::all_of(world.fibres.begin(), world.fibres.end(), [](auto const& each) { return each.done; }))
      return;
    if (!progressed) throw fault(deadlock(world));
  }
}

// Warp by warp.
std::vector<unsigned> sequence_of(unsigned threads, order how, std::mt19937& engine) {
  std::vector<unsigned> sequence(threads);
  std::iota(sequence.begin(), sequence.end(), 0U);
  if (how == order::descending) std::reverse(sequence.begin(), sequence.end());
  if (how != order::shuffled) return sequence;
  std::vector<unsigned> warps(threads / lanes);
  std::iota(warps.begin(), warps.end(), 0U);
  std::shuffle(warps.begin(), warps.end(), engine);
  for (std::size_t i = 0; i < warps.size(); ++i) {
    auto const first = sequence.begin() + static_cast<std::ptrdiff_t>(i * lanes);
    std::iota(first, first + lanes, warps[i] * lanes);
    std::shuffle(first, first + lanes, engine);
  }
  return sequence;
}

// True for the one that came last.
bool arrive(meeting& at, char const* name, unsigned expected) {
  if (at.arrived != 0 && std::strcmp(at.name, name) != 0)
    throw fault(std::string("threads diverge: some are at ") + at.name + ", others at " + name);
  at.name = name;
  if (++at.arrived < expected) return false;
  at.arrived = 0;
  return true;
}

void wait_at(meeting const& at) {
  self().waits_at = &at;
  self().seen = at.opened;
  back_to_scheduler();
}

}  // namespace

void launch(shape const& grid, order threads, std::function<void()> const& thread) {
  if (grid.threads == 0 || grid.threads % lanes != 0) throw fault("a block is whole warps");
  machine world;
  world.grid = grid;
  world.thread = &thread;
  world.fibres.resize(grid.threads);
  world.warps.resize(grid.threads / lanes);
  struct turn {
    explicit turn(machine& next) : before(running) { running = &next; }
    ~turn() { running = before; }
    turn(turn const&) = delete;
    turn& operator=(turn const&) = delete;
    machine* before;
  } const now(world);
  std::mt19937 engine(11);
  for (world.block_y = 0; world.block_y < grid.grid_y; ++world.block_y)
    for (world.block_x = 0; world.block_x < grid.grid_x; ++world.block_x)
      run_block(world, sequence_of(grid.threads, threads, engine));
}

unsigned thread_index() noexcept { return running->current; }
unsigned block_x() noexcept { return running->block_x; }
unsigned block_y() noexcept { return running->block_y; }
shape const& grid() noexcept { return running->grid; }

void sync_block() {
  if (arrive(running->block, "the block's barrier", running->grid.threads)) {
    ++running->block.opened;
  } else {
    wait_at(running->block);
  }
}

void* shared_memory(std::size_t bytes) {
  if (running->shared.empty()) running->shared.resize(bytes, std::byte{poison});
  if (running->shared.size() != bytes) throw fault("a kernel has one layout of shared memory");
  return running->shared.data();
}

void copy_async(void* to, void const* source, std::size_t bytes) {
  if (reinterpret_cast<std::uintptr_t>(to) % bytes != 0 ||
      reinterpret_cast<std::uintptr_t>(source) % bytes != 0)
    throw fault("an asynchronous copy is aligned to its size");
  std::memset(to, poison, bytes);
  self().uncommitted.push_back({to, source, bytes});
}

void commit_copies() { self().committed.push_back(std::exchange(self().uncommitted, {})); }

void wait_for_copies(unsigned pending) {
  auto& groups = self().committed;
  for (; groups.size() > pending; groups.pop_front()) {
    for (auto const& each : groups.front()) {
      if (each.source == nullptr) {
        std::memset(each.to, 0, each.bytes);
      } else {
        std::memcpy(each.to, each.source, each.bytes);
      }
    }
  }
}

void detail::meet(char const* name, void const* in, std::size_t in_size, void* out, std::size_t out_size,
                  void (*compute)(void const* in, void* out)) {
  warp& mine = running->warps[running->current / lanes];
  std::size_t const lane = running->current % lanes;
  std::size_t const half = mine.at.opened % 2;
  std::memcpy(mine.in[half] + lane * in_size, in, in_size);
  if (arrive(mine.at, name, lanes)) {
    compute(mine.in[half], mine.out[half]);
    ++mine.at.opened;
  } else {
    wait_at(mine.at);
  }
  std::memcpy(out, mine.out[half] + lane * out_size, out_size);
}

}  // namespace yonder::kernels::cuda::emulation
