// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstring>
#include <numeric>
#include <random>
#include <span>
#include <utility>

#include "cuda/emulation_machine.hpp"

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

machine* running = nullptr;
instruction lacking = instruction::none;
int lacking_index = -1;

struct nothing {};
void meet_only(std::array<nothing, lanes> const&, std::array<nothing, lanes>&) {}

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
  each.left_its_warp = false;
  each.passed_over = 0;
  each.stored.clear();
  each.fenced.clear();
  each.products_fenced = false;
  each.uncommitted_products.clear();
  each.committed_products.clear();
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
  account_for_stores();
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

// Threads run in parts: each part as far as it can go before the next one begins, and so within it. What no
// barrier forbids, happens. True if any thread could go on.
bool run_parts(machine& world, std::span<unsigned const> threads, std::span<std::size_t const> sizes) {
  if (sizes.empty()) {
    bool const can = can_run(world.fibres[threads.front()]);
    if (can) resume(world, threads.front());
    return can;
  }
  for (bool any = false;; any = true) {
    bool progressed = false;
    for (std::size_t at = 0; at < threads.size(); at += sizes.front()) {
      auto const part = threads.subspan(at, std::min(sizes.front(), threads.size() - at));
      progressed = run_parts(world, part, sizes.subspan(1)) || progressed;
    }
    if (!progressed) return any;
  }
}

void hide_earlier_memory(machine& world) {
  for (auto const& each : world.earlier) {
    auto* const at = static_cast<std::byte*>(each.base);
    world.hidden.emplace_back(at, at + each.bytes);
    std::memset(at, each.poison, each.bytes);
  }
}

// True if it was hidden.
bool show_earlier_memory(machine& world) noexcept {
  if (world.hidden.empty()) return false;
  for (std::size_t i = 0; i < world.hidden.size(); ++i)
    std::memcpy(world.earlier[i].base, world.hidden[i].data(), world.hidden[i].size());
  world.hidden.clear();
  return true;
}

bool end_previous_grid(machine& world) {
  if (!show_earlier_memory(world)) return false;
  ++world.previous_grid.opened;
  return true;
}

// Warpgroup by warpgroup, warp by warp, lane by lane. What comes by itself, comes when nothing else can
// happen.
void run_block(machine& world, std::span<unsigned const> sequence) {
  constexpr std::array parts = {warpgroup, lanes, std::size_t{1}};
  world.block = {};
  if (world.shared) std::memset(world.shared.get(), poison, world.shared_bytes);
  world.barriers.clear();
  world.of_async_proxy.clear();
  world.published.clear();
  world.previous_grid = {"the wait for the grid before"};
  hide_earlier_memory(world);
  for (auto& each : world.warps) each.at = {};
  std::fill(world.warpgroups.begin(), world.warpgroups.end(), meeting{});
  for (auto& each : world.fibres) start(each);
  do {
    run_parts(world, sequence, parts);
    if (std::all_of(world.fibres.begin(), world.fibres.end(), [](auto const& each) { return each.done; })) {
      if (!world.hidden.empty()) throw fault("a block ended without griddepcontrol.wait");
      return;
    }
  } while (end_phases(world) || end_previous_grid(world));
  throw fault(deadlock(world));
}

// [first, last) in another order, in parts of `size` that stay together.
template <class Iterator>
void shuffle_parts(Iterator first, Iterator last, std::size_t size, std::mt19937& engine) {
  std::vector<std::vector<unsigned>> parts;
  for (auto at = first; at != last;) {
    auto const end =
        last - at < static_cast<std::ptrdiff_t>(size) ? last : at + static_cast<std::ptrdiff_t>(size);
    parts.emplace_back(at, end);
    at = end;
  }
  std::shuffle(parts.begin(), parts.end(), engine);
  for (auto const& part : parts) first = std::copy(part.begin(), part.end(), first);
}

std::vector<unsigned> sequence_of(unsigned threads, order how, std::mt19937& engine) {
  std::vector<unsigned> sequence(threads);
  std::iota(sequence.begin(), sequence.end(), 0U);
  if (how == order::descending) std::reverse(sequence.begin(), sequence.end());
  if (how != order::shuffled) return sequence;
  if (threads % warpgroup == 0) shuffle_parts(sequence.begin(), sequence.end(), warpgroup, engine);
  for (std::size_t group = 0; group < threads; group += warpgroup) {
    auto const begin = sequence.begin() + static_cast<std::ptrdiff_t>(group);
    auto const end =
        sequence.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(threads, group + warpgroup));
    shuffle_parts(begin, end, lanes, engine);
    for (auto warp = begin; warp != end; warp += lanes) shuffle_parts(warp, warp + lanes, 1, engine);
  }
  return sequence;
}

}  // namespace

