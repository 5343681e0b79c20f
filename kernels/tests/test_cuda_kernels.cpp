// SPDX-License-Identifier: Apache-2.0
//
// The CUDA kernels on the host, unchanged, against the formulas.
#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <memory>
#include <vector>

#include "host_operators.hpp"
#include "model/data_type.hpp"
#include "operator_checks.hpp"

namespace {

using namespace yonder::kernels;
using namespace yonder::kernels::cuda;
using emulation::order;

// Each buffer is of the exact size, so that AddressSanitizer sees what lies past it.
template <class T>
class host_bench final : public bench<T> {
 public:
  explicit host_bench(order threads = order::shuffled) : operators_(threads) {}

  operators<T>& run() override { return operators_; }
  void* place(void const* values, std::size_t bytes) override {
    blocks_.push_back(std::make_unique<std::byte[]>(bytes));
    std::memcpy(blocks_.back().get(), values, bytes);
    return blocks_.back().get();
  }
  void fetch(void const* from, std::size_t bytes, void* to) override { std::memcpy(to, from, bytes); }

 private:
  host_operators<T> operators_;
  std::vector<std::unique_ptr<std::byte[]>> blocks_;
};

void expect_good(finding const& found) {
  CAPTURE(found.what);
  CHECK(found.error <= found.allowed);
}

// In both formats.
template <class Check>
void each_format(Check const& check) {
  check(bf16{});
  check(f16{});
}

}  // namespace

TEST_CASE("quick: every 16-bit value becomes its float and comes back") {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    auto const each = static_cast<std::uint16_t>(bits);
    float const half = to_float(f16{each});
    float const brain = to_float(bf16{each});
    REQUIRE((std::isnan(half) ? std::isnan(float_from_f16(each)) : half == float_from_f16(each)));
    if (!std::isnan(half)) REQUIRE(from_float<f16>(half).bits == each);
    if (!std::isnan(brain)) REQUIRE(from_float<bf16>(brain).bits == each);
  }
  CHECK(std::isnan(to_float(from_float<bf16>(std::nanf("")))));
  CHECK(std::isnan(to_float(from_float<f16>(std::nanf("")))));
}

TEST_CASE("quick: rounding is to the nearest, and to even between two") {
  CHECK(from_float<bf16>(1.0F + 0x1p-8F).bits == from_float<bf16>(1.0F).bits);
  CHECK(to_float(from_float<bf16>(1.0F + 0x3p-8F)) == 1.0F + 0x4p-8F);
  CHECK(from_float<f16>(1.0F + 0x1p-11F).bits == from_float<f16>(1.0F).bits);
  CHECK(to_float(from_float<f16>(0x1p-24F * 1.5F)) == 0x1p-23F);
  CHECK(to_float(from_float<f16>(0x1p-25F)) == 0.0F);
  CHECK(to_float(from_float<f16>(65519.0F)) == 65504.0F);
  CHECK(std::isinf(to_float(from_float<f16>(65520.0F))));
  CHECK(pack<bf16>(1.0F, 2.0F) == (0x40000000U | 0x3f80U));
}

TEST_CASE("quick: embeddings are summed and normalized, and rows past the last token are zeros") {
  host_bench<bf16> bench;
  expect_good(check_embedding(bench, 384, {3, 1, 9}));
  host_bench<f16> other;
  expect_good(check_embedding(other, 1024, {2, 5}));
}

TEST_CASE("quick: layer norm is that of the formula, in each width that has a kernel and in others") {
  host_bench<bf16> bench;
  expect_good(check_norm(bench, 768, 5));
  expect_good(check_norm(bench, 8, 3));
}

TEST_CASE("quick: bias and activation are those of the formula") {
  host_bench<bf16> bench;
  expect_good(check_activation(bench, activation::gelu, 1032, 5));
  host_bench<f16> other;
  expect_good(check_activation(other, activation::gelu_tanh, 40, 3));
}

TEST_CASE("quick: attention over sequences of several lengths is that of each alone") {
  host_bench<bf16> bench;
  expect_good(check_attention(bench, 64, 1, 4, {1, 145, 16}));
  host_bench<f16> other(order::descending);
  expect_good(check_attention(other, 32, 2, 1, {17, 3}));
}

TEST_CASE("quick: attention by warpgroups is that of each sequence alone, short or long") {
  host_bench<bf16> bench;
  expect_good(check_attention(bench, 64, 1, hopper_attention_warps, {300, 128, 1, 65}));
  host_bench<f16> other(order::descending);
  expect_good(check_attention(other, 32, 2, hopper_attention_warps, {129, 17}));
}

