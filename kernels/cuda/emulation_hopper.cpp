// SPDX-License-Identifier: Apache-2.0
//
// Barriers that count bytes, copies of boxes, and products of warpgroups, as the PTX ISA describes them
// ("Tensors", "mbarrier", "Asynchronous Warpgroup Level Matrix Instructions").
#include <algorithm>
#include <cstring>
#include <span>
#include <utility>

#include "cuda/emulation_machine.hpp"

namespace yonder::kernels::cuda::emulation {
namespace {

// A 16-byte chunk of a row of 64 or 128 bytes lies where address bits 7 to 9, which number its row, say.
std::size_t swizzled(std::size_t address, std::size_t row_bytes) {
  return address ^ (address >> 7 & (row_bytes / 16 - 1)) << 4;
}

std::byte* at_shared_address(std::size_t address, std::size_t bytes) {
  if (address < shared_alignment || address + bytes > shared_alignment + world().shared_bytes)
    throw fault("an address outside of shared memory");
  return world().shared.get() + (address - shared_alignment);
}

// By the async proxy, which ordinary loads follow once its barrier's phase has ended.
void store_by_async_proxy(std::size_t address, void const* from, std::size_t bytes) {
  std::byte* const at = at_shared_address(address, bytes);
  std::size_t const offset = address - shared_alignment;
  std::memcpy(at, from, bytes);
  std::memcpy(world().of_async_proxy.data() + offset, from, bytes);
  std::memcpy(world().accounted.data() + offset, from, bytes);
}

std::uint16_t load_by_async_proxy(std::size_t address) {
  std::uint16_t bits;
  std::byte const* const at = at_shared_address(address, sizeof bits);
  if (!world().of_async_proxy.empty() &&
      std::memcmp(at, world().of_async_proxy.data() + (address - shared_alignment), sizeof bits) != 0)
    throw fault("a product reads what was stored to shared memory without fence.proxy.async and a barrier");
  std::memcpy(&bits, at, sizeof bits);
  return bits;
}

void expect_whole_warp(char const* what) {
  if (self().left_its_warp)
    throw fault(std::string(what) + " is .aligned: a thread that left its warp has not met it again");
}

// ---- copies of boxes ----

std::uint16_t element_of(tensor const& from, long row, long column) {
  std::uint16_t bits = 0;
  if (row < 0 || column < 0 || static_cast<std::size_t>(row) >= from.rows ||
      static_cast<std::size_t>(column) >= from.columns)
    return bits;
  auto const* const in_row =
      static_cast<std::byte const*>(from.base) + static_cast<std::size_t>(row) * from.stride;
  std::memcpy(&bits, in_row + static_cast<std::size_t>(column) * sizeof bits, sizeof bits);
  return bits;
}

void carry_out(box_copy const& copy) {
  std::size_t const row_bytes = copy.from.box_columns * sizeof(std::uint16_t);
  std::size_t const base = shared_address(copy.to);
  for (unsigned r = 0; r < copy.from.box_rows; ++r) {
    for (unsigned c = 0; c < copy.from.box_columns; ++c) {
      std::uint16_t const bits = element_of(copy.from, long{copy.row} + r, long{copy.column} + c);
      std::size_t const at = swizzled(base + r * row_bytes + c * sizeof bits, row_bytes);
      store_by_async_proxy(at, &bits, sizeof bits);
    }
  }
}

phase_barrier& known(void const* barrier) {
  auto const found = world().barriers.find(barrier);
  if (found == world().barriers.end()) throw fault("a barrier that nobody initialized");
  return found->second;
}

bool end_phase(phase_barrier& barrier) {
  std::size_t bytes = 0;
  for (auto const& each : barrier.copies) bytes += each.bytes();
  if (barrier.missing != 0 || bytes != barrier.expected_bytes) return false;
  for (auto const& each : barrier.copies) carry_out(each);
  barrier.copies.clear();
  barrier.expected_bytes = 0;
  barrier.missing = barrier.arrivals;
  ++barrier.at.opened;
  return true;
}

// ---- products of warpgroups ----

// A matrix in shared memory, as a descriptor says: rows of 64 or 128 bytes, in groups of eight that lie
// `stride` apart.
class described_matrix {
 public:
  explicit described_matrix(std::uint64_t descriptor)
      : start_((descriptor & 0x3fffU) << 4), stride_((descriptor >> 32 & 0x3fffU) << 4) {
    if (is_lacking(instruction::descriptor_stride)) stride_ *= 2;
    switch (descriptor >> 62) {
      case 1: row_bytes_ = 128; break;
      case 2: row_bytes_ = 64; break;
      default: throw fault("a descriptor of another layout than rows of 64 or 128 bytes");
    }
    if ((descriptor >> 49 & 7U) != 0) throw fault("a descriptor with a base offset");
  }

