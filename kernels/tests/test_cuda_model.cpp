// SPDX-License-Identifier: Apache-2.0
//
// The CUDA encoder without a GPU: batches, buckets, errors; whole models through the kernels on the host.
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <iterator>
#include <limits>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "cpu/reference.hpp"
#include "cuda/accelerator.hpp"
#include "cuda/algorithm_store.hpp"
#include "cuda/doctor.hpp"
#include "cuda/errors.hpp"
#include "cuda/support.hpp"
#include "host_model.hpp"
#include "random_weights.hpp"

namespace {

using namespace yonder;
using namespace yonder::kernels;
using namespace yonder::kernels::cuda;

// What the two families of names call the parts of a layer.
struct names {
  explicit names(model_family family) {
    bool const distilbert = family == model_family::distilbert;
    encoder = distilbert ? "distilbert." : family == model_family::roberta ? "roberta." : "bert.";
    layer = encoder + (distilbert ? "transformer.layer." : "encoder.layer.");
    if (distilbert) {
      parts = {"attention.q_lin", "attention.k_lin", "attention.v_lin", "attention.out_lin",
               "sa_layer_norm",   "ffn.lin1",        "ffn.lin2",        "output_layer_norm"};
    } else {
      parts = {"attention.self.query",
               "attention.self.key",
               "attention.self.value",
               "attention.output.dense",
               "attention.output.LayerNorm",
               "intermediate.dense",
               "output.dense",
               "output.LayerNorm"};
    }
    first = distilbert                        ? "pre_classifier"
            : family == model_family::roberta ? "classifier.dense"
                                              : "bert.pooler.dense";
    second = family == model_family::roberta ? "classifier.out_proj" : "classifier";
  }

  std::string encoder;
  std::string layer;
  std::vector<std::string> parts;
  std::string first;
  std::string second;
};

// A model with random weights: its folder, deleted at the end, and what it computes by the formulas.
class random_model {
 public:
  static constexpr std::size_t labels = 3;

  // The value of one weight of the last tensor can be given.
  explicit random_model(encoder_config const& config, std::optional<float> last = std::nullopt)
      : config_(config), names_(config.family) {
    auto& to = weights_;
    std::size_t const hidden = config.hidden;
    std::string const embeddings = names_.encoder + "embeddings.";
    to.add(embeddings + "word_embeddings.weight", {config.vocabulary, hidden});
    to.add(embeddings + "position_embeddings.weight", {config.positions, hidden});
    if (config.token_types != 0)
      to.add(embeddings + "token_type_embeddings.weight", {config.token_types, hidden});
    to.add_norm(embeddings + "LayerNorm", hidden);
    for (std::size_t i = 0; i < config.layers; ++i) {
      for (std::size_t part = 0; part < 4; ++part) to.add_linear(layer(i, part), hidden, hidden);
      to.add_norm(layer(i, 4), hidden);
      to.add_linear(layer(i, 5), config.intermediate, hidden);
      to.add_linear(layer(i, 6), hidden, config.intermediate);
      to.add_norm(layer(i, 7), hidden);
    }
    to.add_linear(names_.first, hidden, hidden);
    to.add_linear(names_.second, labels, hidden);
    if (last) to.set_last(*last);
    to.write();
  }

  std::filesystem::path const& folder() const { return weights_.folder(); }

  // [tokens][hidden] of one text.
  std::vector<float> hidden_states(texts const& batch, std::size_t text) const {
    auto x = embed(batch, text);
    std::size_t const length = batch.starts[text + 1] - batch.starts[text];
    for (std::size_t i = 0; i < config_.layers; ++i) {
      auto const q = linear(layer(i, 0), x);
      auto const k = linear(layer(i, 1), x);
      auto const v = linear(layer(i, 2), x);
      std::vector<float> qkv;
      for (std::size_t token = 0; token < length; ++token) {
        for (auto const* const each : {&q, &k, &v}) {
          auto const row = each->begin() + static_cast<std::ptrdiff_t>(token * config_.hidden);
          qkv.insert(qkv.end(), row, row + static_cast<std::ptrdiff_t>(config_.hidden));
        }
      }
      auto const context =
          reference::attention(qkv.data(), length, config_.heads, config_.hidden / config_.heads);
      x = norm(layer(i, 4), x, linear(layer(i, 3), {context.begin(), context.end()}));
      auto wide = linear(layer(i, 5), x);
      for (float& value : wide) value = static_cast<float>(reference::gelu(value));
      x = norm(layer(i, 7), x, linear(layer(i, 6), wide));
    }
    return x;
  }