TEST_CASE("quick: a block of warpgroups goes from tile to tile, of any length") {
  host_bench<bf16> bench(order::ascending);
  std::vector<std::size_t> lengths = {200, 70};
  lengths.resize(20, 2);
  lengths.push_back(130);
  expect_good(check_attention(bench, 32, 1, hopper_attention_warps, lengths));
  lengths = {128, 64};  // full ones; of eight blocks the first has the longest, too
  lengths.resize(8, 2);
  lengths.push_back(200);
  expect_good(check_attention(bench, 32, 1, hopper_attention_warps, lengths));
  lengths = {256};  // ends with a stage
  lengths.resize(7, 2);
  lengths.push_back(200);
  expect_good(check_attention(bench, 32, 1, hopper_attention_warps, lengths));
}

TEST_CASE("quick: what is no number in one sequence stays there") {
  for (auto const threads : {order::ascending, order::descending}) {
    host_bench<bf16> bench(threads);
    for (std::uint32_t const warps : {1U, 4U, hopper_attention_warps}) {
      expect_good(check_attention(bench, 32, 1, warps, {5, 3, 65, 2, 140, 9, 1}, 2));
    }
  }
}

TEST_CASE("quick: the classifier's layers are those of the formula") {
  host_bench<bf16> bench;
  expect_good(check_classification(bench, first_activation::tanh, 96, 3, {4, 1, 2, 5, 3, 1, 1, 2, 6}));
}

TEST_CASE("quick: each way of pooling is that of its formula, with and without what is skipped") {
  host_bench<f16> bench;
  for (auto const mode :
       {pooling_mode::first_token, pooling_mode::maximum, pooling_mode::mean, pooling_mode::mean_sqrt_length,
        pooling_mode::weighted_mean, pooling_mode::last_token}) {
    CAPTURE(static_cast<int>(mode));
    expect_good(check_pooling(bench, mode, 264, {1, 13, 8}));
    expect_good(check_pooling(bench, mode, 264, {4, 13, 9}, 3));
    if (mode != pooling_mode::maximum)  // of which nothing is minus infinity
      expect_good(check_pooling(bench, mode, 264, {2, 13, 3}, 3));
  }
}

TEST_CASE("quick: a gate is that of the formula") {
  host_bench<bf16> bench;
  expect_good(check_gate(bench, activation::gelu, 1032, 5, true));
  host_bench<f16> other;
  expect_good(check_gate(other, activation::gelu, 40, 3, false));
  expect_good(check_gate(other, activation::relu, 40, 3, true));
}

TEST_CASE("quick: positions turn queries and keys, and nothing else") {
  host_bench<bf16> bench;
  expect_good(check_rotary(bench, 64, 3, {1, 40, 2}));
  host_bench<f16> other(order::descending);
  expect_good(check_rotary(other, 32, 2, {17}));
}

TEST_CASE("quick: labels of tokens and of sequences are those of the formula") {
  host_bench<bf16> bench;
  expect_good(check_labels(bench, 96, 9, {4, 1, 2}, true));
  host_bench<f16> other;
  expect_good(check_labels(other, 264, 1, {4, 1, 2}, false));
}

TEST_CASE("quick: attention within a window, and with what distance adds, is that of the formula") {
  for (auto const threads : {order::ascending, order::shuffled}) {
    host_bench<bf16> bench(threads);
    expect_good(check_attention(bench, 64, 1, 4, {1, 200, 16}, 1, {.window = 20}));
    expect_good(check_attention(bench, 32, 2, 1, {150, 3}, 1, {.window = 64}));
    expect_good(check_attention(bench, 32, 2, 1, {150, 3, 70}, 2, {.window = 1}));
    expect_good(check_attention(bench, 32, 2, 4, {97, 3, 33}, 1, {.distances = true}));
    expect_good(check_attention(bench, 64, 2, 1, {5, 90, 77}, 2, {.window = 30, .distances = true}));
  }
}

TEST_CASE("full: row kernels take every width and number of rows") {
  each_format([](auto format) {
    using T = decltype(format);
    for (std::size_t const width : {8, 24, 256, 264, 384, 520, 768, 1016, 1024}) {
      host_bench<T> bench(order::descending);
      expect_good(check_embedding(bench, width, {1, 30, 2}));
      for (std::uint32_t const rows : {1U, 4U, 31U}) {
        expect_good(check_norm(bench, width, rows));
        for (auto const function : {activation::gelu, activation::gelu_tanh, activation::relu})
          expect_good(check_activation(bench, function, 4 * width, rows));
      }
    }
    host_bench<T> bench;
    expect_good(check_norm(bench, 64, 1025));  // blocks of several warps
  });
}

