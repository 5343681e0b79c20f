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
constexpr std::size_t chunk_bytes = 4096;

// Takes what can be tokenized by itself off `text`: about chunk_bytes, up to a space or the end of a line.
std::string_view take_chunk(std::string_view& text) {
  std::size_t const end = text.size() <= chunk_bytes ? text.npos : text.find_first_of(" \n", chunk_bytes);
  std::string_view const chunk = text.substr(0, end);
  text.remove_prefix(chunk.size());
  return chunk;
}

std::int32_t largest_of(token_model const& model) {
  return std::visit([](auto const& each) { return each.largest_id(); }, model);
}

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

struct pair_lengths {
  std::size_t first;
  std::size_t second;
};

// Both have `room` together at most: half of it each where both are longer than that, else the shorter one
// stays whole.
pair_lengths cut_longest_first(pair_lengths found, std::size_t room) {
  if (found.first + found.second <= room) return found;
  auto const [shorter, longer] = std::minmax(found.first, found.second);
  std::size_t few = shorter;
  std::size_t many = std::max(shorter, room - std::min(room, shorter));
  if (few + many > room) {
    few = room / 2;
    many = few + room % 2;
  }
  return found.first > found.second ? pair_lengths{many, few} : pair_lengths{few, many};
}

void keep(std::vector<std::int32_t>& ids, std::size_t count, side cut) {
  auto const surplus = static_cast<std::ptrdiff_t>(ids.size() - count);
  if (cut == side::left) {
    ids.erase(ids.begin(), ids.begin() + surplus);
  } else {
    ids.resize(count);
  }
}

void append_padded(std::vector<std::int32_t>& to, std::vector<std::int32_t> const& row, std::size_t width,
                   std::int32_t filler, side where) {
  std::size_t const missing = width - row.size();
  if (where == side::left) to.insert(to.end(), missing, filler);
  to.insert(to.end(), row.begin(), row.end());
  if (where == side::right) to.insert(to.end(), missing, filler);
}

}  // namespace

struct tokenizer::scratch {
  marked_text marked;
  byte_level::bpe_scratch merges;
  marked_words::scratch words;
  unigram_scratch pieces;

  std::size_t bytes() const noexcept {
    return marked.bytes() + merges.bytes() + words.bytes() + pieces.bytes();
  }
};

tokenizer::tokenizer(tokenizer&&) noexcept = default;
tokenizer& tokenizer::operator=(tokenizer&&) noexcept = default;
tokenizer::~tokenizer() = default;

tokenizer::tokenizer(tokenizer_parts parts)
    : parts_(std::move(parts)),
      raw_tokens_(those_normalized(parts_.added, false)),
      normalized_tokens_(normalize_contents(those_normalized(parts_.added, true), parts_.normalize)),
      scratch_(std::make_unique<scratch_pool<scratch>>()),
      largest_id_(largest_of(parts_.model)) {
  bool const bert =
      std::holds_alternative<wordpiece>(parts_.model) && parts_.split.is(pre_tokenizer::step::bert);
  if (bert && normalized_tokens_.empty()) fused_ = parts_.normalize.fusible();
  marked_words_ = make_marked_words();
  for (auto const& token : parts_.added) largest_id_ = std::max(largest_id_, token.id);
  largest_id_ = std::max({largest_id_, largest_template_id(), largest_pair_id()});
}

void tokenizer::lowercase_first() {
  parts_.normalize.lowercase_first();
  normalized_tokens_ =
      added_token_matcher(normalize_contents(those_normalized(parts_.added, true), parts_.normalize));
  fused_.reset();
  marked_words_.reset();
}

std::optional<marked_words> tokenizer::make_marked_words() const {
  bool const has_steps = std::holds_alternative<unigram>(parts_.model) && normalized_tokens_.empty() &&
                         parts_.split.is(pre_tokenizer::step::whitespace_split) && parts_.spaces &&
                         parts_.spaces->split && parts_.spaces->mark == metaspace::usual_mark &&
                         parts_.spaces->prepend != metaspace::prepending::first;
  auto map = parts_.normalize.map_alone();
  if (!has_steps || (!map && !parts_.normalize.empty())) return std::nullopt;
  return marked_words(std::move(map), parts_.spaces->prepend == metaspace::prepending::always);
}

std::int32_t tokenizer::largest_id_of(std::vector<template_part> const& parts) noexcept {
  std::int32_t largest = -1;
  for (auto const& part : parts) largest = std::max(largest, part.id.value_or(-1));
  return largest;
}

