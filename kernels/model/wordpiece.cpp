// SPDX-License-Identifier: Apache-2.0
#include "model/wordpiece.hpp"

#include <algorithm>
#include <span>
#include <stdexcept>

namespace yonder::kernels {
namespace {

bool begins_code_point(char byte) noexcept { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; }

std::size_t count_code_points(std::string_view text) noexcept {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), begins_code_point));
}

// Sorted, the last of equal ones kept.
void sort_unique(std::vector<wordpiece::entry>& vocabulary) {
  auto const less = [](auto const& a, auto const& b) { return a.first < b.first; };
  if (!std::is_sorted(vocabulary.begin(), vocabulary.end(), less)) {
    std::stable_sort(vocabulary.begin(), vocabulary.end(), less);
  }
  auto const same = [](auto const& a, auto const& b) { return a.first == b.first; };
  auto const kept = std::unique(vocabulary.rbegin(), vocabulary.rend(), same);
  vocabulary.erase(vocabulary.begin(), kept.base());
}

}  // namespace

// Nodes are numbered breadth first, so that the children of a node stand side by side, and what a failure
// link refers to, which is nearer to a root, is there before it.
class piece_trie::builder {
 public:
  explicit builder(piece_trie& trie) : trie_(trie) {}

  void build(std::vector<entry> const& first, std::vector<entry> const& next) {
    std::size_t bytes = 0;
    for (auto const* const entries : {&first, &next}) {
      for (auto const& each : *entries) bytes += each.first.size();
    }
    if (bytes >= std::size_t{1} << 31) throw std::length_error("the vocabulary has 2 GiB or more");
    add_node(0, none, first);
    add_node(0, none, next);
    for (std::uint32_t at = 0; at < trie_.nodes_.size(); ++at) add_children(at);
    for (std::uint32_t at = inside_word + 1; at < trie_.nodes_.size(); ++at) link(at);
    trie_.labels_.resize(trie_.labels_.size() + ascii::find_slack);
  }

 private:
  struct origin {
    std::uint32_t parent;
    std::span<entry const> entries;  // those that begin with the node's bytes
    std::size_t depth;
    std::int32_t id;  // of the token that ends here, or -1
  };

  void add_node(std::size_t depth, std::uint32_t parent, std::span<entry const> entries) {
    bool const ends = depth != 0 && entries.front().first.size() == depth;
    origins_.push_back({parent, entries, depth, ends ? entries.front().second : -1});
    trie_.labels_.push_back(depth == 0 ? 0 : static_cast<unsigned char>(entries.front().first[depth - 1]));
    trie_.nodes_.emplace_back();
  }

  void add_children(std::uint32_t at) {
    auto const [parent, all, depth, id] = origins_[at];
    auto entries = all.subspan(id >= 0 ? 1 : 0);
    trie_.nodes_[at].children = static_cast<std::uint32_t>(trie_.nodes_.size());
    while (!entries.empty()) {
      char const label = entries.front().first[depth];
      auto const end = std::find_if(entries.begin(), entries.end(),
                                    [&, where = depth](auto const& e) { return e.first[where] != label; });
      auto const same = static_cast<std::size_t>(end - entries.begin());
      add_node(depth + 1, at, entries.first(same));
      ++trie_.nodes_[at].children_count;
      entries = entries.subspan(same);
    }
  }

  // Algorithm 2 of the paper.
  void link(std::uint32_t at) {
    auto const& [parent, entries, depth, id] = origins_[at];
    node& here = trie_.nodes_[at];
    if (parent <= inside_word) trie_.roots_[parent][trie_.labels_[at]] = at;
    if (id >= 0) {
      here.fail = inside_word;
      here.pops = append(none, id);
      return;
    }
    node const& above = trie_.nodes_[parent];
    std::uint32_t pops = above.pops;
    std::uint32_t from = above.fail;
    std::uint32_t to = none;
    while (from != none && (to = find_child(from, trie_.labels_[at])) == none) {
      pops = append_all(pops, trie_.nodes_[from].pops);
      from = trie_.nodes_[from].fail;
    }
    here.fail = to;
    here.pops = to == none ? none : pops;
  }

  // Roots too, whose table is not complete yet.
  std::uint32_t find_child(std::uint32_t at, unsigned char byte) const {
    node const& from = trie_.nodes_[at];
    auto const* const begin = trie_.labels_.data() + from.children;
    auto const* const end = begin + from.children_count;
    auto const* const found = std::lower_bound(begin, end, byte);
    return found == end || *found != byte ? none : static_cast<std::uint32_t>(found - trie_.labels_.data());
  }

  std::uint32_t append(std::uint32_t before, std::int32_t id) {
    std::uint32_t const length = before == none ? 1 : trie_.pops_[before].length + 1;
    trie_.pops_.push_back({before, length, id});
    return static_cast<std::uint32_t>(trie_.pops_.size() - 1);
  }

  std::uint32_t append_all(std::uint32_t before, std::uint32_t more) {
    if (more == none) return before;
    std::vector<std::int32_t> ids(trie_.pops_[more].length);
    trie_.emit(more, ids.data());
    for (auto const id : ids) before = append(before, id);
    return before;
  }

  piece_trie& trie_;
  std::vector<origin> origins_;
};

piece_trie::piece_trie(std::vector<entry> const& first, std::vector<entry> const& next) {
  for (auto& root : roots_) root.fill(none);
  builder(*this).build(first, next);
}

