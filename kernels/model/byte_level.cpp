// SPDX-License-Identifier: Apache-2.0
#include "model/byte_level.hpp"

#include <algorithm>
#include <bit>
#include <stdexcept>
#include <unordered_map>

#include "model/unicode.hpp"

namespace yonder::kernels::byte_level {
namespace {

enum class kind : std::uint8_t { letter, number, space, other };

kind kind_of(char32_t code) noexcept {
  auto const what = unicode::properties(code);
  if ((what & unicode::letter) != 0) return kind::letter;
  if ((what & unicode::number) != 0) return kind::number;
  return (what & unicode::whitespace) != 0 ? kind::space : kind::other;
}

constexpr auto ascii_kinds = [] {
  std::array<kind, 128> kinds{};
  for (std::size_t c = 0; c < kinds.size(); ++c) {
    bool const is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    bool const is_space = c == ' ' || (c >= '\t' && c <= '\r');
    bool const is_number = c >= '0' && c <= '9';
    kinds[c] = is_letter ? kind::letter : is_number ? kind::number : is_space ? kind::space : kind::other;
  }
  return kinds;
}();

struct character {
  kind what;
  std::size_t bytes;
};

character character_at(std::string_view text, std::size_t at) noexcept {
  auto const byte = static_cast<unsigned char>(text[at]);
  if (byte < ascii_kinds.size()) return {ascii_kinds[byte], 1};
  auto const [code, bytes] = unicode::decode(text.data() + at);
  return {kind_of(code), bytes};
}

// Where the characters of this kind that begin at `at` end.
std::size_t end_of_run(std::string_view text, std::size_t at, kind what) noexcept {
  while (at < text.size()) {
    auto const [found, bytes] = character_at(text, at);
    if (found != what) break;
    at += bytes;
  }
  return at;
}

// All of it at the end of the text; else without its last character, which goes with what follows, unless it
// is the only one.
std::size_t end_of_space(std::string_view text) noexcept {
  std::size_t const end = end_of_run(text, 0, kind::space);
  if (end == text.size()) return end;
  std::size_t const last = unicode::decode_before(text.data() + end).bytes;
  return end == last ? end : end - last;
}

std::size_t contraction_bytes(std::string_view text) noexcept {
  if (text.size() < 2) return 0;
  switch (text[1]) {
    case 's':
    case 't':
    case 'm':
    case 'd': return 2;
    case 'r':
    case 'v': return text.size() > 2 && text[2] == 'e' ? 3 : 0;
    case 'l': return text.size() > 2 && text[2] == 'l' ? 3 : 0;
    default: return 0;
  }
}

std::size_t word_bytes(std::string_view text) noexcept {
  if (text.front() == '\'') {
    if (std::size_t const bytes = contraction_bytes(text)) return bytes;
  }
  std::size_t const begin = text.front() == ' ' && text.size() > 1 ? 1 : 0;
  auto const [what, bytes] = character_at(text, begin);
  return what == kind::space ? end_of_space(text) : end_of_run(text, begin + bytes, what);
}

// GPT-2's bytes_to_unicode: what prints in Latin-1 is itself, the other bytes follow U+00FF in order.
bool stands_for_itself(unsigned byte) noexcept {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD && byte <= 0xFF);
}

struct alphabet {
  std::array<char32_t, 256> codes{};
  std::array<int, 0x144> bytes{};  // -1: none

  alphabet() {
    bytes.fill(-1);
    char32_t next = 0x100;
    for (unsigned byte = 0; byte < codes.size(); ++byte) {
      codes[byte] = stands_for_itself(byte) ? static_cast<char32_t>(byte) : next++;
      bytes[codes[byte]] = static_cast<int>(byte);
    }
  }
};

alphabet const& letters() {
  static alphabet const all;
  return all;
}

}  // namespace

bool take_word(std::string_view& text, std::string_view& word) noexcept {
  if (text.empty()) return false;
  word = text.substr(0, word_bytes(text));
  text.remove_prefix(word.size());
  return true;
}

