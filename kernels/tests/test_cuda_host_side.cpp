// SPDX-License-Identifier: Apache-2.0
//
// What stands between a call and the kernels, without a GPU: streams, graphs, memory, chosen algorithms, two
// batches in flight, warming up; CUDA's runtime and cuBLASLt are those of cuda_on_host.hpp.
#include <doctest/doctest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "cuda/algorithm_store.hpp"
#include "cuda/model.hpp"
#include "cuda_on_host.hpp"
#include "yonder/ml/text_classifier.hpp"

namespace {

using namespace yonder;
using namespace yonder::kernels;
using namespace yonder::kernels::cuda;

std::filesystem::path const demo_model = YONDER_DEMO_MODEL;

// Of this process, before the first model.
struct own_cache {
  own_cache() {
    std::filesystem::create_directories(folder);
    ::setenv("XDG_CACHE_HOME", folder.c_str(), 1);
  }
  own_cache(own_cache const&) = delete;
  own_cache& operator=(own_cache const&) = delete;
  ~own_cache() { std::filesystem::remove_all(folder); }

  std::filesystem::path folder = std::filesystem::temp_directory_path() /
                                 ("yonder_cuda_host_side_" + std::to_string(std::random_device{}()));
} const cache;

std::filesystem::path kept_file() { return cache.folder / "yonder" / "cublaslt-algorithms"; }

struct demo {
  explicit demo(run_manner const& manner = {}, bool warm_up = false)
      : model(weight_files(demo_model), read_config(demo_model).encoder, {std::size_t{2}, {}}, 0U, warm_up,
              manner) {}

  // Logits of texts of so many tokens.
  std::vector<float> run(std::vector<std::size_t> const& lengths) {
    std::vector<std::size_t> starts = {0};
    for (std::size_t const length : lengths) starts.push_back(starts.back() + length);
    std::vector<std::int32_t> ids(starts.back());
    for (std::size_t i = 0; i < ids.size(); ++i) ids[i] = static_cast<std::int32_t>(5 + 7 * i);
    std::vector<std::int32_t> const types(ids.size());
    return model.run({ids, types, starts});
  }

  gpu_model<bf16> model;
};

void expect_good(std::vector<float> const& logits) {
  REQUIRE_FALSE(logits.empty());
  for (float const each : logits) CHECK(std::isfinite(each));
}

}  // namespace

TEST_CASE("a text gets the CPU's logits, whether its bucket was prepared by a call or beside it") {
  on_host::behave({});
  ml::text_classifier const here(demo_model);
  ml::text_classifier const there(demo_model, {.device = ml::device::cuda()});
  CHECK(there.placement() == "cuda:0 (the host), bf16");
  std::vector<std::string_view> const texts = {"good job"};
  auto const expected = here.logits(texts);
  std::vector<std::thread> callers;
  std::vector<double> worst(2);
  for (double& found : worst) {
    callers.emplace_back([&] {
      for (int i = 0; i < 2; ++i) {
        auto const logits = there.logits(texts);
        for (std::size_t k = 0; k < texts.size(); ++k)
          for (std::size_t label = 0; label < 2; ++label)
            found =
                std::fmax(found, std::isnan(logits[k][label])
                                     ? 1e9
                                     : std::abs(static_cast<double>(logits[k][label]) - expected[k][label]));
      }
    });
  }
  for (auto& each : callers) each.join();
  for (double const found : worst) CHECK(found < 0.1);
}

TEST_CASE("weights are there before the first kernel reads them") {
  on_host::behave({});
  expect_good(demo({.graphs = false}).run({3}));
}

TEST_CASE("each bucket is captured once, and replayed for each of its batches") {
  on_host::behave({});
  demo on;
  auto const first = on.run({3, 5});
  expect_good(first);
  CHECK(on.run({3, 5}) == first);
  on.run({9, 1});
  CHECK(on_host::counted().captures == 1);
  CHECK(on_host::counted().launched_graphs == 3);
  on.run({20});
  CHECK(on_host::counted().captures == 2);
}

TEST_CASE("a graph that cannot be captured with dependent launch goes without, which is told") {
  on_host::behave({});
  auto const expected = demo().run({4});
  on_host::behave({.refuses_dependent_capture = true});
  demo on;
  CHECK(on.run({4}) == expected);
  REQUIRE(on.model.first_lane().without_dependent_launch());
  CHECK(on.model.first_lane().without_dependent_launch()->find("cudaErrorStreamCaptureUnsupported") !=
        std::string::npos);
  CHECK(on_host::counted().captures == 2);
  on.run({20});
  CHECK(on_host::counted().captures == 3);
}

