// SPDX-License-Identifier: Apache-2.0
//
// The CUDA kernels on the host, unchanged, against the formulas.
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>
#include <vector>

#include "cpu/reference.hpp"
#include "cuda/batch.hpp"
#include "host_operators.hpp"
#include "model/data_type.hpp"

namespace {

using namespace yonder::kernels;
using namespace yonder::kernels::cuda;
using emulation::order;

template <class T>
constexpr double rounding = std::is_same_v<T, bf16> ? 0x1p-8 : 0x1p-11;

std::mt19937& engine() {
  static std::mt19937 one(5);
  return one;
}

template <class Element>
std::vector<Element> random_values(std::size_t count, float scale = 1.0F) {
  std::normal_distribution<float> normal(0.0F, scale);
  std::vector<Element> values(count);
  for (auto& value : values) {
    if constexpr (std::is_same_v<Element, float>) {
      value = normal(engine());
    } else {
      value = from_float<Element>(normal(engine()));
    }
  }
  return values;
}

template <class T>
std::vector<float> widen(std::vector<T> const& values) {
  std::vector<float> wide(values.size());
  std::transform(values.begin(), values.end(), wide.begin(), [](T value) { return to_float(value); });
  return wide;
}

// NaNs: what is not written shows.
template <class T>
std::vector<T> poisoned(std::size_t count) {
  return std::vector<T>(count, T{0xffff});
}

double relative_error(std::vector<float> const& out, std::vector<double> const& expected) {
  REQUIRE(out.size() == expected.size());
  double error = 0.0;
  double size = 0.0;
  for (std::size_t i = 0; i < out.size(); ++i) {
    error += (out[i] - expected[i]) * (out[i] - expected[i]);
    size += expected[i] * expected[i];
  }
  return std::sqrt(error / size);
}

// A batch of sequences in memory of the exact size, so that AddressSanitizer sees what lies past it.
struct host_batch {
  host_batch(std::vector<std::size_t> const& lengths, encoder_config const& config,
             std::uint32_t queries_per_tile) {
    for (std::size_t const length : lengths) starts.push_back(starts.back() + length);
    ids.resize(starts.back());
    types.resize(starts.back());
    for (auto& id : ids) id = static_cast<std::int32_t>(engine()() % config.vocabulary);
    for (auto& type : types)
      type = static_cast<std::int32_t>(config.token_types == 0 ? 0 : engine()() % config.token_types);
    size = bucket_for(starts.back(), lengths.size());
    memory.resize(packed_batch::bytes(size));
    arena place(memory.data());
    parts = packed_batch::in(place, size);
    parts.fill({ids, types, starts}, config, queries_per_tile);
  }