  std::uint16_t element(std::size_t row, std::size_t column) const {
    std::size_t const in_row = column * sizeof(std::uint16_t);
    if (start_ % row_bytes_ + in_row >= row_bytes_) throw fault("a descriptor's row is too short");
    std::size_t const at = start_ + row / 8 * stride_ + row % 8 * row_bytes_ + in_row;
    return load_by_async_proxy(swizzled(at, row_bytes_));
  }

 private:
  std::size_t start_;
  std::size_t stride_;
  std::size_t row_bytes_ = 0;
};

using parts_of_threads = std::span<issued_product const* const>;

// Thread t has, of the rows 16 * (t / 32) + t % 32 / 4 and eight further, what its words say.
std::vector<std::array<float, 16>> left_operand(parts_of_threads parts) {
  std::vector<std::array<float, 16>> a(64);
  group_product const& what = parts.front()->what;
  if (what.a_words == nullptr) {
    described_matrix const matrix(what.a);
    for (std::size_t row = 0; row < 64; ++row) {
      for (std::size_t k = 0; k < 16; ++k) a[row][k] = what.widen(matrix.element(row, k));
    }
    return a;
  }
  for (std::size_t thread = 0; thread < warpgroup; ++thread) {
    std::size_t const row = thread / lanes * 16 + thread % lanes / 4;
    std::size_t const pair = thread % 4 * 2;
    for (std::size_t i = 0; i < 4; ++i) {
      std::uint32_t const word = parts[thread]->a_words[i];
      auto* const at = &a[row + i % 2 * 8][pair + i / 2 * 8];
      at[0] = what.widen(static_cast<std::uint16_t>(word));
      at[1] = what.widen(static_cast<std::uint16_t>(word >> 16));
    }
  }
  return a;
}

std::vector<std::array<float, 16>> right_operand(group_product const& what) {
  described_matrix const matrix(what.b);
  std::vector<std::array<float, 16>> b(what.columns);
  for (std::size_t column = 0; column < what.columns; ++column) {
    for (std::size_t k = 0; k < 16; ++k)
      b[column][k] = what.widen(what.b_rows_are_k ? matrix.element(k, column) : matrix.element(column, k));
  }
  return b;
}

void check_same(group_product const& one, group_product const& other) {
  if (one.a != other.a || one.b != other.b || one.columns != other.columns ||
      one.accumulate != other.accumulate || (one.a_words == nullptr) != (other.a_words == nullptr))
    throw fault("the threads of a warpgroup issue different products");
}

void carry_out(parts_of_threads parts) {
  group_product const& what = parts.front()->what;
  for (auto const* const each : parts) check_same(what, each->what);
  auto const a = left_operand(parts);
  auto const b = right_operand(what);
  for (std::size_t thread = 0; thread < warpgroup; ++thread) {
    issued_product const& mine = *parts[thread];
    float* const out = mine.what.out;
    std::copy(mine.before.begin(), mine.before.end(), out);
    for (std::size_t i = 0; i < what.columns / 2; ++i) {
      auto const& row = a[thread / lanes * 16 + thread % lanes / 4 + i % 4 / 2 * 8];
      auto const& column = b[i / 4 * 8 + thread % 4 * 2 + i % 2];
      float sum = what.accumulate ? out[i] : 0.0F;
      for (std::size_t k = 0; k < 16; ++k) sum += row[k] * column[k];
      out[i] = sum;
    }
  }
}

// The oldest committed products of every thread of the warpgroup.
void carry_out_oldest(std::span<fibre> group) {
  std::size_t const count = group.front().committed_products.front().size();
  for (auto const& each : group) {
    if (each.committed_products.empty() || each.committed_products.front().size() != count)
      throw fault("the threads of a warpgroup issue different numbers of products");
  }
  for (std::size_t i = 0; i < count; ++i) {
    std::vector<issued_product const*> parts;
    for (auto const& each : group) parts.push_back(&each.committed_products.front()[i]);
    carry_out(parts);
  }
  for (auto& each : group) each.committed_products.pop_front();
}

bool is_in_flight(fibre const& thread, float const* out) {
  auto const any = [out](std::vector<issued_product> const& all) {
    return std::any_of(all.begin(), all.end(), [out](auto const& each) { return each.what.out == out; });
  };
  return any(thread.uncommitted_products) ||
         std::any_of(thread.committed_products.begin(), thread.committed_products.end(), any);
}

}  // namespace

bool end_phases(machine& world) {
  bool any = false;
  for (auto& [place, barrier] : world.barriers) any = end_phase(barrier) || any;
  return any;
}

void mbarrier_init(void const* barrier, unsigned arrivals) {
  shared_address(barrier);
  self().left_its_warp = true;
  auto const* const begin = world().shared.get();
  if (world().of_async_proxy.empty()) {
    world().of_async_proxy.assign(begin, begin + world().shared_bytes);
    world().accounted = world().of_async_proxy;
  }
  phase_barrier& fresh = world().barriers[barrier];
  fresh = {};
  fresh.arrivals = fresh.missing = arrivals;
  fresh.initialized_by = thread_index();
}

void fence_mbarrier_init() {
  if (is_lacking(instruction::fence_mbarrier_init)) return;
  for (auto& [place, barrier] : world().barriers)
    if (barrier.initialized_by == thread_index()) barrier.init_is_fenced = true;
}

void mbarrier_arrive_expect_tx(void const* barrier, std::size_t bytes) {
  self().left_its_warp = true;
  phase_barrier& at = known(barrier);
  if (at.missing == 0) throw fault("more arrivals at a barrier than its phase has");
  --at.missing;
  at.expected_bytes += bytes;
}

void mbarrier_wait_parity(void const* barrier, unsigned parity) {
  if (is_lacking(instruction::mbarrier_wait)) return;
  phase_barrier const& at = known(barrier);
  if (at.at.opened % 2 == parity) wait_at(at.at);
}

void cp_async_bulk_tensor(void* to, tensor const& from, int column, int row, void const* barrier) {
  std::size_t const row_bytes = from.box_columns * sizeof(std::uint16_t);
  if (row_bytes != 64 && row_bytes != 128) throw fault("rows of a box are 64 or 128 bytes");
  if (shared_address(to) % (8 * row_bytes) != 0) throw fault("a box is aligned to eight of its rows");
  if (reinterpret_cast<std::uintptr_t>(from.base) % 16 != 0 || from.stride % 16 != 0)
    throw fault("a matrix that is copied in boxes is aligned to 16 bytes, and so are its rows");
  box_copy const copy{to, from, column, row};
  phase_barrier& expected = known(barrier);
  if (!expected.init_is_fenced) throw fault("a copy completes on a barrier without fence.mbarrier_init");
  std::vector<std::byte> const unknown(copy.bytes(), std::byte{poison});
  store_by_async_proxy(shared_address(to), unknown.data(), unknown.size());
  self().left_its_warp = true;
  expected.copies.push_back(copy);
}

void wgmma_fence() {
  if (is_lacking(instruction::wgmma_fence)) return;
  expect_whole_warp("wgmma.fence");
  self().products_fenced = true;
}

void multiply(group_product const& product) {
  expect_whole_warp("wgmma.mma_async");
  fibre& thread = self();
  if (!thread.products_fenced) throw fault("a product of a warpgroup without a fence before it");
  issued_product issued{product, {}, {}};
  if (product.a_words != nullptr) std::copy_n(product.a_words, 4, issued.a_words.begin());
  if (!is_in_flight(thread, product.out))
    issued.before.assign(product.out, product.out + product.columns / 2);
  std::memset(product.out, poison, product.columns / 2 * sizeof(float));
  thread.uncommitted_products.push_back(std::move(issued));
}

void wgmma_commit_group() {
  self().committed_products.push_back(std::exchange(self().uncommitted_products, {}));
}

// All of the warpgroup meet; the last one computes for all.
void wgmma_wait_group(unsigned pending) {
  std::size_t const index = world().current / warpgroup;
  meeting& at = world().warpgroups.at(index);
  self().products_fenced = false;
  if (!arrive(at, "the wait for a warpgroup's products", warpgroup)) return wait_at(at);
  auto const group = std::span(world().fibres).subspan(index * warpgroup, warpgroup);
  while (group.front().committed_products.size() > pending) carry_out_oldest(group);
  ++at.opened;
}

}  // namespace yonder::kernels::cuda::emulation