  std::vector<float> logits(texts const& batch) const {
    std::vector<float> all;
    for (std::size_t text = 0; text + 1 < batch.starts.size(); ++text) {
      auto x = hidden_states(batch, text);
      x.resize(config_.hidden);
      x = linear(names_.first, x);
      for (float& value : x)
        value = config_.family == model_family::distilbert ? std::max(value, 0.0F) : std::tanh(value);
      x = linear(names_.second, x);
      all.insert(all.end(), x.begin(), x.end());
    }
    return all;
  }

 private:
  std::string layer(std::size_t index, std::size_t part) const {
    return names_.layer + std::to_string(index) + "." + names_.parts[part];
  }

  std::vector<float> linear(std::string const& name, std::vector<float> const& rows) const {
    auto const& weight = weights_.tensor(name + ".weight");
    auto const& bias = weights_.tensor(name + ".bias");
    std::size_t const depth = weight.size() / bias.size();
    auto const out =
        reference::multiply(rows.data(), rows.size() / depth, weight.data(), bias.size(), depth, bias.data());
    return {out.begin(), out.end()};
  }
  std::vector<float> norm(std::string const& name, std::vector<float> x,
                          std::vector<float> const& more) const {
    for (std::size_t i = 0; i < more.size(); ++i) x[i] += more[i];
    std::vector<float> out;
    for (std::size_t at = 0; at < x.size(); at += config_.hidden) {
      auto const row =
          reference::layer_norm(x.data() + at, config_.hidden, weights_.tensor(name + ".weight").data(),
                                weights_.tensor(name + ".bias").data(), config_.layer_norm_epsilon);
      out.insert(out.end(), row.begin(), row.end());
    }
    return out;
  }
  std::vector<float> embed(texts const& batch, std::size_t text) const {
    std::string const embeddings = names_.encoder + "embeddings.";
    std::vector<float> x;
    position_counter position(config_);
    for (std::size_t token = batch.starts[text]; token < batch.starts[text + 1]; ++token) {
      std::size_t const place = position(batch.ids[token]);
      for (std::size_t k = 0; k < config_.hidden; ++k) {
        auto const at = [&](char const* table, std::size_t row) {
          return weights_.tensor(embeddings + table + ".weight")[row * config_.hidden + k];
        };
        x.push_back(at("word_embeddings", static_cast<std::size_t>(batch.ids[token])) +
                    at("position_embeddings", place) +
                    (config_.token_types == 0
                         ? 0.0F
                         : at("token_type_embeddings", static_cast<std::size_t>(batch.types[token]))));
      }
    }
    return norm(embeddings + "LayerNorm", x, {});
  }

  encoder_config config_;
  names names_;
  test::random_weights weights_;
};

encoder_config small_shape(model_family family) {
  encoder_config config;
  config.family = family;
  config.hidden = 64;
  config.layers = 2;
  config.heads = 2;
  config.intermediate = 200;
  config.vocabulary = 90;
  config.positions = 80;
  config.token_types = family == model_family::distilbert ? 0 : 2;
  if (family == model_family::roberta) config.padding_id = 1;
  if (family == model_family::distilbert) config.head.first_activation = activation::relu;
  return config;
}

template <class T>
void check_classifier(model_family family, std::vector<std::size_t> const& lengths, double bound,
                      attention_unit unit = attention_unit::warp) {
  auto const config = small_shape(family);
  random_model const model(config);
  weight_files const files(model.folder());
  auto const batch = random_batch(config, lengths);
  auto const expected = model.logits(batch);
  auto const found = run_on_host<T>(files, config, batch, {random_model::labels, {}}, unit);
  double const error = relative_error(found, expected);
  MESSAGE("error " << error);
  CHECK(error < bound);
}

}  // namespace