std::int32_t tokenizer::largest_type_of(std::vector<template_part> const& parts) noexcept {
  std::int32_t largest = 0;
  for (auto const& part : parts) largest = std::max(largest, part.type_id);
  return largest;
}

std::size_t tokenizer::count_in_template(std::int32_t id) const noexcept {
  return static_cast<std::size_t>(
      std::ranges::count_if(parts_.post_template, [id](auto const& part) { return part.id == id; }));
}

std::size_t tokenizer::prompt_tokens(std::string_view prompt, std::optional<truncation> const& cut) const {
  auto const ids = encode(prompt, cut).ids;
  bool const ends_special =
      !ids.empty() && std::ranges::find(parts_.special.all, ids.back()) != parts_.special.all.end();
  return ids.size() - (ends_special ? 1 : 0);
}

// Raw added tokens are cut out first; each(stretch) gets what is left, token(id) the tokens. Both return
// false to stop.
template <class Each, class Token>
void tokenizer::cut_raw_tokens(std::string_view text, Each&& each, Token&& token) const {
  if (auto const offset = unicode::find_invalid_utf8(text)) throw ml::invalid_utf8(*offset);
  raw_tokens_(text,
              [&](std::string_view stretch, std::int32_t id) { return id >= 0 ? token(id) : each(stretch); });
}

template <class Word>
bool tokenizer::split_words(std::string_view stretch, bool is_first, Word&& word) const {
  if (parts_.spaces) {
    std::string marked;
    return parts_.split(stretch, [&](std::string_view piece) {
      parts_.spaces->write(piece, is_first, marked);
      return parts_.spaces->for_each_word(marked, word);
    });
  }
  if (!parts_.prefix_space || stretch.starts_with(' ')) return parts_.split(stretch, word);
  std::string spaced = " ";
  spaced += stretch;
  return parts_.split(spaced, word);
}

// What `stretch`, the front of a text, begins with when it is normalized comes from its first letter.
bool tokenizer::keeps_front(std::string_view stretch) const {
  if (!parts_.spaces || parts_.spaces->prepend != metaspace::prepending::first) return true;
  auto letters = letters_of(stretch, 0);
  parts_.normalize(letters);
  return !letters.empty() && letters.front().origin.begin == 0;
}

// One step after the other: the stretch is normalized, cut at the other added tokens, and split into words.
template <class Word, class Token>
bool tokenizer::split_by_steps(std::string_view stretch, bool is_first, Word&& word, Token&& token) const {
  std::string normalized;
  if (!parts_.normalize.empty()) {
    is_first = is_first && keeps_front(stretch);
    stretch = normalized = parts_.normalize(stretch);
  }
  return normalized_tokens_(stretch, [&](std::string_view words, std::int32_t id) {
    return id >= 0 ? token(id) : split_words(words, is_first && words.data() == stretch.data(), word);
  });
}

// The same in one go, for BERT: each(marked_text) gets the words of one chunk after the other.
template <class Each>
bool tokenizer::split_at_once(std::string_view stretch, marked_text& words, Each&& each) const {
  while (!stretch.empty()) {
    std::string_view const chunk = take_chunk(stretch);
    words.assign(*fused_, chunk);
    if (!each(words)) return false;
  }
  return true;
}

// Calls word(text) and chunk(marked_text), one or the other, and token(id).
template <class Word, class Chunk, class Token>
void tokenizer::visit(std::string_view text, marked_text& marked, Word&& word, Chunk&& chunk,
                      Token&& token) const {
  cut_raw_tokens(
      text,
      [&](std::string_view stretch) {
        if (fused_) return split_at_once(stretch, marked, chunk);
        return split_by_steps(stretch, stretch.data() == text.data(), word, token);
      },
      token);
}

void tokenizer::append_content(std::string_view text, std::size_t enough,
                               std::vector<std::int32_t>& ids) const {
  scratch_pool<scratch>::lease const lease(*scratch_);
  scratch& memory = *lease;
  auto const more = [&] { return ids.size() < enough; };
  auto const token = [&](std::int32_t id) {
    ids.push_back(id);
    return more();
  };
  auto const append_all = [&](auto const& append, auto const& chunk) {
    auto const word = [&](std::string_view each) {
      append(each);
      return more();
    };
    visit(text, memory.marked, word, chunk, token);
  };
  if (auto const* const pieces = std::get_if<wordpiece>(&parts_.model)) {
    append_all([&](std::string_view word) { pieces->append(word, ids); },
               [&](marked_text const& words) {
                 pieces->append(words, ids);
                 return more();
               });
    return;
  }
  auto const no_chunk = [](marked_text const&) { return false; };
  if (auto const* const merges = std::get_if<byte_level::bpe>(&parts_.model)) {
    append_all([&](std::string_view word) { merges->append(word, ids, memory.merges); }, no_chunk);
  } else {
    auto const& scored = std::get<unigram>(parts_.model);
    if (marked_words_) {
      auto const word = [&](std::string_view each, bool marked) {
        scored.append(each, marked, ids, memory.pieces);
        return more();
      };
      cut_raw_tokens(
          text, [&](std::string_view stretch) { return (*marked_words_)(stretch, memory.words, word); },
          token);
      return;
    }
    append_all([&](std::string_view word) { scored.append(word, ids, memory.pieces); }, no_chunk);
  }
}

