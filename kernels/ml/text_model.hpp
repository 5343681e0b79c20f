// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "ml/text_batches.hpp"
#include "ml/text_compute.hpp"
#include "ml/token_windows.hpp"
#include "model/config.hpp"
#include "model/cross_encoder_folder.hpp"
#include "model/safetensors.hpp"
#include "model/task.hpp"
#include "model/tokenizer.hpp"
#include "yonder/ml/text_options.hpp"

namespace yonder::kernels {

// Which of config.json's heads stands on the encoder.
enum class model_head : std::uint8_t { none, sequences, tokens, questions };

// Text to what the model's task gives: what classifiers and sentence encoders share.
class text_model {
 public:
  // A head's model. Throws ml::model_error, ml::gpu_error, std::invalid_argument.
  text_model(std::filesystem::path const& folder, ml::text_options const& options,
             model_head head = model_head::sequences);
  // A sentence encoder; what happens after pooling is the caller's, and so is the prompt. Throws the same.
  text_model(sentence_folder const& folder, ml::text_options const& options);
  // A classifier of pairs, with what its folder says of a CrossEncoder. Throws the same.
  text_model(cross_encoder_folder const& folder, ml::text_options const& options);
  // compute_ looks into files_.
  text_model(text_model const&) = delete;
  text_model& operator=(text_model const&) = delete;

  // A row of the task's width for each text, in order, in as many steps as bound the memory; texts are
  // tokenized beside the compute. Pooling leaves out `skipped` tokens at the front of each. Throws
  // ml::text_error, ml::gpu_error.
  std::vector<std::vector<float>> run(std::span<std::string_view const> texts, std::size_t skipped = 0) const;
  // The two steps of it: one call may make tokens while another computes. A text that cannot be taken has an
  // error instead of tokens, and then an empty row. The second throws ml::gpu_error, and
  // std::invalid_argument where another model made the tokens.
  tokenized_rows tokenize(std::span<std::string_view const> texts, std::size_t skipped = 0) const;
  // Of a prompt at the front of a text.
  std::size_t prompt_tokens(std::string_view prompt) const {
    return tokenizer_.tokens.prompt_tokens(prompt, cut_);
  }
  std::vector<std::vector<float>> run(tokenized_rows const& texts) const;

  // A row of the task's width for each pair, in order. Throws as run() of texts, and std::invalid_argument
  // where options leave no room for a token of a pair.
  std::vector<std::vector<float>> run(std::span<text_pair_view const> pairs, pair_truncation strategy) const;
  // Pairs will come: their special tokens and types are checked. Throws ml::inconsistent_model.
  void expect_pairs() const;

  // Throw ml::text_error, std::invalid_argument, as windows_of() does. `prompt`: bytes at the front of the
  // text that each window begins with.
  std::vector<token_window> windows(std::string_view text, std::optional<std::size_t> overlap,
                                    std::size_t prompt = 0) const;
  // A second text behind the first, `length` tokens at most or as many as the model takes.
  std::vector<token_window> windows(text_pair_view const& texts, std::size_t length,
                                    std::size_t overlap) const;
  // A row for each window, of a head that answers for each token [tokens * labels]. Throws as run() of texts,
  // and ml::inconsistent_model.
  std::vector<std::vector<float>> run(std::span<token_window const> windows, std::size_t skipped = 0) const;
  tokenizer const& tokens() const noexcept { return tokenizer_.tokens; }
  bool pads_left() const noexcept { return tokenizer_.pads_left; }
  std::size_t max_tokens() const noexcept { return cut_.max_length; }

  model_config const& config() const noexcept { return config_; }
  std::string placement() const { return compute_->placement(); }
  std::size_t width() const noexcept { return task_.width(config_.encoder.hidden); }

 private:
  std::vector<std::vector<float>> run(text_batches& source) const;
  void run(cpu::token_batch const& batch, std::vector<std::vector<float>>& rows) const;
  text_rules rules(std::size_t skipped = 0) const;
  text_model(std::filesystem::path const& folder, ml::text_options const& options,
             sentence_folder const* sentences, model_head head);
  model_task make_task(sentence_folder const* sentences, model_head head) const;
  model_task task_of(model_head head) const;
  std::size_t positions() const;
  std::size_t stated_length(sentence_folder const* sentences) const;
  bool truncates(sentence_folder const* sentences) const;
  truncation make_cut(std::filesystem::path const& folder, sentence_folder const* sentences) const;
  void check_tokenizer(std::int32_t largest, std::int32_t largest_type, char const* what) const;
  bool has_foreign_ids() const noexcept;

  std::uint64_t const number_;  // of this model among those of this process
  ml::text_options options_;
  std::size_t threads_;
  model_config config_;
  weight_files files_;
  loaded_tokenizer tokenizer_;
  truncation cut_;
  bool truncates_;  // else a text that is longer is refused
  model_task task_;
  std::unique_ptr<text_compute const> compute_;
};

}  // namespace yonder::kernels