TEST_CASE("full: attention takes every length, tile and order of threads") {
  each_format([](auto format) {
    using T = decltype(format);
    for (auto const threads : {order::ascending, order::descending, order::shuffled}) {
      for (std::uint32_t const warps : {1U, 2U, 4U, hopper_attention_warps}) {
        host_bench<T> bench(threads);
        expect_good(
            check_attention(bench, 64, 1, warps, {1, 15, 16, 17, 63, 64, 65, 127, 128, 129, 256, 257, 2}));
        expect_good(check_attention(bench, 32, 2, warps, {31, 33, 64, 200, 384, 385}));
      }
    }
  });
}

TEST_CASE("full: windows and distances take every length, tile and order of threads") {
  each_format([](auto format) {
    using T = decltype(format);
    for (auto const threads : {order::ascending, order::descending, order::shuffled}) {
      for (std::uint32_t const warps : {1U, 2U, 4U}) {
        for (std::size_t const window : {0, 1, 63, 64, 65, 128}) {
          host_bench<T> bench(threads);
          expect_good(check_attention(bench, 32, 1, warps, {1, 16, 63, 65, 129, 257, 2}, 1,
                                      {.window = window, .distances = window % 2 == 0}));
        }
      }
    }
  });
}

TEST_CASE("full: more tiles than blocks are all done") {
  host_bench<bf16> bench;
  expect_good(check_attention(bench, 32, 1, 1, std::vector<std::size_t>(60, 2)));
  expect_good(check_attention(bench, 32, 1, 4, std::vector<std::size_t>(60, 17)));
}

TEST_CASE("full: attention survives scores that would overflow") {
  constexpr std::size_t width = 32;
  auto const large = from_float<bf16>(1e18F);
  for (std::size_t const tokens : {70, 150}) {
    for (std::uint32_t const warps : {1U, hopper_attention_warps}) {
      host_bench<bf16> bench;
      placed_batch<bf16> const batch(bench, {tokens}, shape_of(width), 16 * warps);
      auto* const out = bench.put(poisoned<bf16>(tokens * width));
      auto* const qkv = bench.put(std::vector<bf16>(std::size_t{3} * batch.size.rows * width, large));
      bench.run().run(attention_arguments<bf16>{batch.view, qkv, out, batch.size.rows, 1, width, warps});
      for (float const value : widen(bench.get(out, tokens * width)))
        REQUIRE(value == doctest::Approx(1e18).epsilon(0.01));
    }
  }
}

TEST_CASE("full: classifiers and pooling take every shape") {
  each_format([](auto format) {
    using T = decltype(format);
    for (std::size_t const width : {32, 384, 1024}) {
      host_bench<T> bench;
      for (auto const function : {first_activation::tanh, first_activation::relu})
        expect_good(check_classification(bench, function, width, 9, {4, 7, 1, 1, 1, 1, 1, 1, 1, 1, 1, 3}));
      expect_good(check_pooling(bench, pooling_mode::mean, width, {1, 2, 8, 9, 40}));
    }
  });
  for (auto const threads : {order::ascending, order::descending}) {
    host_bench<bf16> bench(threads);  // groups that blocks walk over
    expect_good(check_classification(bench, first_activation::relu, 64, 2, std::vector<std::size_t>(530, 1)));
  }
}

namespace {

// Whether a fault or a wrong result shows that the kernels lack it, in some order of threads.
template <class Check>
bool shows(emulation::instruction lacking, int index, Check const& check) {
  emulation::mutant const without(lacking, index);
  bool shown = false;
  for (auto const threads : {order::ascending, order::descending}) {
    host_bench<bf16> bench(threads);
    try {
      shown = !check(bench).good() || shown;
    } catch (emulation::fault const&) {
      shown = true;
    }
  }
  return shown;
}

}  // namespace