std::optional<std::string> bytes_of(std::string_view token) {
  std::string bytes;
  for (std::size_t at = 0; at < token.size();) {
    auto const [code, length] = unicode::decode(token.data() + at);
    int const byte = code < letters().bytes.size() ? letters().bytes[code] : -1;
    if (byte < 0) return std::nullopt;
    bytes.push_back(static_cast<char>(byte));
    at += length;
  }
  return bytes;
}

std::string token_of(std::string_view bytes) {
  std::string token;
  for (char const byte : bytes) unicode::append(token, letters().codes[static_cast<unsigned char>(byte)]);
  return token;
}

merge_table::merge_table(std::size_t merges)
    : shift_(64 - static_cast<int>(std::bit_width(2 * merges + 2))),
      slots_(std::size_t{1} << (64 - shift_)) {}

// Of the pair, or of the free place for it; there is always one.
std::size_t merge_table::index_of(std::uint64_t pair) const noexcept {
  std::size_t at = pair * 0x9E3779B97F4A7C15U >> shift_;
  while (slots_[at].pair != pair && slots_[at].pair != empty) at = (at + 1) % slots_.size();
  return at;
}

namespace {

std::uint64_t pair_of(std::int32_t left, std::int32_t right) noexcept {
  return std::uint64_t{static_cast<std::uint32_t>(left)} << 32 | static_cast<std::uint32_t>(right);
}

}  // namespace

void merge_table::add(std::int32_t left, std::int32_t right, merge what) {
  std::uint64_t const pair = pair_of(left, right);
  slots_[index_of(pair)] = {pair, what};
}

merge_table::merge merge_table::find(std::int32_t left, std::int32_t right) const noexcept {
  return slots_[index_of(pair_of(left, right))].what;
}

bpe::bpe(std::vector<entry> vocabulary, std::vector<merge_rule> const& merges)
    : vocabulary_(std::move(vocabulary)), merges_(merges.size()), whole_words_(vocabulary_.size()) {
  std::sort(vocabulary_.begin(), vocabulary_.end());
  for (auto const& [token, id] : vocabulary_) largest_id_ = std::max(largest_id_, id);
  for (std::size_t byte = 0; byte < bytes_.size(); ++byte) {
    char const each = static_cast<char>(byte);
    bytes_[byte] = required(token_of({&each, 1}));
  }
  std::unordered_map<std::string_view, std::int32_t> ids;
  ids.reserve(vocabulary_.size());
  for (auto const& [token, id] : vocabulary_) ids.emplace(token, id);
  auto const id_of = [&](std::string const& token) {
    auto const found = ids.find(token);
    if (found == ids.end()) throw std::out_of_range(token);
    return found->second;
  };
  std::uint32_t rank = 0;
  for (auto const& [left, right] : merges) {
    merges_.add(id_of(left), id_of(right), {rank++, id_of(left + right)});
  }
  find_whole_words();
}

std::int32_t bpe::required(std::string const& token) const {
  if (auto const id = find(token)) return *id;
  throw std::out_of_range(token);
}

void bpe::find_whole_words() {
  bpe_scratch scratch;
  std::vector<std::int32_t> ids;
  for (auto const& [token, id] : vocabulary_) {
    auto const bytes = bytes_of(token);
    if (!bytes || bytes->empty() || bytes->size() > word_key::max_bytes) continue;
    ids.clear();
    append_uncached(*bytes, ids, scratch);
    if (ids.size() == 1) whole_words_.add(*bytes, ids.front());
  }
}

std::optional<std::int32_t> bpe::find(std::string_view token) const {
  auto const found = std::lower_bound(vocabulary_.begin(), vocabulary_.end(), token,
                                      [](auto const& e, std::string_view text) { return e.first < text; });
  if (found == vocabulary_.end() || found->first != token) return std::nullopt;
  return found->second;
}

