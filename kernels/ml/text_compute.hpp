// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "cpu/encoder.hpp"
#include "model/config.hpp"
#include "model/safetensors.hpp"
#include "model/task.hpp"
#include "yonder/ml/text_options.hpp"

namespace yonder::kernels {

// A model's task on one device. Const calls are thread-safe.
class text_compute {
 public:
  text_compute() = default;
  text_compute(text_compute const&) = delete;
  text_compute& operator=(text_compute const&) = delete;
  virtual ~text_compute() = default;

  // [sequences][width of the task], or [tokens][…] where each token has its own. Throws ml::gpu_error,
  // std::bad_alloc.
  virtual std::vector<float> operator()(cpu::token_batch const& batch) const = 0;
  // That fill the device without asking for much memory.
  virtual std::size_t tokens_at_once() const noexcept = 0;
  // The device and the precision, as people name them.
  virtual std::string placement() const = 0;
};

// On the device of the options; `files` must live as long. Throws ml::model_error, ml::gpu_error,
// std::invalid_argument.
std::unique_ptr<text_compute const> make_compute(weight_files const& files, encoder_config const& config,
                                                 model_task const& task, ml::text_options const& options);

}  // namespace yonder::kernels