std::uint32_t piece_trie::child(std::uint32_t at, unsigned char byte) const noexcept {
  if (at <= inside_word) return roots_[at][byte];
  node const& from = nodes_[at];
  auto const position = ascii::find_byte(labels_.data() + from.children, from.children_count, byte);
  return position < from.children_count ? from.children + static_cast<std::uint32_t>(position) : none;
}

std::int32_t* piece_trie::emit(std::uint32_t pops, std::int32_t* to) const noexcept {
  if (pops == none) return to;
  std::int32_t* const end = to + pops_[pops].length;
  for (std::int32_t* at = end; pops != none; pops = pops_[pops].before) *--at = pops_[pops].id;
  return end;
}

// Algorithm 1 of the paper.
std::int32_t* piece_trie::match(std::string_view word, std::int32_t* to) const noexcept {
  std::uint32_t at = begin_word;
  auto const give_up = [&] {
    if (nodes_[at].fail == none) return true;
    to = emit(nodes_[at].pops, to);
    at = nodes_[at].fail;
    return false;
  };
  for (char const c : word) {
    std::uint32_t next = none;
    while ((next = child(at, static_cast<unsigned char>(c))) == none) {
      if (give_up()) return nullptr;
    }
    at = next;
  }
  while (at != inside_word) {
    if (give_up()) return nullptr;
  }
  return to;
}

wordpiece::wordpiece(std::vector<entry> vocabulary, wordpiece_options const& options)
    : vocabulary_(std::move(vocabulary)),
      whole_words_(vocabulary_.size()),
      continuing_prefix_(options.continuing_prefix),
      max_word_chars_(options.max_word_chars) {
  sort_unique(vocabulary_);
  auto const unknown = find(options.unknown_token);
  if (!unknown) throw std::out_of_range("the unknown token is not in the vocabulary");
  unknown_id_ = *unknown;
  std::vector<piece_trie::entry> first;
  std::vector<piece_trie::entry> next;
  for (auto const& [token, id] : vocabulary_) {
    largest_id_ = std::max(largest_id_, id);
    longest_token_ = std::max(longest_token_, token.size());
    if (!token.empty()) first.emplace_back(token, id);
    if (token.size() > options.continuing_prefix.size() && token.starts_with(options.continuing_prefix)) {
      next.emplace_back(std::string_view(token).substr(options.continuing_prefix.size()), id);
    }
  }
  trie_ = piece_trie(first, next);
  fill_tables();
}

void wordpiece::fill_tables() {
  for (auto const& [token, id] : vocabulary_) {
    if (count_code_points(token) <= max_word_chars_) whole_words_.add(token, id);
  }
  for (std::size_t c = 0; c < whole_characters_.size(); ++c) {
    char const byte = static_cast<char>(c);
    write({&byte, 1}, &whole_characters_[c]);
  }
}

std::optional<std::int32_t> wordpiece::find(std::string_view token) const {
  auto const found = std::lower_bound(vocabulary_.begin(), vocabulary_.end(), token,
                                      [](auto const& e, std::string_view text) { return e.first < text; });
  if (found == vocabulary_.end() || found->first != token) return std::nullopt;
  return found->second;
}

// Room for one id per byte must be there.
std::int32_t* wordpiece::write(std::string_view word, std::int32_t* to) const noexcept {
  if (word.size() <= max_word_chars_ || count_code_points(word) <= max_word_chars_) {
    if (auto* const end = trie_.match(word, to)) return end;
  }
  *to = unknown_id_;
  return to + 1;
}

void wordpiece::append(std::string_view word, std::vector<std::int32_t>& ids) const {
  std::size_t const before = ids.size();
  ids.resize(before + word.size());
  auto const* const end = write(word, ids.data() + before);
  ids.resize(static_cast<std::size_t>(end - ids.data()));
}

// At the front of `word`; of no bytes where there is none.
word_piece wordpiece::longest_piece(std::string_view word, bool first) const {
  std::string token = first ? std::string() : continuing_prefix_;
  std::size_t const prefix = token.size();
  token += word.substr(0, longest_token_);
  for (; token.size() > prefix; token.pop_back()) {
    bool const whole = token.size() - prefix == word.size() || begins_code_point(word[token.size() - prefix]);
    if (!whole) continue;
    if (auto const id = find(token)) return {*id, token.size() - prefix};
  }
  return {};
}

void wordpiece::append(std::string_view word, std::vector<word_piece>& pieces) const {
  std::size_t const before = pieces.size();
  bool known = count_code_points(word) <= max_word_chars_;
  for (auto left = word; known && !left.empty();) {
    auto const piece = longest_piece(left, pieces.size() == before);
    known = piece.bytes != 0;
    if (known) pieces.push_back(piece);
    left.remove_prefix(piece.bytes);
  }
  if (known) return;
  pieces.resize(before);
  pieces.push_back({unknown_id_, word.size()});
}

void wordpiece::append(marked_text const& text, std::vector<std::int32_t>& ids) const {
  std::size_t const before = ids.size();
  ids.resize(before + text.text_bytes());
  std::int32_t* to = ids.data() + before;
  text.for_each_word([&](char const* word, std::size_t bytes) {
    if (bytes == 1 && static_cast<signed char>(*word) >= 0) {
      *to++ = whole_characters_[static_cast<unsigned char>(*word)];
      return;
    }
    if (bytes <= word_key::max_bytes) {
      auto const id = whole_words_.find(word_key::load(word, bytes));
      if (id >= 0) {
        *to++ = id;
        return;
      }
    }
    to = write({word, bytes}, to);
  });
  ids.resize(static_cast<std::size_t>(to - ids.data()));
}

}  // namespace yonder::kernels