TEST_CASE(
    "a graph that cannot be captured at all is an error that names CUDA's, and the next call may succeed") {
  on_host::behave({.refuses_capture = true});
  demo on;
  CHECK_THROWS_WITH_AS(on.run({4}), doctest::Contains("cudaErrorStreamCaptureUnsupported"), ml::gpu_error);
  on_host::behave({});
  expect_good(on.run({4}));
}

TEST_CASE("the fastest algorithm is taken, kept, and taken over by whoever comes later") {
  std::filesystem::remove(kept_file());
  on_host::behave({.fastest = 2});
  auto const after_warming = [](demo& on) {
    on.run({3});
    auto const all = on_host::counted().algorithms;
    return std::vector<std::uint64_t>(all.end() - 12, all.end());  // of the replay: three layers
  };
  demo one;
  CHECK(after_warming(one) == std::vector<std::uint64_t>(12, 2));
  on_host::behave({.fastest = 0});
  demo another;
  CHECK(after_warming(another) == std::vector<std::uint64_t>(12, 2));
}

TEST_CASE("an algorithm that another version kept, or nobody, is passed over") {
  std::filesystem::remove(kept_file());
  on_host::behave({});
  demo().run({3});
  std::string text;
  {
    std::ifstream from(kept_file());
    text.assign(std::istreambuf_iterator<char>(from), {});
  }
  for (std::size_t at = text.find('\t'); at != std::string::npos; at = text.find('\t', at + 1))
    text.replace(at + 1, 16, "00000000deadbeef");
  std::ofstream(kept_file()) << text;
  on_host::behave({});
  demo on;
  expect_good(on.run({3}));
  for (std::uint64_t const each : on_host::counted().algorithms) CHECK(each < on_host::proposals);
}

TEST_CASE("where no algorithm runs, none is kept") {
  std::filesystem::remove(kept_file());
  on_host::behave({.refuses_products = true});
  demo on;
  CHECK_THROWS_WITH_AS(on.run({3}), doctest::Contains("cuBLASLt status"), ml::gpu_error);
  CHECK_FALSE(std::filesystem::exists(kept_file()));
  on_host::behave({.fastest = 2});
  expect_good(on.run({3}));
  CHECK(on_host::counted().algorithms.back() == 2);
}

TEST_CASE("where memory does not suffice for the usual batch, small ones run; where for none, it is told") {
  on_host::behave({.bytes = std::size_t{110} << 20});
  demo on;
  expect_good(on.run({3}));
  expect_good(on.run({4, 20}));
  std::vector<std::size_t> const many(600, 100);
  CHECK(on.run(many).size() == 1200);  // in halves
  on_host::behave({.bytes = std::size_t{68} << 20});
  CHECK_THROWS_AS(demo().run({3}), ml::gpu_out_of_memory);
}

TEST_CASE("a GPU that is there and passed over is told with the reason, by the placement") {
  on_host::behave({.bytes = std::size_t{1} << 20});
  ml::text_options const any{.device = ml::device::automatic()};
  auto const placement = ml::text_classifier(demo_model, any).placement();
  CAPTURE(placement);
  CHECK(placement.starts_with("CPU, fp32, as cuda:0 cannot: "));
  CHECK(placement.find("cudaErrorMemoryAllocation") != std::string::npos);
}

TEST_CASE("a GPU for which an older driver would compile is refused, before any kernel") {
  on_host::behave({.major = 12, .driver = built_with_toolkit() - 10});
  auto const reason = why_unavailable(0);
  REQUIRE(reason);
  CHECK(reason->find("update the driver, build for this GPU") != std::string::npos);
  on_host::behave({.major = 12, .driver = built_with_toolkit()});
  CHECK_FALSE(why_unavailable(0));
  on_host::behave({.major = 8, .driver = built_with_toolkit() - 10});  // machine code needs no compilation
  CHECK_FALSE(why_unavailable(0));
}

TEST_CASE("a lost device is told by this and every later call") {
  on_host::behave({});
  demo on;
  on.run({3});
  on_host::behave({.is_lost = true});
  CHECK_THROWS_WITH_AS(on.run({3}), doctest::Contains("cudaErrorLaunchFailure"), ml::gpu_unusable);
  on_host::behave({});
  CHECK_THROWS_WITH_AS(on.run({3}), doctest::Contains("cudaErrorLaunchFailure"), ml::gpu_unusable);
}

TEST_CASE("a model that is destroyed while it warms up ends in order") {
  on_host::behave({});
  { demo on({}, true); }
  demo on({}, true);
  expect_good(on.run({7}));
}