TEST_CASE("quick: a classifier in bf16 is that of its formulas, whatever stands beside a text") {
  check_classifier<bf16>(model_family::bert, {5, 1, 33}, 2e-2);
}

TEST_CASE("quick: the same with attention by warpgroups") {
  check_classifier<bf16>(model_family::distilbert, {66, 2}, 2e-2, attention_unit::warpgroup);
}

TEST_CASE("full: every family and format agrees with its formulas") {
  std::vector<std::size_t> const lengths = {5, 1, 33, 70, 16, 2};
  for (auto const family : {model_family::bert, model_family::distilbert, model_family::roberta}) {
    CAPTURE(static_cast<int>(family));
    check_classifier<f16>(family, lengths, 3e-3);
    check_classifier<bf16>(family, lengths, 2e-2);
    check_classifier<f16>(family, lengths, 3e-3, attention_unit::warpgroup);
    check_classifier<f16>(family, {1}, 3e-3);
  }
}

TEST_CASE("full: pooled vectors agree with the formulas, one kind after the other") {
  auto const config = small_shape(model_family::bert);
  random_model const model(config);
  weight_files const files(model.folder());
  auto const batch = random_batch(config, {3, 66, 12});
  std::vector<pooling_mode> const pooling = {pooling_mode::first_token, pooling_mode::mean};
  std::vector<float> expected;
  for (std::size_t i = 0; i + 1 < batch.starts.size(); ++i) {
    auto const states = model.hidden_states(batch, i);
    std::size_t const tokens = states.size() / config.hidden;
    expected.insert(expected.end(), states.begin(),
                    states.begin() + static_cast<std::ptrdiff_t>(config.hidden));
    for (std::size_t k = 0; k < config.hidden; ++k) {
      float sum = 0.0F;
      for (std::size_t at = k; at < states.size(); at += config.hidden) sum += states[at];
      expected.push_back(sum / static_cast<float>(tokens));
    }
  }
  CHECK(relative_error(run_on_host<f16>(files, config, batch, {std::nullopt, pooling}), expected) < 3e-3);
}

TEST_CASE("quick: a model that the kernels cannot run is refused by name of its shape") {
  random_model const model(small_shape(model_family::bert));
  weight_files const files(model.folder());
  auto config = small_shape(model_family::bert);
  config.heads = 8;
  CHECK_THROWS_WITH_AS(load_parts<bf16>(files, config, {}), doctest::Contains("8 heads of 8"),
                       ml::unsupported_model);
  config = small_shape(model_family::bert);
  config.vocabulary = 91;
  CHECK_THROWS_AS(load_parts<bf16>(files, config, {}), ml::inconsistent_model);
}

TEST_CASE("quick: a weight that is no finite number in its format is refused by name") {
  auto const config = small_shape(model_family::bert);
  for (float const last : {std::nanf(""), std::numeric_limits<float>::infinity()}) {
    random_model const model(config, last);
    CHECK_THROWS_WITH_AS(load_parts<bf16>(weight_files(model.folder()), config, {random_model::labels, {}}),
                         doctest::Contains("a value of classifier.bias"), ml::inconsistent_model);
  }
}

TEST_CASE("quick: a batch runs in the smallest bucket that holds its tokens and its sequences") {
  CHECK(bucket_for(1, 1).rows == 16);
  CHECK(bucket_for(16, 4).rows == 16);
  CHECK(bucket_for(17, 1).rows == 32);
  CHECK(bucket_for(128, 1).rows == 128);
  CHECK(bucket_for(769, 1).rows == 1056);
  CHECK(bucket_for(4096, 32).rows == 4224);
  CHECK(bucket_for(65536, 512).rows == 66528);
  CHECK(bucket_for(most_tokens, 1).rows == most_tokens);
  CHECK(bucket_for(20, 20).rows == 96);
  for (std::size_t tokens = 1; tokens <= most_tokens; tokens += 37) {
    auto const size = bucket_for(tokens, (tokens + 3) / 4);
    REQUIRE(size.rows >= tokens);
    REQUIRE(size.sequences >= (tokens + 3) / 4);
  }
}