machine& world() noexcept { return *running; }
fibre& self() noexcept { return running->fibres[running->current]; }

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

void launch(shape const& grid, order threads, std::function<void()> const& thread,
            std::span<earlier_memory const> earlier) {
  if (grid.threads == 0 || grid.threads % lanes != 0) throw fault("a block is whole warps");
  machine world;
  world.grid = grid;
  world.thread = &thread;
  if (threads != order::descending) world.earlier = earlier;
  world.fibres.resize(grid.threads);
  world.warps.resize(grid.threads / lanes);
  world.warpgroups.resize(grid.threads / warpgroup);
  struct turn {
    explicit turn(machine& next) : before(running) { running = &next; }
    ~turn() {
      show_earlier_memory(*running);
      running = before;
    }
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

mutant::mutant(instruction lacks, int index) noexcept {
  lacking = lacks;
  lacking_index = index;
}
mutant::~mutant() { lacking = instruction::none; }

bool is_lacking(instruction which) noexcept {
  if (which != lacking) return false;
  return lacking_index < 0 || self().passed_over++ == lacking_index;
}

void sync_warp() {
  if (is_lacking(instruction::sync_warp)) return;
  warp_wide<nothing, nothing, meet_only>("the warp's barrier", {});
  converge();
}

void griddepcontrol_wait() {
  if (is_lacking(instruction::griddepcontrol_wait)) return;
  if (!running->hidden.empty()) wait_at(running->previous_grid);
}

void converge() { self().left_its_warp = false; }

void account_for_stores() {
  machine& world = *running;
  if (world.of_async_proxy.empty()) return;
  constexpr std::size_t step = 64;
  std::byte const* const now = world.shared.get();
  if (std::memcmp(now, world.accounted.data(), world.shared_bytes) == 0) return;
  for (std::size_t at = 0; at < world.shared_bytes; at += step) {
    std::size_t const end = std::min(at + step, world.shared_bytes);
    if (std::memcmp(now + at, world.accounted.data() + at, end - at) == 0) continue;
    for (std::size_t i = at; i < end; ++i)
      if (now[i] != world.accounted[i]) self().stored.push_back(i);
    std::memcpy(world.accounted.data() + at, now + at, end - at);
  }
}

void fence_proxy_async() {
  if (is_lacking(instruction::fence_proxy_async)) return;
  account_for_stores();
  auto& mine = self();
  mine.fenced.insert(mine.fenced.end(), mine.stored.begin(), mine.stored.end());
  mine.stored.clear();
}

void sync_block() {
  if (is_lacking(instruction::sync_block)) return;
  auto& fenced = self().fenced;
  running->published.insert(running->published.end(), fenced.begin(), fenced.end());
  fenced.clear();
  if (running->block.arrived + 1 == running->grid.threads) {
    for (std::size_t const at : running->published) running->of_async_proxy[at] = running->shared.get()[at];
    running->published.clear();
  }
  if (arrive(running->block, "the block's barrier", running->grid.threads)) {
    ++running->block.opened;
  } else {
    wait_at(running->block);
  }
}

void* shared_memory(std::size_t bytes) {
  machine& world = *running;
  if (!world.shared) {
    world.shared.reset(new (std::align_val_t{shared_alignment}) std::byte[bytes]);
    world.shared_bytes = bytes;
    std::memset(world.shared.get(), poison, bytes);
  }
  if (world.shared_bytes != bytes) throw fault("a kernel has one layout of shared memory");
  return world.shared.get();
}

std::uint32_t shared_address(void const* pointer) {
  auto const offset = static_cast<std::byte const*>(pointer) - running->shared.get();
  if (offset < 0 || static_cast<std::size_t>(offset) >= running->shared_bytes)
    throw fault("a pointer outside of shared memory");
  return static_cast<std::uint32_t>(static_cast<std::size_t>(offset) + shared_alignment);
}

void cp_async(void* to, void const* source, std::size_t bytes) {
  if (reinterpret_cast<std::uintptr_t>(to) % bytes != 0 ||
      reinterpret_cast<std::uintptr_t>(source) % bytes != 0)
    throw fault("an asynchronous copy is aligned to its size");
  std::memset(to, poison, bytes);
  self().uncommitted.push_back({to, source, bytes});
}

void cp_async_commit_group() { self().committed.push_back(std::exchange(self().uncommitted, {})); }

void cp_async_wait_group(unsigned pending) {
  if (is_lacking(instruction::cp_async_wait_group)) return;
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
