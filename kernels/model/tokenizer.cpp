// SPDX-License-Identifier: Apache-2.0
#include "model/tokenizer.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>

#include "model/unicode.hpp"
#include "yonder/ml/errors.hpp"

namespace yonder::kernels {
namespace {

constexpr std::size_t no_limit = std::numeric_limits<std::size_t>::max();

std::vector<added_token> those_normalized(std::vector<added_token> tokens, bool normalized) {
  std::erase_if(tokens, [normalized](auto const& token) { return token.normalized != normalized; });
  return tokens;
}

std::vector<added_token> normalize_contents(std::vector<added_token> tokens, normalizer const& normalize) {
  for (auto& token : tokens) token.content = normalize(token.content);
  return tokens;
}

std::size_t padded_width(std::span<encoding const> encodings, padding const& how) {
  std::size_t width = how.fixed_length.value_or(0);
  if (!how.fixed_length) {
    for (auto const& row : encodings) width = std::max(width, row.ids.size());
  }
  std::size_t const multiple = std::max<std::size_t>(how.multiple_of.value_or(1), 1);
  return (width + multiple - 1) / multiple * multiple;
}

void append_padded(std::vector<std::int32_t>& to, std::vector<std::int32_t> const& row, std::size_t width,
                   std::int32_t filler, side where) {
  std::size_t const missing = width - row.size();
  if (where == side::left) to.insert(to.end(), missing, filler);
  to.insert(to.end(), row.begin(), row.end());
  if (where == side::right) to.insert(to.end(), missing, filler);
}

}  // namespace

tokenizer::tokenizer(tokenizer_parts parts)
    : parts_(std::move(parts)),
      raw_tokens_(those_normalized(parts_.added, false)),
      normalized_tokens_(normalize_contents(those_normalized(parts_.added, true), parts_.normalize)),
      largest_id_(parts_.model.largest_id()) {
  for (auto const& token : parts_.added) largest_id_ = std::max(largest_id_, token.id);
  for (auto const& part : parts_.post_template) {
    largest_id_ = std::max(largest_id_, part.id.value_or(0));
    largest_type_id_ = std::max(largest_type_id_, part.type_id);
  }
}

// Raw added tokens are cut out first; what is left is normalized, cut again, and split into words. Both
// callbacks return false to stop.
template <class Word, class Token>
void tokenizer::visit(std::string_view text, Word const& on_word, Token const& on_token) const {
  if (auto const offset = unicode::find_invalid_utf8(text)) throw ml::invalid_utf8(*offset);
  raw_tokens_(text, [&](std::string_view stretch, std::int32_t raw_id) {
    if (raw_id >= 0) return on_token(raw_id);
    std::string const normal = parts_.normalize(stretch);
    return normalized_tokens_(normal, [&](std::string_view words, std::int32_t id) {
      return id >= 0 ? on_token(id) : parts_.split(words, on_word);
    });
  });
}

std::vector<std::int32_t> tokenizer::content(std::string_view text, std::size_t enough) const {
  std::vector<std::int32_t> ids;
  visit(
      text,
      [&](std::string_view word) {
        parts_.model.append(word, ids);
        return ids.size() < enough;
      },
      [&](std::int32_t id) {
        ids.push_back(id);
        return ids.size() < enough;
      });
  return ids;
}

std::vector<std::string> tokenizer::words(std::string_view text) const {
  std::vector<std::string> words;
  visit(
      text,
      [&](std::string_view word) {
        words.emplace_back(word);
        return true;
      },
      [](std::int32_t) { return true; });
  return words;
}

encoding tokenizer::surround(std::vector<std::int32_t> const& ids) const {
  encoding result;
  result.ids.reserve(ids.size() + special_tokens());
  for (auto const& part : parts_.post_template) {
    if (part.id) {
      result.ids.push_back(*part.id);
    } else {
      result.ids.insert(result.ids.end(), ids.begin(), ids.end());
    }
    result.type_ids.resize(result.ids.size(), part.type_id);
  }
  return result;
}

encoding tokenizer::encode(std::string_view text, std::optional<truncation> cut) const {
  if (!cut) return surround(content(text, no_limit));
  if (cut->max_length < special_tokens()) {
    throw std::invalid_argument("a text of at most " + std::to_string(cut->max_length) +
                                " tokens has no room for the " + std::to_string(special_tokens()) +
                                " special tokens of this model; allow more");
  }
  std::size_t const room = cut->max_length - special_tokens();
  auto ids = content(text, cut->cut == side::right ? room + 1 : no_limit);
  bool const truncated = ids.size() > room;
  if (truncated && cut->cut == side::right) ids.resize(room);
  if (truncated && cut->cut == side::left)
    ids.erase(ids.begin(), ids.end() - static_cast<std::ptrdiff_t>(room));
  encoding result = surround(ids);
  result.truncated = truncated;
  return result;
}

padded_batch tokenizer::encode_batch(std::span<std::string_view const> texts) const {
  std::vector<encoding> encodings;
  encodings.reserve(texts.size());
  for (auto const text : texts) encodings.push_back(encode(text));
  return pad(encodings, parts_.pad.value_or(padding{}));
}

padded_batch pad(std::span<encoding const> encodings, padding const& how) {
  padded_batch batch;
  batch.rows = encodings.size();
  batch.width = padded_width(encodings, how);
  for (auto const& row : encodings) batch.width = std::max(batch.width, row.ids.size());
  for (auto const& row : encodings) {
    append_padded(batch.ids, row.ids, batch.width, how.id, how.pad);
    append_padded(batch.type_ids, row.type_ids, batch.width, how.type_id, how.pad);
    append_padded(batch.attention, std::vector<std::int32_t>(row.ids.size(), 1), batch.width, 0, how.pad);
  }
  return batch;
}

}  // namespace yonder::kernels
