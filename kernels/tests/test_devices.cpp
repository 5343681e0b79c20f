// SPDX-License-Identifier: Apache-2.0
//
// Which device a model runs on, and what those get who ask for one that is not there; whose turn it is on a
// GPU. With a GPU: that its results are the CPU's.
#include <doctest/doctest.h>

#include <array>
#include <atomic>
#include <cmath>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "cuda/accelerator.hpp"
#include "cuda/slots.hpp"
#include "yonder/ml/errors.hpp"
#include "yonder/ml/sentence_encoder.hpp"
#include "yonder/ml/text_classifier.hpp"

namespace {

using namespace yonder;

std::filesystem::path const demo_model = YONDER_DEMO_MODEL;
std::vector<std::string_view> const sample = {"good job", "what a waste of an evening",
                                              "I have seen worse, and I have seen better", "ok"};

double distance(std::vector<std::vector<float>> const& a, std::vector<std::vector<float>> const& b) {
  double error = 0.0;
  double size = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    for (std::size_t k = 0; k < a[i].size(); ++k) {
      error += std::pow(static_cast<double>(a[i][k]) - b[i][k], 2);
      size += std::pow(static_cast<double>(b[i][k]), 2);
    }
  }
  return std::sqrt(error / size);
}

}  // namespace

TEST_CASE("a GPU that is asked for by name is used, or refused with the reason") {
  auto const reason = kernels::cuda::why_unavailable(0);
  ml::text_classifier const here(demo_model);
  for (auto const precision : {ml::precision::bf16, ml::precision::fp16}) {
    ml::text_options const options{.compute = precision, .device = ml::device::cuda()};
    if (reason) {
      CHECK_THROWS_WITH_AS(ml::text_classifier(demo_model, options), reason->c_str(), ml::gpu_unavailable);
    } else {
      CHECK(distance(ml::text_classifier(demo_model, options).logits(sample), here.logits(sample)) < 1e-2);
    }
  }
  CHECK_THROWS_AS(ml::text_classifier(demo_model, {.device = ml::device::cuda(4095)}), ml::gpu_unavailable);
}

TEST_CASE("the automatic device gives the same labels as the CPU, GPU or not") {
  ml::text_classifier const here(demo_model);
  ml::text_classifier const best(demo_model, {.device = ml::device::automatic()});
  for (auto const text : sample) CHECK(best(text).label == here(text).label);
  CHECK(here.placement() == "CPU, fp32");
  CHECK(best.placement().starts_with(kernels::cuda::why_unavailable(0) ? "CPU, fp32" : "cuda:0 ("));
  ml::text_classifier const exact(demo_model,
                                  {.compute = ml::precision::fp32, .device = ml::device::automatic()});
  CHECK(exact.logits(sample) == here.logits(sample));
}

TEST_CASE("a precision that the device does not have is an argument that is refused") {
  CHECK_THROWS_WITH_AS(ml::text_classifier(demo_model, {.compute = ml::precision::fp16}),
                       doctest::Contains("the CPU has fp32, bf16 and int8"), std::invalid_argument);
  CHECK_THROWS_WITH_AS(
      ml::text_classifier(demo_model, {.compute = ml::precision::int8, .device = ml::device::cuda()}),
      doctest::Contains("a GPU has bf16 and fp16"), std::invalid_argument);
}

TEST_CASE("as many calls hold a slot as there are, each its own, and the others wait") {
  kernels::cuda::slots<2> places;
  std::array<std::atomic<int>, 2> inside{};
  std::atomic<int> total = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int k = 0; k < 200; ++k) {
        auto const held = places.take();
        if (inside[held.index()]++ != 0) total = -1'000'000;
        ++total;
        --inside[held.index()];
      }
    });
  }
  for (auto& each : threads) each.join();
  CHECK(total == 800);
  auto const second = places.take(1);
  CHECK(second.index() == 1);
  CHECK_FALSE(places.try_take(1));
  CHECK(places.take().index() == 0);
  auto const first = places.try_take(0);
  CHECK(first);
}
