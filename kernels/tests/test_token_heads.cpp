// SPDX-License-Identifier: Apache-2.0
//
// What answers for each token: windows, entities, answers. Numbers of whole models: test_folder_keys.cpp.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include "ml/answer_spans.hpp"
#include "ml/entities.hpp"
#include "ml/token_windows.hpp"
#include "model/tokenizer.hpp"
#include "yonder/ml/errors.hpp"
#include "yonder/ml/question_answerer.hpp"
#include "yonder/ml/token_classifier.hpp"

namespace {

using namespace yonder;
using namespace yonder::kernels;
using ml::aggregation;
using ml::entity;

tokenizer words_tokenizer() {
  return parse_vocabulary(
      "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nanna\nlee\n##s\n##on\nof\nzurich\n.\na\nb\nc\n", "vocab.txt", {});
}

struct made_text {
  std::string text;
  tokenizer tokens = words_tokenizer();
  token_window window = windows_of(tokens, {{100}, {}}, text).front();
};

std::vector<std::string> const tags = {"O", "B-PER", "I-PER", "B-LOC"};

// Each token of the text has one label for sure; the special ones would have another.
std::vector<entity> find(made_text const& made, std::vector<std::size_t> labels,
                         ml::entity_options const& options) {
  labels.insert(labels.begin(), 3);
  labels.push_back(3);
  REQUIRE(labels.size() == made.window.ids.size());
  std::vector<float> logits(labels.size() * tags.size());
  for (std::size_t i = 0; i < labels.size(); ++i) logits[i * tags.size() + labels[i]] = 50;
  return entity_finder(made.tokens, tags, options)(made.text, made.window, logits);
}

std::string written(made_text const& made, std::vector<entity> const& found) {
  std::string all;
  for (auto const& each : found)
    all += each.label + ":" + made.text.substr(each.begin, each.end - each.begin) + ";";
  return all;
}

}  // namespace

TEST_CASE("neighbours of one label are one entity, and B- begins another, at the bytes of the text") {
  made_text const made{"\u00c1nna Leeson of Z\u00fcrich."};  // anna lee ##s ##on of zurich .
  CHECK(written(made, find(made, {1, 2, 2, 2, 0, 3, 0}, {})) == "PER:\u00c1nna Leeson;LOC:Z\u00fcrich;");
  CHECK(written(made, find(made, {1, 1, 2, 2, 0, 3, 0}, {})) == "PER:\u00c1nna;PER:Leeson;LOC:Z\u00fcrich;");
  CHECK(written(made, find(made, {1, 2, 0, 2, 0, 3, 0}, {})) == "PER:\u00c1nna Lee;PER:on;LOC:Z\u00fcrich;");
  CHECK(written(made, find(made, {1, 2, 2, 2, 0, 3, 0}, {.aggregation = aggregation::none})) ==
        "B-PER:\u00c1nna;I-PER:Lee;I-PER:s;I-PER:on;B-LOC:Z\u00fcrich;");
  CHECK(written(made, find(made, {1, 2, 2, 2, 0, 3, 0}, {.ignored_labels = {"PER", "O"}})) ==
        "LOC:Z\u00fcrich;");
}

TEST_CASE("a word has one label by its first token, by the average or by the surest") {
  made_text const made{"Leeson"};
  std::vector<float> logits(5 * tags.size());
  auto const set = [&](std::size_t token, std::vector<float> row) {
    std::ranges::copy(row, logits.begin() + static_cast<std::ptrdiff_t>(token * tags.size()));
  };
  set(1, {2, 1, 0, 0});
  set(2, {0, 0, 3, 0});
  set(3, {0, 0, 0, 2.5F});
  auto const label = [&](aggregation how) {
    ml::entity_options const options{.aggregation = how, .ignored_labels = {}};
    auto const found = entity_finder(made.tokens, tags, options)(made.text, made.window, logits);
    REQUIRE(found.size() == 1);
    CHECK(found[0].end == 6);
    return found[0].label;
  };
  CHECK(label(aggregation::first) == "O");
  CHECK(label(aggregation::max) == "PER");
  CHECK(label(aggregation::average) == "PER");
}

