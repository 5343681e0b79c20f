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

TEST_CASE("quick: residual, bias and layer norm are those of the formula") {
  host_bench<bf16> bench;
  expect_good(check_residual_norm(bench, 768, 5));
  expect_good(check_residual_norm(bench, 8, 3));
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

TEST_CASE("quick: the classifier's layers are those of the formula") {
  host_bench<bf16> bench;
  expect_good(check_classification(bench, first_activation::tanh, 96, 3, {4, 1, 2, 5, 3, 1, 1, 2, 6}));
}

TEST_CASE("quick: each way of pooling is that of its formula") {
  host_bench<f16> bench;
  for (auto const mode :
       {pooling_mode::first_token, pooling_mode::maximum, pooling_mode::mean, pooling_mode::mean_sqrt_length})
    expect_good(check_pooling(bench, mode, 264, {1, 13, 8}));
}

TEST_CASE("full: row kernels take every width and number of rows") {
  each_format([](auto format) {
    using T = decltype(format);
    for (std::size_t const width : {8, 24, 256, 264, 384, 520, 768, 1016, 1024}) {
      host_bench<T> bench(order::descending);
      expect_good(check_embedding(bench, width, {1, 30, 2}));
      for (std::uint32_t const rows : {1U, 4U, 31U}) {
        expect_good(check_residual_norm(bench, width, rows));
        for (auto const function : {activation::gelu, activation::gelu_tanh, activation::relu})
          expect_good(check_activation(bench, function, 4 * width, rows));
      }
    }
    host_bench<T> bench;
    expect_good(check_residual_norm(bench, 64, 1025));  // blocks of several warps
  });
}

TEST_CASE("full: attention takes every length, tile and order of threads") {
  each_format([](auto format) {
    using T = decltype(format);
    for (auto const threads : {order::ascending, order::descending, order::shuffled}) {
      for (std::uint32_t const warps : {1U, 2U, 4U}) {
        host_bench<T> bench(threads);
        expect_good(check_attention(bench, 64, 2, warps, {1, 15, 16, 17, 63, 64, 65, 130, 2}));
        expect_good(check_attention(bench, 32, 3, warps, {31, 33, 64, 200}));
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
  constexpr std::size_t tokens = 70;
  constexpr std::size_t width = 32;
  host_bench<bf16> bench;
  placed_batch<bf16> const batch(bench, {tokens}, shape_of(width), 16);
  auto const large = from_float<bf16>(1e18F);
  auto* const out = bench.put(poisoned<bf16>(tokens * width));
  bench.run().run(attention_arguments<bf16>{batch.view,
                                            bench.put(std::vector<bf16>(tokens * 3 * width, large)), out,
                                            batch.size.rows, 1, width, 1});
  for (float const value : widen(bench.get(out, tokens * width)))
    REQUIRE(value == doctest::Approx(1e18).epsilon(0.01));
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
  host_bench<bf16> bench;  // groups that blocks walk over
  expect_good(check_classification(bench, first_activation::relu, 64, 2, std::vector<std::size_t>(530, 1)));
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
    cuda::copy_async(mine.data(), source.data(), true);
    cuda::commit_copies();
    cuda::commit_copies();
    CHECK(std::isnan(mine[0]));
    cuda::wait_for_copies<1>();
    CHECK(mine == source);
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
