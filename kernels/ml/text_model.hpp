// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "ml/text_compute.hpp"
#include "model/config.hpp"
#include "model/safetensors.hpp"
#include "model/task.hpp"
#include "model/tokenizer.hpp"
#include "yonder/ml/text_options.hpp"

namespace yonder::kernels {

// Text to what the model's task gives: what classifiers and sentence encoders share.
class text_model {
 public:
  // Without `pooling` it is a classifier. `stated_length` holds over what the tokenizer's files say. Throws
  // ml::model_error, ml::gpu_error, std::invalid_argument.
  text_model(std::filesystem::path const& folder, ml::text_options const& options,
             std::vector<pooling_mode> pooling = {}, std::optional<std::size_t> stated_length = std::nullopt);
  // compute_ looks into files_.
  text_model(text_model const&) = delete;
  text_model& operator=(text_model const&) = delete;

  // A row of the task's width for each text, in order, in as many steps as bound the memory; texts are
  // tokenized beside the compute. Throws ml::text_error, ml::gpu_error.
  std::vector<std::vector<float>> run(std::span<std::string_view const> texts) const;

  model_config const& config() const noexcept { return config_; }
  std::size_t width() const noexcept { return task_.width(config_.encoder.hidden); }

 private:
  void run(cpu::token_batch const& batch, std::vector<std::vector<float>>& rows) const;
  void check_tokenizer(std::string const& file) const;
  std::size_t usable_length(std::optional<std::size_t> stated) const;

  ml::text_options options_;
  model_config config_;
  weight_files files_;
  loaded_tokenizer tokenizer_;
  truncation cut_;
  model_task task_;
  std::unique_ptr<text_compute const> compute_;
};

}  // namespace yonder::kernels
