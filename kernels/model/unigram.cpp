// SPDX-License-Identifier: Apache-2.0
#include "model/unigram.hpp"

#include <algorithm>
#include <cstring>
#include <limits>
#include <stdexcept>

namespace yonder::kernels {
namespace {

constexpr double unknown_penalty = 10;

std::size_t letter_bytes(char first) noexcept {
  auto const lead = static_cast<unsigned char>(first);
  return lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

// "<0x0A>"
std::string name_of_byte(std::size_t byte) {
  constexpr char const* digits = "0123456789ABCDEF";
  return {'<', '0', 'x', digits[byte >> 4], digits[byte & 15], '>'};
}

std::uint64_t hash_of(std::string_view word) noexcept {
  constexpr std::uint64_t factor = 0x9E3779B97F4A7C15U;
  std::uint64_t hash = word.size();
  for (std::size_t at = 0; at < word.size(); at += 8) {
    std::uint64_t part = 0;
    std::memcpy(&part, word.data() + at, std::min<std::size_t>(8, word.size() - at));
    hash = (hash ^ part) * factor;
    hash ^= hash >> 29;
  }
  return hash * factor;
}

}  // namespace

unigram::unigram(std::vector<scored_piece> const& pieces, std::size_t unknown, bool byte_fallback)
    : size_(pieces.size()), unknown_(static_cast<std::int32_t>(unknown)) {
  if (unknown >= pieces.size()) throw std::out_of_range("unknown");
  double smallest = std::numeric_limits<double>::infinity();
  std::vector<entry> sorted;
  sorted.reserve(pieces.size());
  for (auto const& piece : pieces) {
    smallest = std::min(smallest, piece.score);
    sorted.push_back({piece.text, static_cast<std::int32_t>(sorted.size()), piece.score});
  }
  unknown_score_ = smallest - unknown_penalty;
  std::ranges::stable_sort(sorted, {}, &entry::text);
  build(sorted);
  byte_tokens_.fill(-1);
  for (std::size_t byte = 0; byte_fallback && byte < byte_tokens_.size(); ++byte)
    byte_tokens_[byte] = find(name_of_byte(byte)).value_or(-1);
}

// Breadth first: a node's entries are those that share its text, the one that ends there first.
void unigram::build(std::vector<entry> const& sorted) {
  struct range {
    std::size_t begin;
    std::size_t end;
    std::size_t depth;
  };
  std::vector<range> open = {{0, sorted.size(), 0}};
  nodes_.push_back({});
  labels_.push_back(0);
  for (std::size_t at = 0; at < open.size(); ++at) {
    auto [begin, end, depth] = open[at];
    for (; begin < end && sorted[begin].text.size() == depth; ++begin) {
      nodes_[at].id = sorted[begin].id;
      nodes_[at].score = sorted[begin].score;
    }
    if (nodes_.size() > none / 2) throw std::length_error("pieces");
    nodes_[at].children = static_cast<std::uint32_t>(nodes_.size());
    while (begin < end) {
      char const label = sorted[begin].text[depth];
      std::size_t next = begin;
      while (next < end && sorted[next].text[depth] == label) ++next;
      open.push_back({begin, next, depth + 1});
      nodes_.push_back({});
      labels_.push_back(static_cast<unsigned char>(label));
      begin = next;
    }
    nodes_[at].count = static_cast<std::uint32_t>(nodes_.size()) - nodes_[at].children;
  }
  roots_.fill(none);
  for (std::uint32_t i = 0; i < nodes_.front().count; ++i) {
    auto const first = nodes_.front().children + i;
    roots_[labels_[first]] = first;
  }
}

std::uint32_t unigram::child(std::uint32_t at, unsigned char byte) const noexcept {
  auto const& parent = nodes_[at];
  unsigned char const* const first = labels_.data() + parent.children;
  if (parent.count == 1) return *first == byte ? parent.children : none;
  if (parent.count == 0) return none;
  auto const* const found = static_cast<unsigned char const*>(std::memchr(first, byte, parent.count));
  return found == nullptr ? none : static_cast<std::uint32_t>(found - labels_.data());
}

std::optional<std::int32_t> unigram::find(std::string_view piece) const {
  std::uint32_t at = 0;
  for (char const byte : piece) {
    at = child(at, static_cast<unsigned char>(byte));
    if (at == none) return std::nullopt;
  }
  return nodes_[at].id < 0 ? std::nullopt : std::optional(nodes_[at].id);
}

void unigram::find_best(std::string_view word, unigram_scratch& scratch) const {
  auto& ends = scratch.ends_;
  ends.assign(word.size() + 1, {});
  for (std::size_t begin = 0; begin < word.size();) {
    double const so_far = ends[begin].score;
    auto const offer = [&](std::size_t end, double score, std::int32_t id) {
      auto& best = ends[end];
      double const sum = score + so_far;
      if (best.begin == unigram_scratch::none || sum > best.score)
        best = {sum, static_cast<std::uint32_t>(begin), id};
    };
    std::size_t const letter = begin + letter_bytes(word[begin]);
    bool has_letter = false;
    std::size_t end = begin + 1;
    for (auto at = roots_[static_cast<unsigned char>(word[begin])]; at != none;) {
      if (nodes_[at].id >= 0) {
        offer(end, nodes_[at].score, nodes_[at].id);
        has_letter |= end == letter;
      }
      if (end == word.size()) break;
      at = child(at, static_cast<unsigned char>(word[end++]));
    }
    if (!has_letter) offer(letter, unknown_score_, unknown_);
    begin = letter;
  }
}

// The pieces of the best way, in order, unknown ones joined.
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
  std::ranges::reverse(found);
}

void unigram::append_unknown(std::string_view letters, std::vector<word_piece>& pieces) const {
  auto const token_of = [this](char byte) { return byte_tokens_[static_cast<unsigned char>(byte)]; };
  auto const known = find(letters);
  if (known || !std::ranges::all_of(letters, [&](char byte) { return token_of(byte) >= 0; })) {
    pieces.push_back({known.value_or(unknown_), letters.size()});
    return;
  }
  for (char const byte : letters) pieces.push_back({token_of(byte), letters.size(), false});
  pieces.back().last = true;
}

void unigram::append(std::string_view word, std::vector<word_piece>& pieces, unigram_scratch& scratch) const {
  find_best(word, scratch);
  collect(word, scratch);
  for (auto const& piece : scratch.found_) {
    if (piece.id == unknown_) {
      append_unknown(word.substr(0, piece.bytes), pieces);
    } else {
      pieces.push_back(piece);
    }
    word.remove_prefix(piece.bytes);
  }
}

void unigram::append(std::string_view word, std::vector<std::int32_t>& ids, unigram_scratch& scratch) const {
  using cached = unigram_scratch::cached;
  if (scratch.cache_.empty()) scratch.cache_.resize(std::size_t{1} << unigram_scratch::cache_bits);
  bool const is_short = word.size() <= cached::max_bytes;
  auto& known = scratch.cache_[is_short ? hash_of(word) >> (64 - unigram_scratch::cache_bits) : 0];
  if (is_short && known.bytes == word.size() &&
      std::memcmp(known.word.data(), word.data(), word.size()) == 0) {
    ids.insert(ids.end(), known.ids.begin(), known.ids.begin() + known.count);
    return;
  }
  std::size_t const begin = ids.size();
  std::vector<word_piece>& pieces = scratch.pieces_;
  pieces.clear();
  append(word, pieces, scratch);
  for (auto const& piece : pieces) ids.push_back(piece.id);
  std::size_t const count = ids.size() - begin;
  if (!is_short || count > cached::max_ids) return;
  known.bytes = static_cast<std::uint8_t>(word.size());
  known.count = static_cast<std::uint8_t>(count);
  std::ranges::copy(word, known.word.begin());
  std::ranges::transform(pieces, known.ids.begin(), &word_piece::id);
}

}  // namespace yonder::kernels
