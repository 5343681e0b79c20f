// SPDX-License-Identifier: Apache-2.0
#include "ml/entities.hpp"

#include <algorithm>
#include <cstddef>

#include "cpu/heads.hpp"

namespace yonder::kernels {
namespace {

using ml::aggregation;
using ml::entity;

std::size_t letter_count(std::string_view text) noexcept {
  return static_cast<std::size_t>(std::ranges::count_if(
      text, [](char byte) { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; }));
}

std::size_t best_label(std::span<float const> scores) noexcept {
  return static_cast<std::size_t>(std::ranges::max_element(scores) - scores.begin());
}

// B- and I- apart from what they say; another label goes on where the same one stands before it.
struct tag {
  bool begins;
  std::string_view name;

  explicit tag(std::string_view label)
      : begins(label.starts_with("B-")), name(begins || label.starts_with("I-") ? label.substr(2) : label) {}
};

entity join_group(std::span<entity const> group) {
  std::string const& label = group.front().label;
  auto const dash = label.find('-');
  double sum = 0;
  for (auto const& each : group) sum += each.score;
  return {dash == label.npos ? label : label.substr(dash + 1),
          static_cast<float>(sum / static_cast<double>(group.size())), group.front().begin, group.back().end};
}

std::vector<entity> join_neighbours(std::vector<entity> const& found) {
  std::vector<entity> groups;
  for (std::size_t begin = 0, end = 1; begin < found.size(); begin = end++) {
    for (; end < found.size(); ++end) {
      tag const next(found[end].label);
      if (next.begins || next.name != tag(found[end - 1].label).name) break;
    }
    groups.push_back(join_group(std::span(found).subspan(begin, end - begin)));
  }
  return groups;
}

}  // namespace

struct entity_finder::scored_token {
  byte_span bytes;
  bool goes_on;               // the word of the token before it
  std::vector<float> scores;  // of each label
};

// By the length of the token's text, or by a space, where tokens carry no mark: so it is found in
// transformers.
bool entity_finder::goes_on_word(std::string_view text, std::int32_t id, token_place const& place) const {
  auto const [begin, end] = place.bytes;
  if (id == tokens_.unknown_id()) return false;
  if (!tokens_.continuing_prefix().empty())
    return place.letters != letter_count(text.substr(begin, std::max(begin, end) - begin));
  return begin > 0 && text[begin - 1] != ' ' && (begin == text.size() || text[begin] != ' ');
}

std::vector<entity_finder::scored_token> entity_finder::score(std::string_view text,
                                                              token_window const& window,
                                                              std::span<float const> logits) const {
  std::vector<scored_token> tokens;
  for (std::size_t i = 0; i < window.ids.size(); ++i) {
    if (!window.asked[i]) continue;
    auto const row = logits.subspan(i * labels_.size(), labels_.size());
    tokens.push_back({window.places[i].bytes,
                      goes_on_word(text, window.ids[i], window.places[i]),
                      {row.begin(), row.end()}});
    auto& scores = tokens.back().scores;
    cpu::apply_scores(score_function::softmax, scores.data(), scores.size());
  }
  return tokens;
}

entity entity_finder::best_of(scored_token const& token) const {
  auto const best = best_label(token.scores);
  return {labels_[best], token.scores[best], token.bytes.begin, token.bytes.end};
}

entity entity_finder::join_word(std::span<scored_token const> word) const {
  auto const best_score = [](scored_token const& token) { return std::ranges::max(token.scores); };
  scored_token joined = word.front();
  if (options_.aggregation == aggregation::max) {
    joined = *std::ranges::max_element(word, {}, best_score);
  } else if (options_.aggregation == aggregation::average) {
    for (std::size_t label = 0; label < labels_.size(); ++label) {
      double sum = 0;
      for (auto const& token : word) sum += token.scores[label];
      joined.scores[label] = static_cast<float>(sum / static_cast<double>(word.size()));
    }
  }
  joined.bytes = {word.front().bytes.begin, word.back().bytes.end};
  return best_of(joined);
}

std::vector<entity> entity_finder::join_words(std::span<scored_token const> tokens) const {
  std::vector<entity> words;
  for (std::size_t begin = 0, end = 1; begin < tokens.size(); begin = end++) {
    while (end < tokens.size() && tokens[end].goes_on) ++end;
    words.push_back(join_word(tokens.subspan(begin, end - begin)));
  }
  return words;
}

void entity_finder::drop_ignored(std::vector<entity>& found) const {
  std::erase_if(found, [this](entity const& each) {
    return std::ranges::find(options_.ignored_labels, each.label) != options_.ignored_labels.end();
  });
}

std::vector<entity> entity_finder::operator()(std::string_view text, token_window const& window,
                                              std::span<float const> logits) const {
  auto const tokens = score(text, window, logits);
  std::vector<entity> found;
  if (options_.aggregation == aggregation::none || options_.aggregation == aggregation::simple) {
    for (auto const& token : tokens) found.push_back(best_of(token));
  } else {
    found = join_words(tokens);
  }
  if (options_.aggregation != aggregation::none) found = join_neighbours(found);
  drop_ignored(found);
  return found;
}

std::vector<entity> merge_windows(std::string_view text, std::vector<entity> found) {
  auto const letters = [text](entity const& each) {
    return letter_count(text.substr(each.begin, each.end - each.begin));
  };
  std::ranges::stable_sort(found, {}, &entity::begin);
  std::vector<entity> kept;
  // There, the first one is looked at twice: of no bytes it meets nothing, itself neither.
  if (!found.empty() && found.front().begin == found.front().end) kept.push_back(found.front());
  for (auto& each : found) {
    bool const meets = !kept.empty() && kept.back().begin <= each.begin && each.begin < kept.back().end;
    if (!meets) {
      kept.push_back(std::move(each));
      continue;
    }
    auto const length = letters(each);
    auto const other = letters(kept.back());
    if (length > other || (length == other && each.score > kept.back().score)) kept.back() = std::move(each);
  }
  return kept;
}

}  // namespace yonder::kernels
