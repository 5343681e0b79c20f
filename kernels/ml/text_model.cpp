// SPDX-License-Identifier: Apache-2.0
#include "ml/text_model.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "cpu/thread_pool.hpp"
#include "ml/text_batches.hpp"
#include "yonder/ml/errors.hpp"

namespace yonder::kernels {
namespace {

model_task task_of(model_config const& config, std::vector<pooling_mode> pooling,
                   std::filesystem::path const& folder) {
  if (!pooling.empty()) return {std::nullopt, std::move(pooling)};
  if (config.classifies_sequences) return {config.classifier.labels.size(), {}};
  throw ml::unsupported_model({(folder / "config.json").string(),
                               "architectures without a sequence classifier",
                               "one that ends in ForSequenceClassification",
                               "choose a classification model, or use yonder::ml::sentence_encoder"});
}

}  // namespace

text_model::text_model(std::filesystem::path const& folder, ml::text_options const& options,
                       std::vector<pooling_mode> pooling, std::optional<std::size_t> stated_length)
    : options_(options),
      config_(read_config(folder)),
      files_(folder),
      tokenizer_(load_tokenizer(folder)),
      task_(task_of(config_, std::move(pooling), folder)),
      compute_(make_compute(files_, config_.encoder, task_, options)) {
  check_tokenizer(tokenizer_.file);
  auto const& file_cut = tokenizer_.tokens.cut();
  cut_ = {usable_length(stated_length), file_cut ? file_cut->cut : side::right};
  if (cut_.max_length <= tokenizer_.tokens.special_tokens()) {
    throw std::invalid_argument(folder.string() + ": texts of at most " + std::to_string(cut_.max_length) +
                                " tokens have no room for one of their own; raise text_options::max_tokens");
  }
}

std::size_t text_model::usable_length(std::optional<std::size_t> stated) const {
  auto const& file_cut = tokenizer_.tokens.cut();
  std::size_t length = config_.encoder.max_tokens();
  if (options_.max_tokens != 0) {
    length = options_.max_tokens;
  } else if (stated) {
    length = *stated;
  } else if (tokenizer_.max_length) {
    length = *tokenizer_.max_length;
  } else if (file_cut) {
    length = file_cut->max_length;
  }
  return std::min(length, config_.encoder.max_tokens());
}

// Every id that the tokenizer can give must be a row of the embeddings.
void text_model::check_tokenizer(std::string const& file) const {
  auto const largest = static_cast<std::size_t>(tokenizer_.tokens.largest_id());
  auto const largest_type = static_cast<std::size_t>(tokenizer_.tokens.largest_type_id());
  char const* const advice = "use the tokenizer that belongs to these weights";
  if (largest >= config_.encoder.vocabulary) {
    throw ml::inconsistent_model(
        {file, "a token with id " + std::to_string(largest),
         "ids below " + std::to_string(config_.encoder.vocabulary) + ", the vocab_size of config.json",
         advice});
  }
  if (config_.encoder.token_types != 0 && largest_type >= config_.encoder.token_types) {
    throw ml::inconsistent_model({file, "the token type " + std::to_string(largest_type),
                                  "types below " + std::to_string(config_.encoder.token_types) +
                                      ", the type_vocab_size of config.json",
                                  advice});
  }
}

std::vector<std::vector<float>> text_model::run(std::span<std::string_view const> texts) const {
  std::vector<std::vector<float>> rows;
  rows.reserve(texts.size());
  std::size_t const threads = options_.threads != 0 ? options_.threads : cpu::default_threads();
  text_batches source(tokenizer_.tokens, {cut_, options_.truncate, threads}, texts);
  auto batch = source.next(compute_->tokens_at_once());
  while (batch.sequences() != 0) {
    cpu::token_batch following;
    // The next batch is made beside this one where a thread is free.
    cpu::thread_pool::shared().run(source.empty() ? 1 : 2, threads, [&](std::size_t turn, std::size_t) {
      if (turn == 0) run(batch, rows);
      if (turn == 1) following = source.next(compute_->tokens_at_once());
    });
    batch = std::move(following);
  }
  return rows;
}

void text_model::run(cpu::token_batch const& batch, std::vector<std::vector<float>>& rows) const {
  auto const values = (*compute_)(batch);
  if (!std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); })) {
    throw ml::inconsistent_model({files_.source(), "weights that give results that are no finite numbers",
                                  "finite numbers", "take another checkpoint, or another precision"});
  }
  auto const step = static_cast<std::ptrdiff_t>(width());
  for (auto row = values.begin(); row != values.end(); row += step) rows.emplace_back(row, row + step);
}

}  // namespace yonder::kernels
