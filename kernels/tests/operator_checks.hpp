// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <random>
#include <string>
#include <type_traits>
#include <vector>

#include "cpu/reference.hpp"
#include "cuda/batch.hpp"
#include "cuda/number.hpp"
#include "cuda/operators.hpp"

// Each operator on random inputs against its formula in double precision, its output poisoned before. The
// same checks run the kernels on the host and on a GPU.
namespace yonder::kernels::cuda {

// The largest relative errors: of one rounding to the format, and of what precedes it.
template <class T>
inline constexpr double rounding = std::is_same_v<T, bf16> ? 0x1p-8 : 0x1p-11;

// ||out - expected|| / ||expected||, which a NaN spoils.
struct finding {
  std::string what;
  double error;
  double allowed;

  bool good() const { return error <= allowed; }
};

// Where an operator runs, and the memory that it sees.
template <class T>
class bench {
 public:
  bench() = default;
  bench(bench const&) = delete;
  bench& operator=(bench const&) = delete;
  virtual ~bench() = default;

  virtual operators<T>& run() = 0;
  template <class Element>
  Element* put(std::vector<Element> const& values) {
    return reinterpret_cast<Element*>(place(values.data(), values.size() * sizeof(Element)));
  }
  template <class Element>
  std::vector<Element> get(Element const* from, std::size_t count) {
    std::vector<Element> values(count);
    fetch(from, count * sizeof(Element), values.data());
    return values;
  }

