// SPDX-License-Identifier: Apache-2.0
#include "ml/text_model.hpp"

#include <algorithm>
#include <stdexcept>

#include "yonder/ml/errors.hpp"

namespace yonder::kernels {
namespace {

// Tokens that go through the encoder together, unless one text alone has more.
constexpr std::size_t tokens_at_once = 2048;

void append(cpu::token_batch& batch, encoding const& text) {
  batch.ids.insert(batch.ids.end(), text.ids.begin(), text.ids.end());
  batch.type_ids.insert(batch.type_ids.end(), text.type_ids.begin(), text.type_ids.end());
  batch.starts.push_back(batch.ids.size());
}

}  // namespace

text_model::text_model(std::filesystem::path const& folder, ml::text_options options,
                       std::optional<std::size_t> stated_length)
    : options_(options),
      config_(read_config(folder)),
      files_(folder),
      tokenizer_(load_tokenizer(folder)),
      kernels_(cpu::best_kernels()),
      encoder_(files_, config_.encoder, kernels_, {options.compute, options.threads}) {
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

encoding text_model::encode(std::string_view text) const {
  encoding result = tokenizer_.tokens.encode(text, cut_);
  if (result.truncated && !options_.truncate) throw ml::text_too_long(cut_.max_length);
  return result;
}

void text_model::run(std::span<std::string_view const> texts, sink const& each) const {
  cpu::token_batch batch;
  for (std::string_view const text : texts) {
    encoding const next = encode(text);
    if (batch.sequences() != 0 && batch.tokens() + next.ids.size() > tokens_at_once) {
      each(batch, encoder_(batch));
      batch = {};
    }
    append(batch, next);
  }
  if (batch.sequences() != 0) each(batch, encoder_(batch));
}

}  // namespace yonder::kernels