std::vector<std::string> tokenizer::words(std::string_view text) const {
  std::vector<std::string> all;
  marked_text marked;
  auto const word = [&](std::string_view each) {
    all.emplace_back(each);
    return true;
  };
  auto const chunk = [&](marked_text const& words) {
    words.for_each_word([&](char const* begin, std::size_t bytes) { all.emplace_back(begin, bytes); });
    return true;
  };
  visit(text, marked, word, chunk, [](std::int32_t) { return true; });
  return all;
}

std::size_t tokenizer::room_for_text(std::optional<truncation> const& cut) const {
  if (!cut) return no_limit;
  if (cut->max_length < special_tokens()) {
    throw std::invalid_argument("a text of at most " + std::to_string(cut->max_length) +
                                " tokens has no room for the " + std::to_string(special_tokens()) +
                                " special tokens of this model; allow more");
  }
  return cut->max_length - special_tokens();
}

// Appends the text itself; true where it was cut.
bool tokenizer::append_cut(std::string_view text, std::size_t room, side where,
                           std::vector<std::int32_t>& ids) const {
  std::size_t const begin = ids.size();
  bool const bounded = where == side::right && room < no_limit - begin;
  append_content(text, bounded ? begin + room + 1 : no_limit, ids);
  std::size_t const found = ids.size() - begin;
  if (found <= room) return false;
  auto const first = ids.begin() + static_cast<std::ptrdiff_t>(begin);
  if (where == side::left) {
    ids.erase(first, first + static_cast<std::ptrdiff_t>(found - room));
  } else {
    ids.resize(begin + room);
  }
  return true;
}

bool tokenizer::append(std::string_view text, std::optional<truncation> const& cut,
                       std::vector<std::int32_t>& ids, std::vector<std::int32_t>& type_ids) const {
  std::size_t const room = room_for_text(cut);
  bool truncated = false;
  for (auto const& part : parts_.post_template) {
    if (part.id) {
      ids.push_back(*part.id);
    } else {
      truncated = append_cut(text, room, cut ? cut->cut : side::right, ids);
    }
    type_ids.resize(ids.size(), part.type_id);
  }
  return truncated;
}

bool tokenizer::append(text_pair_view texts, truncation const& cut, pair_truncation strategy,
                       std::vector<std::int32_t>& ids, std::vector<std::int32_t>& type_ids) const {
  auto const special = special_tokens_of_pairs();
  if (cut.max_length < special) {
    throw std::invalid_argument("two texts of at most " + std::to_string(cut.max_length) +
                                " tokens together have no room for the " + std::to_string(special) +
                                " special tokens of this model; allow more");
  }
  std::vector<std::int32_t> first;
  std::vector<std::int32_t> second;
  append_content(texts.first, no_limit, first);
  append_content(texts.second, no_limit, second);
  auto const room = cut.max_length - special;
  bool const truncated = first.size() + second.size() > room;
  if (truncated && strategy == pair_truncation::only_first) {
    if (second.size() >= room) throw ml::text_too_long(cut.max_length);
    keep(first, room - second.size(), cut.cut);
  } else {
    auto const kept = cut_longest_first({first.size(), second.size()}, room);
    keep(first, kept.first, cut.cut);
    keep(second, kept.second, cut.cut);
  }
  for (auto const& part : parts_.pair_template) {
    auto const& text = part.second ? second : first;
    if (part.id) {
      ids.push_back(*part.id);
    } else {
      ids.insert(ids.end(), text.begin(), text.end());
    }
    type_ids.resize(ids.size(), part.type_id);
  }
  return truncated;
}

encoding tokenizer::encode(std::string_view text, std::optional<truncation> cut) const {
  encoding result;
  result.truncated = append(text, cut, result.ids, result.type_ids);
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
