// SPDX-License-Identifier: Apache-2.0
#include "ml/text_model.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <stdexcept>

#include "cpu/thread_pool.hpp"
#include "yonder/ml/errors.hpp"

namespace yonder::kernels {
namespace {

loaded_tokenizer load_tokenizer_of(std::filesystem::path const& folder, sentence_folder const* sentences) {
  auto loaded = load_tokenizer(folder);
  if (sentences != nullptr && sentences->lowercase) loaded.tokens.lowercase_first();
  return loaded;
}

constexpr std::size_t pairs_at_once = 1024;

std::uint64_t next_number() noexcept {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

}  // namespace

text_model::text_model(std::filesystem::path const& folder, ml::text_options const& options)
    : text_model(folder, options, nullptr, true) {}

text_model::text_model(sentence_folder const& folder, ml::text_options const& options)
    : text_model(folder.encoder, options, &folder, false) {}

text_model::text_model(cross_encoder_folder const& folder, ml::text_options const& options)
    : text_model(folder.model.encoder, options, &folder.model, true) {
  expect_pairs();
}

text_model::text_model(std::filesystem::path const& folder, ml::text_options const& options,
                       sentence_folder const* sentences, bool classifies)
    : number_(next_number()),
      options_(options),
      threads_(options.threads != 0 ? options.threads : cpu::default_threads()),
      config_(read_config(folder)),
      files_(folder),
      tokenizer_(load_tokenizer_of(folder, sentences)),
      cut_(make_cut(folder, sentences)),
      task_(make_task(sentences, classifies)),
      compute_(make_compute(files_, config_.encoder, task_, options)) {
  check_tokenizer(tokenizer_.tokens.largest_template_id(), tokenizer_.tokens.largest_type_id(), "each text");
}

void text_model::expect_pairs() const {
  check_tokenizer(tokenizer_.tokens.largest_pair_id(), tokenizer_.tokens.largest_pair_type_id(),
                  "each pair of texts");
}

model_task text_model::make_task(sentence_folder const* sentences, bool classifies) const {
  if (!classifies) {
    bool const all = sentences->include_prompt || sentences->prompt.empty();
    return {std::nullopt, sentences->pooling,
            all ? 0 : tokenizer_.tokens.prompt_tokens(sentences->prompt, cut_)};
  }
  if (config_.classifies_sequences) return {config_.classifier.labels.size(), {}};
  throw ml::unsupported_model({(files_.folder() / "config.json").string(),
                               "architectures without a sequence classifier",
                               "one that ends in ForSequenceClassification",
                               "choose a classification model, or use yonder::ml::sentence_encoder"});
}

// As transformers cuts where it is told to cut: tokenizer.json has no say in the length.
truncation text_model::make_cut(std::filesystem::path const& folder, sentence_folder const* sentences) const {
  std::size_t most = config_.encoder.max_tokens();
  // What stands round a text takes no position of its own where it is the padding token.
  if (auto const pad = config_.encoder.padding_id) most += tokenizer_.tokens.count_in_template(*pad);
  std::size_t length = tokenizer_.max_length.value_or(most);
  if (sentences != nullptr && sentences->max_length) length = *sentences->max_length;
  if (options_.max_tokens != 0) length = options_.max_tokens;
  length = std::min(length, most);
  if (length <= tokenizer_.tokens.special_tokens()) {
    throw std::invalid_argument(folder.string() + ": texts of at most " + std::to_string(length) +
                                " tokens have no room for one of their own; raise text_options::max_tokens");
  }
  return {length, tokenizer_.cut};
}

bool text_model::has_foreign_ids() const noexcept {
  return static_cast<std::size_t>(tokenizer_.tokens.largest_id()) >= config_.encoder.vocabulary;
}

// What stands round every text must be rows of the embeddings; of the other tokens, texts tell.
void text_model::check_tokenizer(std::int32_t largest, std::int32_t largest_type, char const* what) const {
  char const* const advice = "use the tokenizer that belongs to these weights";
  if (largest >= 0 && static_cast<std::size_t>(largest) >= config_.encoder.vocabulary) {
    throw ml::inconsistent_model(
        {tokenizer_.file,
         std::string("a special token round ") + what + " with id " + std::to_string(largest),
         "ids below " + std::to_string(config_.encoder.vocabulary) + ", the vocab_size of config.json",
         advice});
  }
  bool const types = config_.encoder.token_types != 0 && tokenizer_.gives_type_ids;
  if (types && static_cast<std::size_t>(largest_type) >= config_.encoder.token_types) {
    throw ml::inconsistent_model({tokenizer_.file, "the token type " + std::to_string(largest_type),
                                  "types below " + std::to_string(config_.encoder.token_types) +
                                      ", the type_vocab_size of config.json",
                                  advice});
  }
}

text_rules text_model::rules() const {
  std::size_t const vocabulary = has_foreign_ids() ? config_.encoder.vocabulary : 0;
  return {cut_, options_.truncate, threads_, vocabulary, tokenizer_.gives_type_ids, tokenizer_.file};
}

tokenized_rows text_model::tokenize(std::span<std::string_view const> texts) const {
  auto made = tokenize_all(tokenizer_.tokens, rules(), texts);
  made.model = number_;
  return made;
}

std::vector<std::vector<float>> text_model::run(std::span<std::string_view const> texts) const {
  text_batches source(tokenizer_.tokens, rules(), texts);
  return run(source);
}

std::vector<std::vector<float>> text_model::run(tokenized_rows const& texts) const {
  if (texts.model != number_)
    throw std::invalid_argument("these tokens were made by another model; tokenize the texts by this one");
  text_batches source(texts.good);
  auto good = run(source);
  if (good.size() == texts.errors.size()) return good;
  std::vector<std::vector<float>> rows(texts.errors.size());
  auto next = good.begin();
  for (std::size_t i = 0; i < rows.size(); ++i)
    if (texts.errors[i] == nullptr) rows[i] = std::move(*next++);
  return rows;
}

std::vector<std::vector<float>> text_model::run(std::span<text_pair_view const> pairs,
                                                pair_truncation strategy) const {
  if (cut_.max_length <= tokenizer_.tokens.special_tokens_of_pairs() + 1) {
    throw std::invalid_argument("pairs of at most " + std::to_string(cut_.max_length) +
                                " tokens have no room for two texts; raise text_options::max_tokens");
  }
  std::vector<std::vector<float>> rows;
  while (!pairs.empty()) {
    auto const some = pairs.first(std::min(pairs.size(), pairs_at_once));
    pairs = pairs.subspan(some.size());
    text_batches source(tokenize_pairs(tokenizer_.tokens, rules(), strategy, some));
    for (auto& row : run(source)) rows.push_back(std::move(row));
  }
  return rows;
}

std::vector<std::vector<float>> text_model::run(text_batches& source) const {
  std::vector<std::vector<float>> rows;
  auto batch = source.next(compute_->tokens_at_once());
  while (batch.sequences() != 0) {
    cpu::token_batch following;
    // The next batch is made beside this one where a thread is free.
    cpu::thread_pool::shared().run(source.empty() ? 1 : 2, threads_, [&](std::size_t turn, std::size_t) {
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