TEST_CASE("quick: no kernel goes without its wait for the grid before it") {
  auto const lacks_wait = [](auto const& check) {
    return shows(emulation::instruction::griddepcontrol_wait, -1, check);
  };
  CHECK(lacks_wait([](auto& on) { return check_embedding(on, 384, {3, 1}); }));
  CHECK(lacks_wait([](auto& on) { return check_norm(on, 264, 3); }));
  CHECK(lacks_wait([](auto& on) { return check_activation(on, activation::gelu, 40, 3); }));
  CHECK(lacks_wait([](auto& on) { return check_gate(on, activation::gelu, 40, 3, true); }));
  CHECK(lacks_wait([](auto& on) { return check_rotary(on, 32, 1, {5, 2}); }));
  CHECK(lacks_wait([](auto& on) { return check_labels(on, 32, 2, {4, 1}, true); }));
  CHECK(lacks_wait([](auto& on) { return check_attention(on, 32, 1, 1, {5}); }));
  CHECK(lacks_wait([](auto& on) { return check_attention(on, 32, 1, 1, {5}, 1, {.window = 2}); }));
  CHECK(lacks_wait([](auto& on) { return check_attention(on, 32, 1, hopper_attention_warps, {66}); }));
  CHECK(lacks_wait([](auto& on) { return check_classification(on, first_activation::tanh, 32, 2, {4, 1}); }));
  CHECK(lacks_wait([](auto& on) { return check_pooling(on, pooling_mode::mean, 32, {4, 1}); }));
}

TEST_CASE(
    "quick: attention by warpgroups goes without no barrier, fence or wait, nor with another descriptor") {
  using emulation::instruction;
  auto const lacks = [](instruction which, int index = -1) {
    CAPTURE(static_cast<int>(which));
    CAPTURE(index);
    CHECK(shows(which, index, [](auto& on) {  // two long tiles for a block; every other sequence is NaNs
      return check_attention(on, 32, 1, hopper_attention_warps, {300, 1, 2, 1, 2, 1, 130}, 2);
    }));
  };
  for (auto const each :
       {instruction::sync_warp, instruction::fence_proxy_async, instruction::mbarrier_wait,
        instruction::fence_mbarrier_init, instruction::wgmma_fence, instruction::descriptor_stride})
    lacks(each);
  // Of the first block's first tile: after the barriers are there; when a stage was used; when values past
  // the end are cleared; when shared memory is free again.
  for (int const barrier : {0, 1, 2, 3}) lacks(instruction::sync_block, barrier);
}

TEST_CASE("quick: attention by warps goes without no barrier and no wait for its copies") {
  using emulation::instruction;
  std::vector<std::size_t> const lengths = {150, 2, 2, 2, 2, 2, 64};  // two long tiles for a block
  auto const check = [&](auto& on) { return check_attention(on, 32, 1, 4, lengths); };
  CHECK(shows(instruction::cp_async_wait_group, -1, check));
  // Of the first tile: when keys are there, and used; the next keys; the last; when shared memory is free
  // again.
  for (int const barrier : {0, 1, 2, 4, 6}) {
    CAPTURE(barrier);
    CHECK(shows(instruction::sync_block, barrier, check));
  }
}

TEST_CASE("quick: classifier and pooling go without no barrier that the block itself needs") {
  using emulation::instruction;
  // When rows are there; when it is known which block came last. What is before the count, another block
  // needs.
  for (int const barrier : {0, 2}) {
    CAPTURE(barrier);
    CHECK(shows(instruction::sync_block, barrier, [](auto& on) {
      return check_classification(on, first_activation::tanh, 32, 2, {4, 1});
    }));
  }
  // When the warps' sums are there.
  CHECK(shows(instruction::sync_block, 0, [](auto& on) {
    return check_pooling(on, pooling_mode::mean, 32, {40, 1});
  }));
}

TEST_CASE("quick: the emulation reports divergence, deadlock and memory that nothing wrote") {
  using namespace emulation;
  shape const one_warp = {1, 1, 32};
  CHECK_THROWS_WITH_AS(launch({1, 1, 64}, order::ascending,
                              [] {
                                if (cuda::thread_index() < 32) cuda::sync_block();
                              }),
                       doctest::Contains("0 at the block's barrier"), fault);
  CHECK_THROWS_WITH_AS(launch(one_warp, order::ascending,
                              [] {
                                if (cuda::thread_index() < 7) {
                                  cuda::sync_warp();
                                } else {
                                  cuda::shuffle_xor(0.0F, 1);
                                }
                              }),
                       doctest::Contains("threads diverge"), fault);
  CHECK_THROWS_AS(launch({1, 1, 33}, order::ascending, [] {}), fault);

  alignas(16) std::array<float, 4> const source = {1, 2, 3, 4};
  launch(one_warp, order::ascending, [&] {
    struct alignas(16) layout {
      std::array<float, 4> row[32];
    };
    auto& mine = cuda::shared_memory<layout>().row[cuda::thread_index()];
    CHECK(std::isnan(mine[0]));
    cuda::cp_async(mine.data(), source.data(), true);
    cuda::cp_async_commit_group();
    cuda::cp_async_commit_group();
    CHECK(std::isnan(mine[0]));
    cuda::cp_async_wait_group<1>();
    CHECK(mine == source);
  });
}

