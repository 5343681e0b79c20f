// SPDX-License-Identifier: Apache-2.0
#include "ml/text_model.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "cpu/thread_pool.hpp"
#include "model/family.hpp"
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

text_model::text_model(std::filesystem::path const& folder, ml::text_options const& options, model_head head)
    : text_model(folder, options, nullptr, head) {}

text_model::text_model(sentence_folder const& folder, ml::text_options const& options)
    : text_model(folder.encoder, options, &folder, model_head::none) {}

text_model::text_model(cross_encoder_folder const& folder, ml::text_options const& options)
    : text_model(folder.model.encoder, options, &folder.model, model_head::sequences) {
  expect_pairs();
}

text_model::text_model(std::filesystem::path const& folder, ml::text_options const& options,
                       sentence_folder const* sentences, model_head head)
    : number_(next_number()),
      options_(options),
      threads_(options.threads != 0 ? options.threads : cpu::default_threads()),
      config_(read_config(folder)),
      files_(folder),
      tokenizer_(load_tokenizer_of(folder, sentences)),
      cut_(make_cut(folder, sentences)),
      truncates_(truncates(sentences)),
      task_(make_task(sentences, head)),
      compute_(make_compute(files_, config_.encoder, task_, options)) {
  check_tokenizer(tokenizer_.tokens.largest_template_id(), tokenizer_.tokens.largest_type_id(), "each text");
}

void text_model::expect_pairs() const {
  check_tokenizer(tokenizer_.tokens.largest_pair_id(), tokenizer_.tokens.largest_pair_type_id(),
                  "each pair of texts");
}

model_task text_model::make_task(sentence_folder const* sentences, model_head head) const {
  if (head != model_head::none) return task_of(head);
  return {std::nullopt, sentences->pooling};
}

model_task text_model::task_of(model_head head) const {
  auto const labels = config_.classifier.labels.size();
  auto const& names = describe(config_.encoder.family);
  std::string const file = (files_.folder() / "config.json").string();
  if (head == model_head::sequences && config_.classifies_sequences) return {labels, {}};
  if (head == model_head::tokens && config_.classifies_tokens) return {labels, {}, names.tags};
  if (head == model_head::questions && config_.answers_questions) {
    if (labels == 2) return {labels, {}, names.answers};
    throw ml::unsupported_model({file, std::to_string(labels) + " labels",
                                 "two, for where an answer begins and where it ends",
                                 "choose a model for extractive question answering"});
  }
  std::string const suffix = head == model_head::sequences ? "ForSequenceClassification"
                             : head == model_head::tokens  ? "ForTokenClassification"
                                                           : "ForQuestionAnswering";
  throw ml::unsupported_model(
      {file, "architectures without the head that is asked for", "one that ends in " + suffix,
       "choose a model that was trained for this, or the class of yonder::ml for what this one was"});
}

// Of one text.
std::size_t text_model::positions() const {
  std::size_t most = config_.encoder.max_tokens();
  // What stands round a text takes no position of its own where it is the padding token.
  if (auto const pad = config_.encoder.padding_id) most += tokenizer_.tokens.count_in_template(*pad);
  return most;
}

// Where transformers and sentence-transformers cut if they are told to cut: tokenizer.json has no say in it.
std::size_t text_model::stated_length(sentence_folder const* sentences) const {
  if (sentences == nullptr) return tokenizer_.max_length.value_or(std::numeric_limits<std::size_t>::max());
  if (sentences->max_length) return *sentences->max_length;
  return std::min(tokenizer_.max_length.value_or(positions()), positions());
}

// Rotary positions have no end: transformers would not cut where no file states a length up to theirs.
bool text_model::truncates(sentence_folder const* sentences) const {
  bool const goes_on = config_.encoder.is_rotary() && stated_length(sentences) > positions();
  return options_.truncate && (options_.max_tokens != 0 || !goes_on);
}

truncation text_model::make_cut(std::filesystem::path const& folder, sentence_folder const* sentences) const {
  std::size_t const stated = options_.max_tokens != 0 ? options_.max_tokens : stated_length(sentences);
  std::size_t const length = std::min(stated, positions());
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

text_rules text_model::rules(std::size_t skipped) const {
  std::size_t const vocabulary = has_foreign_ids() ? config_.encoder.vocabulary : 0;
  return {cut_, truncates_, threads_, vocabulary, tokenizer_.gives_type_ids, tokenizer_.file, skipped};
}

tokenized_rows text_model::tokenize(std::span<std::string_view const> texts, std::size_t skipped) const {
  auto made = tokenize_all(tokenizer_.tokens, rules(skipped), texts);
  made.model = number_;
  return made;
}

std::vector<std::vector<float>> text_model::run(std::span<std::string_view const> texts,
                                                std::size_t skipped) const {
  text_batches source(tokenizer_.tokens, rules(skipped), texts);
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

std::vector<token_window> text_model::windows(std::string_view text, std::optional<std::size_t> overlap,
                                              std::size_t prompt) const {
  return windows_of(tokenizer_.tokens, {cut_, overlap, truncates_, prompt}, text);
}

std::vector<token_window> text_model::windows(text_pair_view const& texts, std::size_t length,
                                              std::size_t overlap) const {
  truncation const cut{std::min(length, cut_.max_length), cut_.cut};
  return windows_of(tokenizer_.tokens, {cut, overlap, truncates_, 0}, texts);
}

std::vector<std::vector<float>> text_model::run(std::span<token_window const> windows,
                                                std::size_t skipped) const {
  text_batches source(batch_of(windows, rules(skipped)));
  return run(source);
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
  auto row = values.begin();
  for (std::size_t i = 0; i < batch.sequences(); ++i) {
    auto const tokens = task_.of_each_token() ? batch.starts[i + 1] - batch.starts[i] : 1;
    auto const end = row + static_cast<std::ptrdiff_t>(tokens * width());
    rows.emplace_back(row, end);
    row = end;
  }
}

}  // namespace yonder::kernels
