// SPDX-License-Identifier: Apache-2.0
#include "model/unigram.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <stdexcept>

#include "model/metaspace.hpp"

namespace yonder::kernels {
namespace {

constexpr double unknown_penalty = 10;
// 2^13 words take half a MiB; 2^15 are worth a quarter of the time with 250,000 pieces.
constexpr int fewest_bits = 13;
constexpr int most_bits = 15;

std::size_t letter_bytes(char first) noexcept {
  auto const lead = static_cast<unsigned char>(first);
  return lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

// "<0x0A>"
std::string name_of_byte(std::size_t byte) {
  constexpr char const* digits = "0123456789ABCDEF";
  return {'<', '0', 'x', digits[byte >> 4], digits[byte & 15], '>'};
}

using word_key = std::array<std::uint64_t, unigram::slack / 8>;

// For each size of a word, what of its key is the word.
constexpr auto key_masks = [] {
  std::array<word_key, unigram::slack + 1> all{};
  constexpr std::uint64_t ones = ~std::uint64_t{0};
  constexpr bool little = std::endian::native == std::endian::little;
  for (std::size_t bytes = 0; bytes < all.size(); ++bytes)
    for (std::size_t i = 0; i < all[bytes].size(); ++i) {
      std::size_t const here = std::min<std::size_t>(bytes - std::min(bytes, 8 * i), 8);
      all[bytes][i] = here == 0 ? 0 : little ? ones >> (64 - 8 * here) : ones << (64 - 8 * here);
    }
  return all;
}();

// Precondition: unigram::slack bytes can be read at `word`.
word_key load_key(char const* word, std::size_t bytes) noexcept {
  word_key key;
  std::memcpy(key.data(), word, sizeof key);
  for (std::size_t i = 0; i < key.size(); ++i) key[i] &= key_masks[bytes][i];
  return key;
}

std::uint64_t hash_of(word_key const& key, std::uint8_t kind) noexcept {
  std::uint64_t const low = key[0] + std::rotl(key[2], 29) + kind;
  std::uint64_t const high = key[1] + std::rotl(key[3], 37);
  return (low + high * 0x9E3779B97F4A7C15U) * 0xD6E8FEB86659FD93U;
}

}  // namespace

unigram::unigram(std::vector<scored_piece> const& pieces, std::size_t unknown, bool byte_fallback)
    : size_(pieces.size()),
      cache_bits_(std::clamp(static_cast<int>(std::bit_width(pieces.size() / 8)), fewest_bits, most_bits)),
      unknown_(static_cast<std::int32_t>(unknown)) {
  if (unknown >= pieces.size()) throw std::out_of_range("unknown");
  double smallest = std::numeric_limits<double>::infinity();
  std::vector<double_array::entry> sorted;
  sorted.reserve(pieces.size());
  for (auto const& piece : pieces) {
    smallest = std::min(smallest, piece.score);
    sorted.push_back({piece.text, static_cast<std::int32_t>(sorted.size()), piece.score});
  }
  unknown_score_ = smallest - unknown_penalty;
  std::ranges::stable_sort(sorted, {}, &double_array::entry::text);
  pieces_ = double_array(sorted);
  byte_tokens_.fill(-1);
  for (std::size_t byte = 0; byte_fallback && byte < byte_tokens_.size(); ++byte)
    byte_tokens_[byte] = find(name_of_byte(byte)).value_or(-1);
}

std::optional<std::int32_t> unigram::find(std::string_view piece) const { return pieces_.find(piece); }

void unigram::find_best(std::string_view word, unigram_scratch& scratch) const {
  auto& ends = scratch.ends_;
  ends.assign(word.size() + 1, {});
  ends.front().score = 0;
  for (std::size_t begin = 0; begin < word.size();) {
    auto const* const from = &ends[begin];
    double const so_far = from->score;
    auto const offer = [&](std::size_t bytes, std::int32_t id, double score) {
      auto& best = ends[begin + bytes];
      double const sum = score + so_far;
      if (!(sum <= best.score)) best = {sum, static_cast<std::uint32_t>(begin), id};
    };
    std::size_t const letter = letter_bytes(word[begin]);
    bool has_letter = false;
    pieces_.for_each_prefix(word.substr(begin), [&](std::size_t bytes, std::int32_t id, double score) {
      offer(bytes, id, score);
      has_letter |= bytes == letter;
    });
    if (!has_letter) offer(letter, unknown_, unknown_score_);
    begin += letter;
  }
}

// The pieces of the best way, the last one first, unknown ones joined.
void unigram::collect(std::string_view word, unigram_scratch& scratch) const {
  auto& found = scratch.found_;
  found.clear();
  for (std::size_t end = word.size(); end > 0;) {
    auto const& best = scratch.ends_[end];
    std::size_t const bytes = end - best.begin;
    bool const joins = best.id == unknown_ && !found.empty() && found.back().id == unknown_;
    if (joins) {
      found.back().bytes += bytes;
    } else {
      found.push_back({best.id, bytes});
    }
    end = best.begin;
  }
}

template <class Each>
void unigram::cut_unknown(std::string_view letters, Each&& each) const {
  auto const token_of = [this](char byte) { return byte_tokens_[static_cast<unsigned char>(byte)]; };
  auto const known = find(letters);
  if (known || !std::ranges::all_of(letters, [&](char byte) { return token_of(byte) >= 0; }))
    return each(word_piece{known.value_or(unknown_), letters.size()});
  for (std::size_t i = 0; i < letters.size(); ++i)
    each(word_piece{token_of(letters[i]), letters.size(), i + 1 == letters.size()});
}

template <class Each>
void unigram::for_each_piece(std::string_view word, unigram_scratch& scratch, Each&& each) const {
  find_best(word, scratch);
  collect(word, scratch);
  for (std::size_t i = scratch.found_.size(); i > 0; --i) {
    auto const& piece = scratch.found_[i - 1];
    if (piece.id == unknown_) {
      cut_unknown(word.substr(0, piece.bytes), each);
    } else {
      each(piece);
    }
    word.remove_prefix(piece.bytes);
  }
}

void unigram::append(std::string_view word, std::vector<word_piece>& pieces, unigram_scratch& scratch) const {
  for_each_piece(word, scratch, [&](word_piece const& piece) { pieces.push_back(piece); });
}

void unigram::append(std::string_view word, std::vector<std::int32_t>& ids, unigram_scratch& scratch) const {
  if (word.size() > slack) {
    for_each_piece(word, scratch, [&](word_piece const& piece) { ids.push_back(piece.id); });
    return;
  }
  std::array<char, slack> readable{};
  std::ranges::copy(word, readable.begin());
  append({readable.data(), word.size()}, false, ids, scratch);
}

void unigram::append(std::string_view word, bool marked, std::vector<std::int32_t>& ids,
                     unigram_scratch& scratch) const {
  using cached = unigram_scratch::cached;
  auto const put = [&](word_piece const& piece) { ids.push_back(piece.id); };
  auto const cut = [&] {
    if (!marked) return for_each_piece(word, scratch, put);
    scratch.word_ = metaspace::usual_mark;
    scratch.word_ += word;
    for_each_piece(scratch.word_, scratch, put);
  };
  if (word.size() > slack) return cut();
  if (scratch.cache_.empty()) scratch.cache_.resize(std::size_t{1} << cache_bits_);
  auto const kind = static_cast<std::uint8_t>(word.size() + (marked ? slack + 1 : 0));
  auto const key = load_key(word.data(), word.size());
  auto& known = scratch.cache_[hash_of(key, kind) >> (64 - cache_bits_)];
  if (known.word == key && known.kind == kind) {
    ids.insert(ids.end(), known.ids.begin(), known.ids.begin() + known.count);
    return;
  }
  std::size_t const begin = ids.size();
  cut();
  std::size_t const count = ids.size() - begin;
  if (count > cached::max_ids) return;
  known.word = key;
  known.kind = kind;
  known.count = static_cast<std::uint8_t>(count);
  std::copy(ids.begin() + static_cast<std::ptrdiff_t>(begin), ids.end(), known.ids.begin());
}

}  // namespace yonder::kernels