TEST_CASE(
    "quick: a descriptor says where a matrix begins, how far its groups of rows are apart, and how it is "
    "swizzled") {
  // The PTX ISA: bits 0-13 address, 16-29 and 32-45 strides, all in units of 16 bytes; 62-63: 1 for 128, 2
  // for 64 bytes.
  CHECK(wgmma_descriptor<128>(0x400) == (1ULL << 62 | 64ULL << 32 | 1ULL << 16 | 0x40));
  CHECK(wgmma_descriptor<64>(0x38000) == (2ULL << 62 | 32ULL << 32 | 1ULL << 16 | 0x3800));
}

namespace {

struct alignas(1024) boxes {
  std::array<std::uint16_t, 64> rows[8];
  mbarrier arrived;
};

}  // namespace

TEST_CASE(
    "quick: a box comes swizzled, with zeros for what lies outside, and no earlier than its barrier's "
    "phase") {
  alignas(16) std::array<std::uint16_t, std::size_t{7} * 64> source;
  for (std::size_t i = 0; i < source.size(); ++i) source[i] = static_cast<std::uint16_t>(i);
  emulation::tensor const matrix{source.data(), 7, 64, 128, 8, 64};
  emulation::launch({1, 1, 32}, order::ascending, [&] {
    auto& memory = shared_memory<boxes>();
    if (thread_index() == 0) {
      mbarrier_init(memory.arrived);
      fence_mbarrier_init();
      mbarrier_arrive_expect_tx(memory.arrived, sizeof memory.rows);
      cp_async_bulk_tensor(memory.rows, matrix, 0, 2, memory.arrived);
      CHECK(memory.rows[0][0] == 0xffff);
    }
    sync_block();
    mbarrier_wait_parity(memory.arrived, 0);
    for (std::size_t row = 0; row < 8; ++row) {
      for (std::size_t column = 0; column < 64; ++column) {
        auto const expected = row < 5 ? (row + 2) * 64 + column : 0;
        CHECK(memory.rows[row][(column / 8 ^ row) * 8 + column % 8] == expected);
      }
    }
  });
}

TEST_CASE("quick: the emulation reports what Hopper would not forgive") {
  using emulation::fault;
  using emulation::launch;
  alignas(16) std::array<std::uint16_t, std::size_t{8} * 64> source{};
  emulation::tensor const matrix{source.data(), 8, 64, 128, 8, 64};
  emulation::shape const group = {1, 1, 128};
  auto const faults = [&](char const* text, auto const& kernel) {
    CHECK_THROWS_WITH_AS(launch(group, order::ascending, kernel), doctest::Contains(text), fault);
  };
  faults("without a fence", [] {
    fragment_c out[8] = {};
    wgmma_shared<bf16, 64>(out, 0, 0, false);
  });
  faults("issue different products", [] {
    auto& memory = shared_memory<boxes>();
    fragment_c out[8] = {};
    wgmma_fence();
    wgmma_shared<bf16, 64>(out, wgmma_descriptor<128>(shared_address(&memory)),
                           wgmma_descriptor<128>(1024 + 16 * warp_index()), false);
    wgmma_commit_group();
    wgmma_wait_group();
  });
  faults("nobody initialized", [] { mbarrier_wait_parity(shared_memory<boxes>().arrived, 0); });
  faults("at a barrier's phase", [&] {
    auto& memory = shared_memory<boxes>();
    if (thread_index() == 0) {
      mbarrier_init(memory.arrived);
      fence_mbarrier_init();
      mbarrier_arrive_expect_tx(memory.arrived, 2 * sizeof memory.rows);
      cp_async_bulk_tensor(memory.rows, matrix, 0, 0, memory.arrived);
    }
    sync_block();
    mbarrier_wait_parity(memory.arrived, 0);
  });
  faults("aligned to eight", [&] {
    auto& memory = shared_memory<boxes>();
    mbarrier_init(memory.arrived);
    cp_async_bulk_tensor(&memory.rows[1], matrix, 0, 0, memory.arrived);
  });
}

TEST_CASE("quick: each order of threads is a different one") {
  std::vector<std::vector<unsigned>> seen;
  for (auto const threads : {order::ascending, order::descending, order::shuffled}) {
    seen.emplace_back();
    emulation::launch({1, 1, 64}, threads, [&] { seen.back().push_back(cuda::thread_index()); });
    CHECK(seen.back().size() == 64);
  }
  CHECK(seen[0].front() == 0);
  CHECK(seen[1].front() == 63);
  CHECK(seen[2] != seen[0]);
}
