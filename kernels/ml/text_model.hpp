// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "cpu/encoder.hpp"
#include "model/config.hpp"
#include "model/safetensors.hpp"
#include "model/tokenizer.hpp"
#include "yonder/ml/text_options.hpp"

namespace yonder::kernels {

// Text to hidden states: what classifiers and sentence encoders share.
class text_model {
 public:
  // `stated_length` holds over what the tokenizer's files say. Throws ml::model_error, std::invalid_argument.
  text_model(std::filesystem::path const& folder, ml::text_options options,
             std::optional<std::size_t> stated_length = std::nullopt);
  // encoder_ looks into files_.
  text_model(text_model const&) = delete;
  text_model& operator=(text_model const&) = delete;

  // Sequences first to last of the texts, and their hidden states.
  using sink = std::function<void(cpu::token_batch const& batch, std::span<float const> hidden)>;
  // In as many steps as bound the memory, in order. Throws ml::text_error.
  void run(std::span<std::string_view const> texts, sink const& each) const;

  model_config const& config() const noexcept { return config_; }
  weight_files const& files() const noexcept { return files_; }
  cpu::kernel_set const& kernels() const noexcept { return kernels_; }
  cpu::crew workers() const noexcept { return encoder_.workers(); }

 private:
  encoding encode(std::string_view text) const;
  void check_tokenizer(std::string const& file) const;
  std::size_t usable_length(std::optional<std::size_t> stated) const;

  ml::text_options options_;
  model_config config_;
  weight_files files_;
  loaded_tokenizer tokenizer_;
  cpu::kernel_set const& kernels_;
  truncation cut_;
  cpu::encoder encoder_;
};

}  // namespace yonder::kernels