void bpe::append(std::string_view word, std::vector<std::int32_t>& ids, bpe_scratch& scratch) const {
  if (word.size() > word_key::max_bytes) return append_uncached(word, ids, scratch);
  auto const key = word_key::copy(word);
  if (auto const id = whole_words_.find(key); id >= 0) return ids.push_back(id);
  if (scratch.cache_.empty()) scratch.cache_.resize(std::size_t{1} << bpe_scratch::cache_bits);
  auto& known = scratch.cache_[key.hash() >> (64 - bpe_scratch::cache_bits)];
  if (known.low == key.low && known.high == key.high && known.bytes == key.bytes && known.count != 0) {
    ids.insert(ids.end(), known.ids.begin(), known.ids.begin() + known.count);
    return;
  }
  std::size_t const begin = ids.size();
  append_uncached(word, ids, scratch);
  std::size_t const count = ids.size() - begin;
  if (count > bpe_scratch::cached::max_ids) return;
  known = {key.low, key.high, key.bytes, static_cast<std::uint32_t>(count), {}};
  std::copy(ids.begin() + static_cast<std::ptrdiff_t>(begin), ids.end(), known.ids.begin());
}

void bpe::append(std::string_view word, std::vector<word_piece>& pieces, bpe_scratch& scratch) const {
  merge(word, scratch);
  auto const& all = scratch.symbols_;
  for (std::size_t at = 0; at < all.size(); at = all[at].after)
    pieces.push_back({all[at].id, all[at].after - at});
}

void bpe::append_uncached(std::string_view word, std::vector<std::int32_t>& ids, bpe_scratch& scratch) const {
  merge(word, scratch);
  auto const& all = scratch.symbols_;
  for (std::size_t at = 0; at < all.size(); at = all[at].after) ids.push_back(all[at].id);
}

void bpe::merge(std::string_view word, bpe_scratch& scratch) const {
  constexpr std::size_t longest_short = 48;
  auto& all = scratch.symbols_;
  split(word, all);
  if (all.size() <= longest_short) {
    merge_short(all);
  } else {
    merge_long(scratch);
  }
}

void bpe::split(std::string_view word, symbols& to) const {
  to.resize(word.size());
  for (std::uint32_t i = 0; i < word.size(); ++i) {
    to[i] = {bytes_[static_cast<unsigned char>(word[i])], i - 1, i + 1, {}};
  }
  for (std::size_t i = 0; i + 1 < to.size(); ++i) to[i].next = merges_.find(to[i].id, to[i + 1].id);
}

// The symbol at `place` takes in the one after it.
void bpe::join(symbols& word, std::uint32_t place) const {
  auto& joined = word[place];
  std::uint32_t const gone = joined.after;
  joined.id = joined.next.id;
  joined.after = word[gone].after;
  word[gone].next = {};
  bool const last = joined.after >= word.size();
  joined.next = last ? merge_table::merge{} : merges_.find(joined.id, word[joined.after].id);
  if (!last) word[joined.after].before = place;
  if (place == 0) return;
  auto& before = word[joined.before];
  before.next = merges_.find(before.id, joined.id);
}

void bpe::merge_short(symbols& word) const {
  for (;;) {
    std::uint32_t best = 0;
    for (std::uint32_t at = word.front().after; at < word.size(); at = word[at].after) {
      if (word[at].next.rank < word[best].next.rank) best = at;
    }
    if (word[best].next.rank == merge_table::no_rank) return;
    join(word, best);
  }
}

// The queue holds all merges that are possible, and some that no longer are.
void bpe::merge_long(bpe_scratch& scratch) const {
  auto& word = scratch.symbols_;
  auto& queue = scratch.queue_;
  auto const later = [](auto const& a, auto const& b) {
    return a.rank != b.rank ? a.rank > b.rank : a.place > b.place;
  };
  queue.clear();
  for (std::uint32_t i = 0; i < word.size(); ++i) {
    if (word[i].next.rank != merge_table::no_rank) queue.push_back({word[i].next.rank, i});
  }
  std::make_heap(queue.begin(), queue.end(), later);
  auto const push = [&](std::uint32_t place) {
    if (word[place].next.rank == merge_table::no_rank) return;
    queue.push_back({word[place].next.rank, place});
    std::push_heap(queue.begin(), queue.end(), later);
  };
  while (!queue.empty()) {
    std::pop_heap(queue.begin(), queue.end(), later);
    auto const [rank, place] = queue.back();
    queue.pop_back();
    if (word[place].next.rank != rank) continue;
    join(word, place);
    push(place);
    if (place != 0) push(word[place].before);
  }
}

}  // namespace yonder::kernels::byte_level