  std::vector<std::size_t> starts = {0};
  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> types;
  bucket size;
  std::vector<std::byte> memory;
  packed_batch parts{};
};

encoder_config shape_of(std::size_t hidden) {
  encoder_config config;
  config.hidden = hidden;
  config.vocabulary = 50;
  config.positions = 512;
  config.token_types = 2;
  config.layer_norm_epsilon = 1e-5F;
  return config;
}

template <class T>
void check_embedding(std::size_t width, std::vector<std::size_t> const& lengths) {
  CAPTURE(width);
  auto const config = shape_of(width);
  host_batch const batch(lengths, config, 16);
  auto const words = random_values<T>(config.vocabulary * width);
  auto const positions = random_values<T>(config.positions * width);
  auto const types = random_values<T>(config.token_types * width);
  auto const weight = random_values<float>(width);
  auto const bias = random_values<float>(width);
  auto out = poisoned<T>(batch.size.rows * width);
  host_operators<T>(order::shuffled)
      .run(embedding_arguments<T>{batch.parts.view(),
                                  words.data(),
                                  positions.data(),
                                  types.data(),
                                  {weight.data(), bias.data(), config.layer_norm_epsilon},
                                  out.data(),
                                  batch.size.rows,
                                  static_cast<std::uint32_t>(width)});
  std::vector<double> expected;
  for (std::size_t i = 0; i + 1 < batch.starts.size(); ++i) {
    for (std::size_t token = batch.starts[i]; token < batch.starts[i + 1]; ++token) {
      std::vector<float> row(width);
      auto const add = [&](std::vector<T> const& table, std::size_t at) {
        for (std::size_t k = 0; k < width; ++k) row[k] += to_float(table[at * width + k]);
      };
      add(words, static_cast<std::size_t>(batch.ids[token]));
      add(positions, token - batch.starts[i]);
      add(types, static_cast<std::size_t>(batch.types[token]));
      auto const normal =
          reference::layer_norm(row.data(), width, weight.data(), bias.data(), config.layer_norm_epsilon);
      expected.insert(expected.end(), normal.begin(), normal.end());
    }
  }
  auto const found = widen(out);
  auto const end = found.begin() + static_cast<std::ptrdiff_t>(expected.size());
  CHECK(relative_error({found.begin(), end}, expected) < rounding<T>);
  CHECK(std::all_of(end, found.end(), [](float value) { return value == 0.0F; }));
}

template <class T>
void check_residual_norm(std::size_t width, std::uint32_t rows) {
  CAPTURE(width);
  CAPTURE(rows);
  auto const projected = random_values<T>(rows * width);
  auto hidden = random_values<T>(rows * width, 3.0F);
  auto const before = widen(hidden);
  auto const bias = random_values<float>(width);
  auto const weight = random_values<float>(width);
  auto const shift = random_values<float>(width);
  host_operators<T>(order::descending)
      .run(residual_norm_arguments<T>{projected.data(),
                                      bias.data(),
                                      {weight.data(), shift.data(), 1e-12F},
                                      hidden.data(),
                                      rows,
                                      static_cast<std::uint32_t>(width)});
  std::vector<double> expected;
  for (std::size_t i = 0; i < rows; ++i) {
    std::vector<float> row(width);
    for (std::size_t k = 0; k < width; ++k)
      row[k] = before[i * width + k] + to_float(projected[i * width + k]) + bias[k];
    auto const normal = reference::layer_norm(row.data(), width, weight.data(), shift.data(), 1e-12);
    expected.insert(expected.end(), normal.begin(), normal.end());
  }
  CHECK(relative_error(widen(hidden), expected) < rounding<T>);
}

template <class T>
void check_activation(activation function, std::size_t width, std::uint32_t rows) {
  CAPTURE(width);
  auto x = random_values<T>(rows * width, 2.0F);
  auto const before = widen(x);
  auto const bias = random_values<float>(width);
  host_operators<T>().run(
      activation_arguments<T>{x.data(), bias.data(), function, rows, static_cast<std::uint32_t>(width)});
  std::vector<double> expected(before.size());
  for (std::size_t i = 0; i < before.size(); ++i) {
    double const value = static_cast<double>(before[i]) + bias[i % width];
    expected[i] = function == activation::relu   ? std::max(value, 0.0)
                  : function == activation::gelu ? reference::gelu(value)
                                                 : reference::gelu_tanh(value);
  }
  CHECK(relative_error(widen(x), expected) < rounding<T>);
}

template <class T>
void check_attention(std::size_t head_size, std::size_t heads, std::uint32_t warps,
                     std::vector<std::size_t> const& lengths, order threads) {
  CAPTURE(head_size);
  CAPTURE(warps);
  std::size_t const hidden = heads * head_size;
  host_batch const batch(lengths, shape_of(hidden), 16 * warps);
  std::size_t const tokens = batch.starts.back();
  auto const qkv = random_values<T>(tokens * 3 * hidden, 1.5F);
  auto out = poisoned<T>(tokens * hidden);
  host_operators<T>(threads).run(attention_arguments<T>{batch.parts.view(), qkv.data(), out.data(),
                                                        batch.size.rows, static_cast<std::uint32_t>(heads),
                                                        static_cast<std::uint32_t>(head_size), warps});
  std::vector<double> expected;
  auto const wide = widen(qkv);
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    auto const one =
        reference::attention(wide.data() + batch.starts[i] * 3 * hidden, lengths[i], heads, head_size);
    expected.insert(expected.end(), one.begin(), one.end());
  }
  CHECK(relative_error(widen(out), expected) < 1.5 * rounding<T>);
}

