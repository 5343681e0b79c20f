// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

#include "cuda/forward.hpp"
#include "host_operators.hpp"

// Whole models through the CUDA kernels on the host.
namespace yonder::kernels::cuda {

struct texts {
  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> types;
  std::vector<std::size_t> starts = {0};
};

inline texts random_batch(encoder_config const& config, std::vector<std::size_t> const& lengths) {
  std::mt19937 engine(17);
  texts batch;
  for (std::size_t const length : lengths) {
    for (std::size_t i = 0; i < length; ++i) {
      batch.ids.push_back(static_cast<std::int32_t>(engine() % config.vocabulary));
      batch.types.push_back(
          static_cast<std::int32_t>(config.token_types == 0 ? 0 : engine() % config.token_types));
    }
    batch.starts.push_back(batch.ids.size());
  }
  return batch;
}

// As gpu_model runs it, in host memory; what need not be zero is poisoned.
template <class T>
std::vector<float> run_on_host(weight_files const& files, encoder_config const& config, texts const& source,
                               model_task const& task, attention_unit unit = attention_unit::warp,
                               std::size_t skipped = 0) {
  auto parts = load_parts<T>(files, config, task);
  placed_model<T> const model{parts, config, parts.bytes.data(), task.pooling, unit};
  batch_source const batch{source.ids, source.types, source.starts, skipped};
  bucket const size = bucket_for(batch.tokens(), batch.sequences());

  arena plan;
  activations<T>::in(plan, model, size);
  std::vector<std::byte> memory(plan.used(), std::byte{0xff});
  arena place(memory.data());
  auto const at = activations<T>::in(place, model, size);
  std::fill_n(at.arrivals, size.sequences / 8 + 1, 0U);

  std::vector<std::byte> upload(packed_batch::bytes(size), std::byte{0xff});
  arena upload_place(upload.data());
  auto const packed = packed_batch::in(upload_place, size);
  packed.fill(batch, config, 16 * model.attention_warps(size));

  std::vector<float> results(model.most_results(size) * model.result_width(), std::nanf(""));
  host_operators<T> operators;
  run_forward<T>(operators, model, at, packed.view(), size, results.data());
  results.resize(model.results_of(batch) * model.result_width());
  return results;
}

inline double relative_error(std::vector<float> const& out, std::vector<float> const& expected) {
  REQUIRE(out.size() == expected.size());
  double error = 0.0;
  double size = 0.0;
  for (std::size_t i = 0; i < out.size(); ++i) {
    error += std::pow(static_cast<double>(out[i]) - expected[i], 2);
    size += std::pow(static_cast<double>(expected[i]), 2);
  }
  return std::sqrt(error / size);
}

}  // namespace yonder::kernels::cuda
