// SPDX-License-Identifier: Apache-2.0
#include "ml/answer_spans.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "model/unicode.hpp"

namespace yonder::kernels {
namespace {

std::u32string lowercase_of(std::string_view text) {
  std::u32string lower;
  for (std::size_t at = 0; at < text.size();) {
    auto const [code, bytes] = unicode::decode(text.data() + at);
    unicode::lowercase(code, [&](char32_t each) { lower.push_back(each); });
    at += bytes;
  }
  return lower;
}

// Over those that are not minus infinity.
void softmax(std::vector<double>& values) {
  double const largest = std::ranges::max(values);
  for (double& value : values) value = std::exp(value - largest);
  double const sum = std::accumulate(values.begin(), values.end(), 0.0);
  for (double& value : values) value /= sum;
}

// What the window has of a word of the text.
std::optional<byte_span> find_word(token_window const& window, std::uint32_t word) {
  std::optional<byte_span> found;
  for (std::size_t i = 0; i < window.ids.size(); ++i) {
    if (!window.asked[i] || window.places[i].word != word) continue;
    if (!found) found = window.places[i].bytes;
    found->end = window.places[i].bytes.end;
  }
  return found;
}

}  // namespace

answer_finder::chances answer_finder::chances_of(token_window const& window,
                                                 std::span<float const> logits) const {
  constexpr double never = -std::numeric_limits<double>::infinity();
  chances all;
  for (std::size_t i = 0; i < window.ids.size(); ++i) {
    bool const may = window.asked[i] || (classification_ && window.ids[i] == *classification_);
    all.begin.push_back(may ? logits[2 * i] : never);
    all.end.push_back(may ? logits[2 * i + 1] : never);
  }
  softmax(all.begin);
  softmax(all.end);
  return all;
}

std::vector<answer_finder::candidate> answer_finder::best_of(chances const& all) const {
  std::vector<candidate> found;
  for (std::size_t first = 0; first < all.begin.size(); ++first) {
    std::size_t const end = first + std::min(all.end.size() - first, options_.longest);
    for (std::size_t last = first; last < end; ++last)
      if (double const score = all.begin[first] * all.end[last]; score > 0)
        found.push_back({score, first, last});
  }
  auto const most = std::min(options_.most, found.size());  // which doubled is a number still
  std::size_t const enough = options_.whole_words ? 2 * most + 10 : most;
  auto const kept = found.begin() + static_cast<std::ptrdiff_t>(std::min(enough, found.size()));
  std::partial_sort(found.begin(), kept, found.end(),
                    [](auto const& a, auto const& b) { return a.score > b.score; });
  found.erase(kept, found.end());
  return found;
}

byte_span answer_finder::place_of(token_window const& window, candidate const& found) const {
  auto const& first = window.places[found.first];
  auto const& last = window.places[found.last];
  if (options_.whole_words) {
    auto const begin = find_word(window, first.word);
    auto const end = find_word(window, last.word);
    if (begin && end) return {begin->begin, end->end};
  }
  return {first.bytes.begin, last.bytes.end};
}

// The same words twice are one answer, where they came first.
void answer_finder::add(byte_span place, double score) {
  place.begin = std::min(place.begin, text_.size());
  place.end = std::clamp(place.end, place.begin, text_.size());
  auto lower = lowercase_of(text_.substr(place.begin, place.end - place.begin));
  auto const known = std::ranges::find(found_, lower, &scored_answer::lowercase);
  if (known == found_.end()) {
    found_.push_back({score, place, std::move(lower)});
  } else {
    known->score += score;
  }
}

void answer_finder::add(token_window const& window, std::span<float const> logits) {
  auto all = chances_of(window, logits);
  least_none_ = std::min(least_none_, all.begin.front() * all.end.front());
  all.begin.front() = all.end.front() = 0;
  for (auto const& found : best_of(all)) add(place_of(window, found), found.score);
}

std::vector<ml::answer> answer_finder::take() && {
  if (options_.may_be_none) found_.push_back({least_none_, {}, {}});
  std::ranges::stable_sort(found_, std::greater<>(), &scored_answer::score);
  std::vector<ml::answer> answers;
  for (auto const& each : found_) {
    if (answers.size() == options_.most) break;
    auto const [begin, end] = each.place;
    answers.push_back(
        {std::string(text_.substr(begin, end - begin)), static_cast<float>(each.score), begin, end});
  }
  return answers;
}

}  // namespace yonder::kernels