TEST_CASE("quick: the buckets that are warmed up are those in which usual batches run") {
  auto const rows = buckets_up_to(16'896);
  REQUIRE(rows.size() == 26);
  CHECK(rows.front() == 16);
  CHECK(rows.back() == 16'896);
  for (std::size_t const each : rows) CHECK(bucket_for(each, 1).rows == each);
  CHECK(buckets_up_to(15).empty());
}

TEST_CASE("quick: attention is by warpgroups where there are some and a batch has queries for one") {
  CHECK(attention_warps({64, 16}, 12, attention_unit::warpgroup) == hopper_attention_warps);
  CHECK(attention_warps({32, 8}, 12, attention_unit::warpgroup) == 1);
  CHECK(attention_warps({128, 32}, 12, attention_unit::warp) == 1);
  CHECK(attention_warps({1056, 264}, 12, attention_unit::warp) == 4);
}

TEST_CASE("quick: a packed batch names each token's place and each tile of queries") {
  auto config = small_shape(model_family::roberta);
  std::vector<std::int32_t> const ids = {9, 9, 7, 1, 8, 5};
  std::vector<std::int32_t> const types = {0, 0, 1, 0, 1, 0};
  std::vector<std::size_t> const starts = {0, 2, 6};
  batch_source const second = batch_source{ids, types, starts}.part(1, 2);
  bucket const size = bucket_for(second.tokens(), second.sequences());
  std::vector<std::byte> memory(packed_batch::bytes(size));
  arena place(memory.data());
  auto const packed = packed_batch::in(place, size);
  packed.fill(second, config, 3);
  CHECK(packed.counts->tokens == 4);
  CHECK(packed.counts->sequences == 1);
  REQUIRE(packed.counts->tiles == 2);
  CHECK(packed.tiles[1].query == 3);
  CHECK(packed.tiles[1].length == 4);
  CHECK(std::vector<std::int32_t>(packed.ids, packed.ids + 4) == std::vector<std::int32_t>{7, 1, 8, 5});
  CHECK(std::vector<std::uint32_t>(packed.places, packed.places + 4) ==
        std::vector<std::uint32_t>{2 | 1 << 16, 1, 3 | 1 << 16, 4});
  CHECK(packed.starts[1] == 4);
}

TEST_CASE("quick: a batch past memory is run in halves, in order, and only what does not fit alone fails") {
  std::vector<std::size_t> done;
  auto const run = [&](std::size_t first, std::size_t last) {
    if (last - first > 3) throw ml::gpu_out_of_memory("full");
    for (; first < last; ++first) done.push_back(first);
  };
  run_in_halves(0, 17, run);
  REQUIRE(done.size() == 17);
  CHECK(std::is_sorted(done.begin(), done.end()));
  CHECK_THROWS_AS(run_in_halves(0, 4, [](auto, auto) { throw ml::gpu_out_of_memory("full"); }),
                  ml::gpu_out_of_memory);
  int calls = 0;
  CHECK_THROWS_AS(run_in_halves(0, 4,
                                [&](auto, auto) {
                                  ++calls;
                                  throw ml::gpu_unusable("gone");
                                }),
                  ml::gpu_unusable);
  CHECK(calls == 1);
}

TEST_CASE("quick: the first algorithm that any process kept for a shape is everyone's") {
  auto const folder = std::filesystem::temp_directory_path() /
                      ("yonder_algorithms_" + std::to_string(std::random_device{}()));
  auto const file = folder / "yonder" / "algorithms";
  kept_algorithm const first = {1, 0xfedcba9876543210ULL, 3, 4, 5, 6, 7, 8};
  kept_algorithm const second = {9};
  algorithm_store one(file);
  algorithm_store other(file);
  CHECK_FALSE(one.find("H200, 128 x 768"));
  CHECK(one.keep("H200, 128 x 768", first) == first);
  CHECK(other.keep("H200, 128 x 768", second) == first);
  CHECK(other.find("H200, 128 x 768") == first);
  CHECK_FALSE(other.find("H200, 128 x 76"));
  CHECK(other.keep("H200, 128 x 76", second) == second);
  // What a process that was killed left, and what nobody wrote, is passed over.
  std::ofstream(file, std::ios::app) << "no line of ours\nH200, 1 x 1\tzz\nH200, 2 x 2\t00";
  CHECK_FALSE(one.find("H200, 1 x 1"));
  CHECK(one.keep("H200, 2 x 2", second) == second);
  CHECK(other.find("H200, 2 x 2") == second);
  CHECK(other.find("H200, 128 x 768") == first);
  // One that holds the file for ever does not hold the others.
  int const held = ::open(file.c_str(), O_RDONLY | O_CLOEXEC);
  REQUIRE(::flock(held, LOCK_EX) == 0);
  CHECK_FALSE(one.keep("H200, 3 x 3", first));
  CHECK(other.find("H200, 2 x 2") == second);
  ::close(held);
  CHECK(one.keep("H200, 3 x 3", first) == first);
  std::filesystem::remove_all(folder);
}

TEST_CASE("quick: where nothing can be kept, nothing is") {
  CHECK_FALSE(algorithm_store("").keeps());
  CHECK_FALSE(algorithm_store("").keep("a", {}));
  CHECK_FALSE(algorithm_store("/proc/no/such/folder").keep("a", {}));
  CHECK_FALSE(algorithm_store("/proc/no/such/folder").find("a"));
}

TEST_CASE("quick: the table of compute capabilities is what the code does") {
  std::ifstream file(YONDER_GPU_DOCUMENT);
  std::string const text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  REQUIRE_FALSE(text.empty());
  for (auto const& capability : {std::pair{7, 5}, {8, 0}, {8, 6}, {8, 9}, {9, 0}, {10, 0}, {12, 0}}) {
    std::string const row = describe_support(capability.first, capability.second);
    CAPTURE(row);
    CHECK(text.find(row + "\n") != std::string::npos);
  }
}

TEST_CASE("quick: what a block takes of shared memory is there on every GPU that runs it") {
  // Of a block, without asking for more: 48 KiB everywhere; on 9.0, by asking: 227 KiB, and two blocks in
  // 228.
  CHECK(sizeof(attention_memory<bf16, 64>) <= 48 * 1024);
  CHECK(sizeof(classification_memory<bf16>) <= 48 * 1024);
  CHECK(sizeof(pooling_memory) <= 48 * 1024);
  CHECK(2 * (sizeof(hopper_attention_memory<bf16, 64>) + 1024) <= 228 * 1024);
}

TEST_CASE("quick: CUDA's errors have the type that says what to do") {
  CHECK_NOTHROW(raise(0, "cudaSuccess", "nothing"));
  CHECK_THROWS_WITH_AS(raise(2, "cudaErrorMemoryAllocation", "allocating 5 bytes"),
                       doctest::Contains("allocating 5 bytes: cudaErrorMemoryAllocation (CUDA error 2)"),
                       ml::gpu_out_of_memory);
  CHECK_THROWS_AS(raise(35, "cudaErrorInsufficientDriver", "looking"), ml::gpu_unavailable);
  CHECK_THROWS_AS(raise(36, "cudaErrorCallRequiresNewerDriver", "looking"), ml::gpu_unavailable);
  CHECK_THROWS_AS(raise(100, "cudaErrorNoDevice", "looking"), ml::gpu_unavailable);
  CHECK_THROWS_AS(raise(802, "cudaErrorSystemNotReady", "looking"), ml::gpu_unavailable);
  CHECK_THROWS_AS(raise(807, "cudaErrorMpsServerNotReady", "looking"), ml::gpu_unavailable);
  CHECK_THROWS_AS(raise(810, "cudaErrorMpsClientTerminated", "waiting"), ml::gpu_unusable);
  CHECK_THROWS_AS(raise(700, "cudaErrorIllegalAddress", "waiting"), ml::gpu_unusable);
  CHECK_THROWS_AS(raise(719, "cudaErrorLaunchFailure", "waiting"), ml::gpu_unusable);
  CHECK(classify(1) == failure::failed);
  CHECK_THROWS_AS(raise(801, "cudaErrorNotSupported", "asking"), ml::gpu_error);
}