template <class T>
void check_classification(std::size_t width, std::size_t labels, std::vector<std::size_t> const& lengths) {
  CAPTURE(width);
  host_batch const batch(lengths, shape_of(width), 16);
  auto const hidden = random_values<T>(batch.size.rows * width);
  auto const first = random_values<T>(width * width, 0.1F);
  auto const first_bias = random_values<float>(width);
  auto const second = random_values<T>(labels * width, 0.1F);
  auto const second_bias = random_values<float>(labels);
  std::vector<float> scratch(batch.size.sequences * width, std::numeric_limits<float>::quiet_NaN());
  std::vector<std::uint32_t> arrivals(divide_up(batch.size.sequences, 8));
  for (auto const function : {first_activation::tanh, first_activation::relu}) {
    std::vector<float> logits(lengths.size() * labels, std::numeric_limits<float>::quiet_NaN());
    host_operators<T>(order::shuffled)
        .run(classification_arguments<T>{batch.parts.view(), hidden.data(), first.data(), first_bias.data(),
                                         second.data(), second_bias.data(), function, scratch.data(),
                                         arrivals.data(), logits.data(), static_cast<std::uint32_t>(width),
                                         static_cast<std::uint32_t>(labels), batch.size.sequences});
    std::vector<double> expected;
    for (std::size_t i = 0; i < lengths.size(); ++i) {
      auto const row =
          widen(std::vector<T>(hidden.begin() + static_cast<std::ptrdiff_t>(batch.starts[i] * width),
                               hidden.begin() + static_cast<std::ptrdiff_t>((batch.starts[i] + 1) * width)));
      auto middle = reference::multiply(row.data(), 1, widen(first).data(), width, width, first_bias.data());
      for (double& value : middle)
        value = function == first_activation::tanh ? std::tanh(value) : std::max(value, 0.0);
      std::vector<float> const narrow(middle.begin(), middle.end());
      auto const out =
          reference::multiply(narrow.data(), 1, widen(second).data(), labels, width, second_bias.data());
      expected.insert(expected.end(), out.begin(), out.end());
    }
    CHECK(relative_error(logits, expected) < 5e-5);
    CHECK(std::all_of(arrivals.begin(), arrivals.end(), [](std::uint32_t count) { return count == 0; }));
  }
}

double pooled(pooling_mode mode, float const* column, std::size_t length, std::size_t width) {
  double largest = column[0];
  double sum = 0.0;
  for (std::size_t i = 0; i < length; ++i) {
    largest = std::max(largest, static_cast<double>(column[i * width]));
    sum += column[i * width];
  }
  switch (mode) {
    case pooling_mode::first_token: return column[0];
    case pooling_mode::maximum: return largest;
    case pooling_mode::mean: return sum / static_cast<double>(length);
    case pooling_mode::mean_sqrt_length: break;
  }
  return sum / std::sqrt(static_cast<double>(length));
}

template <class T>
void check_pooling(std::size_t width, std::vector<std::size_t> const& lengths) {
  host_batch const batch(lengths, shape_of(width), 16);
  auto const hidden = random_values<T>(batch.starts.back() * width);
  for (auto const mode : {pooling_mode::first_token, pooling_mode::maximum, pooling_mode::mean,
                          pooling_mode::mean_sqrt_length}) {
    std::size_t const stride = width + 3;
    std::vector<float> out(lengths.size() * stride, 42.0F);
    host_operators<T>(order::descending)
        .run(pooling_arguments<T>{batch.parts.view(), hidden.data(), mode, out.data(),
                                  static_cast<std::uint32_t>(stride), static_cast<std::uint32_t>(width),
                                  batch.size.sequences});
    auto const wide = widen(hidden);
    for (std::size_t i = 0; i < lengths.size(); ++i) {
      for (std::size_t k = 0; k < width; ++k) {
        double const expected = pooled(mode, wide.data() + batch.starts[i] * width + k, lengths[i], width);
        REQUIRE(std::fabs(out[i * stride + k] - expected) < 1e-5);
      }
      for (std::size_t k = width; k < stride; ++k) REQUIRE(out[i * stride + k] == 42.0F);
    }
  }
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
  check_embedding<bf16>(384, {3, 1, 9});
  check_embedding<f16>(1024, {2, 5});
}