TEST_CASE("windows share tokens, and have the whole text between them") {
  auto const tokens = words_tokenizer();
  std::string const text = "a b c a b c a b";
  auto const spans = [&](side cut, std::optional<std::size_t> overlap) {
    std::vector<std::string> found;
    for (auto const& window : windows_of(tokens, {{6, cut}, overlap}, text)) {
      CHECK(window.ids.size() == window.places.size());
      CHECK(window.places.front().word == token_place::no_word);
      auto const begin = window.places[1].bytes.begin;
      found.push_back(text.substr(begin, window.places[window.places.size() - 2].bytes.end - begin));
    }
    return found;
  };
  using all = std::vector<std::string>;
  CHECK(spans(side::right, 1) == all{"a b c a", "a b c a", "a b"});
  CHECK(spans(side::right, 2) == all{"a b c a", "c a b c", "b c a b"});
  CHECK(spans(side::left, 1) == all{"b c a b", "b c a b", "a b"});
  CHECK(spans(side::right, std::nullopt) == all{"a b c a"});
  CHECK(spans(side::left, std::nullopt) == all{"b c a b"});
  CHECK_THROWS_AS(spans(side::right, 4), std::invalid_argument);
  CHECK_THROWS_AS(windows_of(tokens, {{6}, std::nullopt, false}, text), ml::text_too_long);
  CHECK(windows_of(tokens, {{6}, 1, false}, text).size() == 3);
  CHECK(windows_of(tokens, {{6}, 1}, "").front().ids.size() == 2);

  auto const pairs = windows_of(tokens, {{8}, 1}, {"a b", text});
  REQUIRE(pairs.size() == 4);
  for (auto const& window : pairs) {
    CHECK(std::ranges::count(window.asked, true) + 5 == static_cast<std::ptrdiff_t>(window.ids.size()));
    CHECK(window.type_ids.back() == 1);
  }
  CHECK_THROWS_AS(windows_of(tokens, {{8}, 3}, {"a b", text}), ml::text_too_long);
  CHECK_THROWS_AS(windows_of(tokens, {{8}, 0}, {"a b c a b", text}), ml::text_too_long);
  CHECK_THROWS_AS(windows_of(tokens, {{8}, 0}, text_pair_view{"a b c a b c", ""}), ml::text_too_long);
  CHECK(windows_of(tokens, {{8}, 0}, text_pair_view{"a b c a b", ""}).size() == 1);
}

TEST_CASE("a prompt's tokens begin each window, and take of its room") {
  auto const tokens = words_tokenizer();
  std::string const text = "anna a b c a b c";
  window_rules rules{{6}, 1};
  rules.prompt = 5;
  std::vector<std::string> found;
  for (auto const& window : windows_of(tokens, rules, text)) {
    CHECK(window.ids[1] == 5);
    CHECK_FALSE(window.asked[1]);
    auto const [begin, end] = place_of(window);
    found.push_back(text.substr(begin, end - begin));
  }
  CHECK(found == std::vector<std::string>{"a b c", "c a b", "b c"});
  CHECK(place_of(windows_of(tokens, rules, "anna ").front()) == byte_span{0, 0});
  rules.overlap = 3;
  CHECK_THROWS_WITH_AS(windows_of(tokens, rules, text), doctest::Contains("windows of 3 tokens"),
                       std::invalid_argument);
}

TEST_CASE("of what two windows find in one place, the longer is kept, then the better") {
  std::string const text(30, 'a');
  auto const merged = merge_windows(text, {{"A", 0.5F, 10, 14},
                                           {"B", 0.9F, 0, 3},
                                           {"C", 0.4F, 9, 15},
                                           {"D", 0.6F, 20, 22},
                                           {"E", 0.7F, 21, 23},
                                           {"F", 0.1F, 22, 23}});
  CHECK(merged == std::vector<entity>{{"B", 0.9F, 0, 3}, {"C", 0.4F, 9, 15}, {"E", 0.7F, 21, 23}});
  CHECK(merge_windows(text, {}).empty());
  std::string const accents = "abc\u00e9\u00e9\u00e9";  // both have four letters
  std::vector<entity> const equal{{"A", 0.6F, 0, 5}, {"B", 0.5F, 2, 9}};
  CHECK(merge_windows(accents, equal) == std::vector<entity>{equal.front()});
}

TEST_CASE("an answer is a piece of the text, with whole words, and the same words twice are one") {
  auto const tokens = words_tokenizer();
  std::string const text =
      "Leeson of Z\u00fcrich. Z\u00dcRICH.";  // [CLS] a [SEP] lee ##s ##on of zurich . zurich . [SEP]
  auto const window = windows_of(tokens, {{100}, 1}, {"a", text}).front();
  REQUIRE(window.ids.size() == 12);
  std::vector<float> logits(24, -20);
  auto const set = [&](std::size_t first, std::size_t last, float logit) {
    logits[2 * first] = logits[2 * last + 1] = logit;
  };
  set(4, 4, 10);
  set(7, 7, 9);
  auto const answers = [&](ml::answer_options const& options) {
    answer_finder finder(text, tokens.classification_id(), options);
    finder.add(window, logits);
    return std::move(finder).take();
  };
  CHECK(answers({}).front().text == "Leeson");
  CHECK(answers({.whole_words = false}).front().text == "s");
  auto const several = answers({.most = 3});
  CHECK(several[1].text == "Leeson of Z\u00fcrich");
  CHECK(several[2].text == "Z\u00fcrich");
  CHECK(text.substr(several[2].begin, several[2].end - several[2].begin) == "Z\u00fcrich");
  CHECK(answers({.most = 2, .longest = 3})[1].text == "Z\u00fcrich");
  constexpr auto any = std::numeric_limits<std::size_t>::max();
  CHECK(answers({.most = 3, .longest = any}) == several);
  auto const all = answers({.most = any});
  CHECK(all.size() > several.size());
  CHECK(all.size() == answers({.most = 1000}).size());
  CHECK(answers({.most = any, .whole_words = false}).size() > all.size());
  set(4, 4, -20);
  set(9, 9, 9);
  auto const twice = answers({.most = 2, .longest = 1});
  CHECK(twice.front().text.size() == 7);
  CHECK(twice.front().score > 0.49F);  // a quarter each
  logits[0] = logits[1] = 40;          // [CLS]: there is none
  CHECK(answers({.most = 1, .may_be_none = true}).front() == ml::answer{"", 1, 0, 0});
}