  virtual void* place(void const* values, std::size_t bytes) = 0;
  // Waits for what runs.
  virtual void fetch(void const* from, std::size_t bytes, void* to) = 0;
};

inline std::mt19937& random_engine() {
  static std::mt19937 one(5);
  return one;
}

template <class Element>
std::vector<Element> random_values(std::size_t count, float scale = 1.0F) {
  std::normal_distribution<float> normal(0.0F, scale);
  std::vector<Element> values(count);
  for (auto& value : values) {
    if constexpr (std::is_same_v<Element, float>) {
      value = normal(random_engine());
    } else {
      value = from_float<Element>(normal(random_engine()));
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
  std::vector<T> values(count);
  std::memset(values.data(), 0xff, count * sizeof(T));
  return values;
}

inline double relative_error(std::vector<float> const& out, std::vector<double> const& expected) {
  if (out.size() != expected.size()) return std::numeric_limits<double>::infinity();
  double error = 0.0;
  double size = 0.0;
  for (std::size_t i = 0; i < out.size(); ++i) {
    error += (out[i] - expected[i]) * (out[i] - expected[i]);
    size += expected[i] * expected[i];
  }
  return size == 0.0 ? std::sqrt(error) : std::sqrt(error / size);
}

// A random batch: where the host and where the operators see it.
template <class T>
struct placed_batch {
  placed_batch(bench<T>& on, std::vector<std::size_t> const& lengths, encoder_config const& config,
               std::uint32_t queries_per_tile, std::size_t skipped = 0) {
    for (std::size_t const length : lengths) starts.push_back(starts.back() + length);
    ids.resize(starts.back());
    types.resize(starts.back());
    for (auto& id : ids) id = static_cast<std::int32_t>(random_engine()() % config.vocabulary);
    for (auto& type : types)
      type = static_cast<std::int32_t>(config.token_types == 0 ? 0 : random_engine()() % config.token_types);
    size = bucket_for(starts.back(), lengths.size());
    std::vector<std::byte> memory(packed_batch::bytes(size));
    arena here(memory.data());
    packed_batch::in(here, size).fill({ids, types, starts, skipped}, config, queries_per_tile);
    arena there(on.put(memory));
    view = packed_batch::in(there, size).view();
  }

  std::size_t tokens() const { return starts.back(); }

  std::vector<std::size_t> starts = {0};
  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> types;
  bucket size;
  device_batch view{};
};

inline encoder_config shape_of(std::size_t hidden) {
  encoder_config config;
  config.hidden = hidden;
  config.vocabulary = 50;
  config.positions = 512;
  config.token_types = 2;
  config.layer_norm_epsilon = 1e-5F;
  return config;
}

template <class T>
std::string name_of(char const* kernel, std::size_t size) {
  return std::string(kernel) + (std::is_same_v<T, bf16> ? " bf16 " : " fp16 ") + std::to_string(size);
}

template <class T>
finding check_embedding(bench<T>& on, std::size_t width, std::vector<std::size_t> const& lengths) {
  auto const config = shape_of(width);
  placed_batch<T> const batch(on, lengths, config, 16);
  constexpr float scale = 2e-3F;  // rows whose variance is about epsilon
  auto const words = random_values<T>(config.vocabulary * width, scale);
  auto const positions = random_values<T>(config.positions * width, scale);
  auto const types = random_values<T>(config.token_types * width, scale);
  auto const weight = random_values<float>(width);
  auto const bias = random_values<float>(width);
  auto* const out = on.put(poisoned<T>(batch.size.rows * width));
  on.run().run(embedding_arguments<T>{batch.view,
                                      on.put(words),
                                      on.put(positions),
                                      on.put(types),
                                      {on.put(weight), on.put(bias), config.layer_norm_epsilon},
                                      out,
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
  expected.resize(batch.size.rows * width, 0.0);
  return {name_of<T>("embedding", width), relative_error(widen(on.get(out, expected.size())), expected),
          rounding<T>};
}

template <class T>
finding check_norm(bench<T>& on, std::size_t width, std::uint32_t rows) {
  auto const before = random_values<T>(rows * width, 3.0F);
  auto const weight = random_values<float>(width);
  auto const shift = random_values<float>(width);
  auto* const out = on.put(poisoned<T>(rows * width));
  on.run().run(norm_arguments<T>{
      on.put(before), {on.put(weight), on.put(shift), 1e-12F}, out, rows, static_cast<std::uint32_t>(width)});
  auto const wide = widen(before);
  std::vector<double> expected;
  for (std::size_t i = 0; i < rows; ++i) {
    auto const normal =
        reference::layer_norm(wide.data() + i * width, width, weight.data(), shift.data(), 1e-12);
    expected.insert(expected.end(), normal.begin(), normal.end());
  }
  return {name_of<T>("norm", width), relative_error(widen(on.get(out, expected.size())), expected),
          rounding<T>};
}

template <class T>
finding check_activation(bench<T>& on, activation function, std::size_t width, std::uint32_t rows) {
  auto const before = random_values<T>(rows * width, 2.0F);
  auto const bias = random_values<T>(width);
  auto* const x = on.put(before);
  on.run().run(activation_arguments<T>{x, on.put(bias), function, rows, static_cast<std::uint32_t>(width)});
  std::vector<double> expected(before.size());
  for (std::size_t i = 0; i < before.size(); ++i) {
    double const value = static_cast<double>(to_float(before[i])) + to_float(bias[i % width]);
    expected[i] = function == activation::relu   ? std::max(value, 0.0)
                  : function == activation::gelu ? reference::gelu(value)
                                                 : reference::gelu_tanh(value);
  }
  return {name_of<T>("activation", width), relative_error(widen(on.get(x, before.size())), expected),
          rounding<T>};
}

template <class T>
finding check_gate(bench<T>& on, activation function, std::size_t width, std::uint32_t rows, bool biased) {
  auto const before = random_values<T>(rows * 2 * width, 2.0F);
  auto const bias = random_values<T>(2 * width);
  auto* const out = on.put(poisoned<T>(rows * width));
  on.run().run(gate_arguments<T>{on.put(before), biased ? on.put(bias) : nullptr, function, out, rows,
                                 static_cast<std::uint32_t>(width)});
  std::vector<double> expected;
  for (std::size_t row = 0; row < rows; ++row) {
    for (std::size_t i = 0; i < width; ++i) {
      auto const value = [&](std::size_t column) {
        return static_cast<double>(to_float(before[row * 2 * width + column])) +
               (biased ? to_float(bias[column]) : 0.0F);
      };
      expected.push_back(
          (function == activation::relu ? std::max(value(i), 0.0) : reference::gelu(value(i))) *
          value(width + i));
    }
  }
  return {name_of<T>("gate", width), relative_error(widen(on.get(out, expected.size())), expected),
          rounding<T>};
}

// Values and rows past the last token stay as they are.
template <class T>
finding check_rotary(bench<T>& on, std::size_t head_size, std::size_t heads,
                     std::vector<std::size_t> const& lengths) {
  constexpr float base = 500.0F;
  std::size_t const hidden = heads * head_size;
  auto const config = shape_of(hidden);
  placed_batch<T> const batch(on, lengths, config, 16);
  auto const before = random_values<T>(batch.size.rows * 3 * hidden);
  auto* const qkv = on.put(before);
  on.run().run(rotary_arguments<T>{batch.view, qkv, on.put(rotary_angles(base, config.positions, head_size)),
                                   batch.size.rows, static_cast<std::uint32_t>(heads),
                                   static_cast<std::uint32_t>(head_size)});
  auto const wide = widen(before);
  std::vector<double> expected(wide.begin(), wide.end());
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    for (std::size_t position = 0; position < lengths[i]; ++position) {
      std::size_t const row = (batch.starts[i] + position) * 3 * hidden;
      for (std::size_t part = 0; part < 2 * heads; ++part) {
        std::size_t const at = row + part * head_size;
        auto const turned = reference::rotate(wide.data() + at, head_size, position, base);
        std::copy(turned.begin(), turned.end(), expected.begin() + static_cast<std::ptrdiff_t>(at));
      }
    }
  }
  return {name_of<T>("rotation", head_size), relative_error(widen(on.get(qkv, expected.size())), expected),
          rounding<T>};
}

template <class T>
finding check_labels(bench<T>& on, std::size_t width, std::size_t labels,
                     std::vector<std::size_t> const& lengths, bool of_tokens) {
  placed_batch<T> const batch(on, lengths, shape_of(width), 16);
  std::size_t const rows = of_tokens ? batch.size.rows : batch.size.sequences;
  std::size_t const used = of_tokens ? batch.tokens() : lengths.size();
  auto const in = random_values<T>(rows * width);
  auto const weight = random_values<T>(labels * width, 0.1F);
  auto const bias = random_values<float>(labels);
  auto* const out = on.put(std::vector<float>(rows * labels, 42.0F));
  on.run().run(label_arguments<T>{batch.view, on.put(in), on.put(weight), on.put(bias), out,
                                  static_cast<std::uint32_t>(rows), static_cast<std::uint32_t>(width),
                                  static_cast<std::uint32_t>(labels), of_tokens});
  auto expected =
      reference::multiply(widen(in).data(), used, widen(weight).data(), labels, width, bias.data());
  expected.resize(rows * labels, 42.0);
  return {name_of<T>("labels", width), relative_error(on.get(out, expected.size()), expected), 1e-5};
}

// A window, and what distance adds where it is asked for.
struct attention_wishes {
  std::size_t window = attention_pattern::everything;
  bool distances = false;
};

// Rows past the last token are NaNs, and so are all but every `good`-th sequence: they must not be seen
// elsewhere.
template <class T>
finding check_attention(bench<T>& on, std::size_t head_size, std::size_t heads, std::uint32_t warps,
                        std::vector<std::size_t> const& lengths, std::size_t good = 1,
                        attention_wishes const& wishes = {}) {
  std::size_t const hidden = heads * head_size;
  placed_batch<T> const batch(on, lengths, shape_of(hidden), 16 * warps);
  std::size_t const row = 3 * hidden;
  auto qkv = random_values<T>(batch.tokens() * row, 1.5F);
  auto const wide = widen(qkv);
  qkv.resize(batch.size.rows * row);
  auto const spoil = [&](std::size_t begin, std::size_t end) {
    std::memset(qkv.data() + begin * row, 0xff, (end - begin) * row * sizeof(T));
  };
  spoil(batch.tokens(), batch.size.rows);
  for (std::size_t i = 0; i < lengths.size(); ++i)
    if (i % good != 0) spoil(batch.starts[i], batch.starts[i + 1]);
  auto* const out = on.put(poisoned<T>(batch.tokens() * hidden));
  std::size_t const reach = *std::max_element(lengths.begin(), lengths.end());
  auto const added = random_values<float>(heads * (2 * reach - 1), 8.0F);
  float const* const distances = wishes.distances ? on.put(added) : nullptr;
  auto const window = static_cast<std::uint32_t>(std::min<std::size_t>(wishes.window, unlimited_window));
  on.run().run(attention_arguments<T>{batch.view, on.put(qkv), out, batch.size.rows,
                                      static_cast<std::uint32_t>(heads),
                                      static_cast<std::uint32_t>(head_size), warps, window, distances,
                                      wishes.distances ? static_cast<std::uint32_t>(reach) : 0U});
  auto const all = widen(on.get(out, batch.tokens() * hidden));
  std::vector<float> found;
  std::vector<double> expected;
  for (std::size_t i = 0; i < lengths.size(); i += good) {
    auto const one = reference::attention(wide.data() + batch.starts[i] * row, lengths[i], heads, head_size,
                                          wishes.distances ? added.data() : nullptr, reach, wishes.window);
    expected.insert(expected.end(), one.begin(), one.end());
    auto const begin = all.begin() + static_cast<std::ptrdiff_t>(batch.starts[i] * hidden);
    found.insert(found.end(), begin, begin + static_cast<std::ptrdiff_t>(lengths[i] * hidden));
  }
  return {name_of<T>("attention", head_size) + " by " + std::to_string(warps) + " warps",
          relative_error(found, expected), 1.5 * rounding<T>};
}

template <class T>
finding check_classification(bench<T>& on, first_activation function, std::size_t width, std::size_t labels,
                             std::vector<std::size_t> const& lengths) {
  placed_batch<T> const batch(on, lengths, shape_of(width), 16);
  auto const hidden = random_values<T>(batch.tokens() * width);
  auto const first = random_values<T>(width * width, 0.1F);
  auto const first_bias = random_values<float>(width);
  auto const second = random_values<T>(labels * width, 0.1F);
  auto const second_bias = random_values<float>(labels);
  auto* const logits = on.put(poisoned<float>(lengths.size() * labels));
  std::vector<std::uint32_t> const zeros(divide_up(batch.size.sequences, 8));
  auto* const arrivals = on.put(zeros);
  on.run().run(classification_arguments<T>{
      batch.view, on.put(hidden), on.put(first), on.put(first_bias), on.put(second), on.put(second_bias),
      function, on.put(poisoned<float>(batch.size.sequences * width)), arrivals, logits,
      static_cast<std::uint32_t>(width), static_cast<std::uint32_t>(labels), batch.size.sequences});
  std::vector<double> expected;
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    auto const begin = hidden.begin() + static_cast<std::ptrdiff_t>(batch.starts[i] * width);
    auto const row = widen(std::vector<T>(begin, begin + static_cast<std::ptrdiff_t>(width)));
    auto middle = reference::multiply(row.data(), 1, widen(first).data(), width, width, first_bias.data());
    for (double& value : middle)
      value = function == first_activation::tanh ? std::tanh(value) : std::max(value, 0.0);
    std::vector<float> const narrow(middle.begin(), middle.end());
    auto const out =
        reference::multiply(narrow.data(), 1, widen(second).data(), labels, width, second_bias.data());
    expected.insert(expected.end(), out.begin(), out.end());
  }
  double const error = relative_error(on.get(logits, expected.size()), expected);
  bool const reset = on.get(arrivals, zeros.size()) == zeros;
  return {name_of<T>("classification", width), reset ? error : std::numeric_limits<double>::infinity(), 5e-5};
}

inline double pooled(pooling_mode mode, float const* column, std::size_t length, std::size_t width,
                     std::size_t skipped) {
  bool const none = skipped >= length;
  double largest = -std::numeric_limits<double>::infinity();
  double sum = 0.0;
  double weighted = 0.0;
  double weights = 0.0;
  for (std::size_t i = skipped; i < length; ++i) {
    auto const value = static_cast<double>(column[i * width]);
    auto const weight = static_cast<double>(i + 1);
    largest = std::max(largest, value);
    sum += value;
    weighted += weight * value;
    weights += weight;
  }
  if (mode == pooling_mode::first_token) return column[none ? 0 : skipped * width];
  if (mode == pooling_mode::maximum) return largest;
  if (none) return 0.0;
  auto const count = static_cast<double>(length - skipped);
  if (mode == pooling_mode::mean) return sum / count;
  if (mode == pooling_mode::last_token) return column[(length - 1) * width];
  return mode == pooling_mode::weighted_mean ? weighted / weights : sum / std::sqrt(count);
}

// Rows lie three floats apart, which must stay as they are.
template <class T>
finding check_pooling(bench<T>& on, pooling_mode mode, std::size_t width,
                      std::vector<std::size_t> const& lengths, std::size_t skipped = 0) {
  placed_batch<T> const batch(on, lengths, shape_of(width), 16, skipped);
  auto const hidden = random_values<T>(batch.tokens() * width);
  std::size_t const stride = width + 3;
  auto* const out = on.put(std::vector<float>(lengths.size() * stride, 42.0F));
  on.run().run(pooling_arguments<T>{batch.view, on.put(hidden), mode, out, static_cast<std::uint32_t>(stride),
                                    static_cast<std::uint32_t>(width), batch.size.sequences});
  auto const wide = widen(hidden);
  std::vector<double> expected(lengths.size() * stride, 42.0);
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    for (std::size_t k = 0; k < width; ++k)
      expected[i * stride + k] =
          pooled(mode, wide.data() + batch.starts[i] * width + k, lengths[i], width, skipped);
  }
  return {name_of<T>("pooling", width), relative_error(on.get(out, expected.size()), expected), 1e-6};
}

}  // namespace yonder::kernels::cuda