TEST_CASE("quick: residual, bias and layer norm are those of the formula") {
  check_residual_norm<bf16>(768, 5);
  check_residual_norm<f16>(8, 3);
}

TEST_CASE("quick: bias and activation are those of the formula") {
  check_activation<bf16>(activation::gelu, 1032, 5);
  check_activation<f16>(activation::gelu_tanh, 40, 3);
}

TEST_CASE("quick: attention over sequences of several lengths is that of each alone") {
  check_attention<bf16>(64, 1, 4, {1, 65, 16}, order::shuffled);
  check_attention<f16>(32, 2, 1, {17, 3}, order::descending);
}

TEST_CASE("quick: the classifier's layers are those of the formula") {
  check_classification<bf16>(96, 3, {4, 1, 2, 5, 3, 1, 1, 2, 6});
}

TEST_CASE("quick: each way of pooling is that of its formula") { check_pooling<f16>(264, {1, 13, 8}); }

TEST_CASE("full: row kernels take every width and number of rows") {
  for (std::size_t const width : {8, 24, 256, 264, 384, 520, 768, 1016, 1024}) {
    check_embedding<bf16>(width, {1, 30, 2});
    check_embedding<f16>(width, {17});
    for (std::uint32_t const rows : {1U, 4U, 31U}) {
      check_residual_norm<bf16>(width, rows);
      check_residual_norm<f16>(width, rows);
      for (auto const function : {activation::gelu, activation::gelu_tanh, activation::relu}) {
        check_activation<bf16>(function, width, rows);
        check_activation<f16>(function, 4 * width, rows);
      }
    }
  }
  check_residual_norm<bf16>(64, 1025);  // blocks of several warps
}

TEST_CASE("full: attention takes every length, tile and order of threads") {
  for (auto const threads : {order::ascending, order::descending, order::shuffled}) {
    for (std::uint32_t const warps : {1U, 2U, 4U}) {
      check_attention<bf16>(64, 2, warps, {1, 15, 16, 17, 63, 64, 65, 128, 130, 2}, threads);
      check_attention<f16>(64, 1, warps, {200, 1, 1}, threads);
      check_attention<bf16>(32, 1, warps, {257}, threads);
      check_attention<f16>(32, 3, warps, {31, 33, 64, 129}, threads);
    }
  }
}

TEST_CASE("full: more tiles than blocks are all done") {
  check_attention<bf16>(32, 1, 1, std::vector<std::size_t>(60, 2), order::ascending);
}

TEST_CASE("full: attention survives scores that would overflow") {
  encoder_config const config = shape_of(32);
  host_batch const batch({70}, config, 16);
  std::vector<bf16> qkv(70 * 96, from_float<bf16>(1e18F));
  auto out = poisoned<bf16>(70 * 32);
  host_operators<bf16>().run(
      attention_arguments<bf16>{batch.parts.view(), qkv.data(), out.data(), batch.size.rows, 1, 32, 1});
  for (float const value : widen(out)) REQUIRE(value == doctest::Approx(1e18).epsilon(0.01));
}

TEST_CASE("full: classifiers and pooling take every shape") {
  for (std::size_t const width : {32, 384, 1024}) {
    check_classification<bf16>(width, 1, {1});
    check_classification<f16>(width, 9, {4, 7, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 3});
    check_pooling<bf16>(width, {1, 2, 8, 9, 40});
    check_pooling<f16>(width, {5});
  }
  check_classification<bf16>(64, 2, std::vector<std::size_t>(530, 1));  // groups that blocks walk over
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
