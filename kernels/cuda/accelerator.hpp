// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "cuda/batch.hpp"
#include "model/config.hpp"
#include "model/safetensors.hpp"
#include "model/task.hpp"

// The seam to the GPU: it has the same functions in a build without CUDA.
namespace yonder::kernels::cuda {

enum class number_format : std::uint8_t { bf16, f16 };

// A model in the memory of one GPU. Thread-safe: calls wait for each other.
class accelerator {
 public:
  accelerator() = default;
  accelerator(accelerator const&) = delete;
  accelerator& operator=(accelerator const&) = delete;
  virtual ~accelerator() = default;

  // [sequences][result_width()], of a head of tokens [tokens][result_width()]. Of any number of tokens and
  // sequences; each sequence has at most the config's max_tokens(). Throws ml::gpu_error.
  virtual std::vector<float> run(batch_source const& batch) = 0;
  virtual std::size_t result_width() const noexcept = 0;
  virtual std::string device_name() const = 0;
};

// The toolkit that this was built with, as 13000 for 13.0; 0 without CUDA.
int built_with_toolkit() noexcept;

// The only architecture that this was built for, as nvcc names it; empty where it is all of support.hpp.
char const* built_for_architecture() noexcept;

// Why cuda:`index` cannot be used, in words; nothing where it can.
std::optional<std::string> why_unavailable(unsigned index);

// Throws ml::gpu_error, ml::model_error.
std::unique_ptr<accelerator> load_accelerator(weight_files const& files, encoder_config const& config,
                                              model_task const& task, number_format format, unsigned index);

}  // namespace yonder::kernels::cuda
