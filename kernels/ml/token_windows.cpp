// SPDX-License-Identifier: Apache-2.0
#include "ml/token_windows.hpp"

#include <algorithm>
#include <span>
#include <stdexcept>
#include <string>

#include "yonder/ml/errors.hpp"

namespace yonder::kernels {
namespace {

struct token_range {
  std::size_t begin;
  std::size_t end;
};

// As Hugging Face's truncate() with a stride cuts `count` tokens: from the side that is kept.
std::vector<token_range> share_out(std::size_t count, std::size_t room, std::optional<std::size_t> overlap,
                                   side cut) {
  if (count <= room) return {{0, count}};
  std::size_t const step = overlap ? room - *overlap : count;
  std::vector<token_range> ranges;
  for (std::size_t done = 0;; done += step) {
    std::size_t const end = std::min(done + room, count);
    ranges.push_back(cut == side::right ? token_range{done, end} : token_range{count - end, count - done});
    if (!overlap || end == count) return ranges;
  }
}

// Of a text's tokens, with those of `before` in the place of a first text.
class window_maker {
 public:
  window_maker(tokenizer const& tokens, std::span<template_part const> around)
      : tokens_(tokens), around_(around) {}

  // The first `kept` tokens of the text, too.
  token_window operator()(placed_tokens const* before, placed_tokens const& all, std::size_t kept,
                          token_range range, std::string_view text) const {
    token_window window;
    for (auto const& part : around_) {
      bool const asked = !part.id && part.second == (before != nullptr);
      if (part.id) {
        add_special(*part.id, window);
      } else if (asked) {
        add(all, {0, kept}, window);
        window.asked.resize(window.ids.size(), false);
        add(all, range, window);
        auto const added = range.end - range.begin;
        tokens_.trim_spaces(text, std::span(window.places).last(added));
      } else {
        add(*before, {0, before->ids.size()}, window);
      }
      window.type_ids.resize(window.ids.size(), part.type_id);
      window.asked.resize(window.ids.size(), asked);
    }
    return window;
  }

 private:
  static void add_special(std::int32_t id, token_window& to) {
    to.ids.push_back(id);
    to.places.emplace_back();
  }
  static void add(placed_tokens const& from, token_range range, token_window& to) {
    auto const begin = static_cast<std::ptrdiff_t>(range.begin);
    auto const end = static_cast<std::ptrdiff_t>(range.end);
    to.ids.insert(to.ids.end(), from.ids.begin() + begin, from.ids.begin() + end);
    to.places.insert(to.places.end(), from.places.begin() + begin, from.places.begin() + end);
  }

  tokenizer const& tokens_;
  std::span<template_part const> around_;
};

// Tokens at the front that end within the prompt.
std::size_t tokens_of_prompt(placed_tokens const& all, std::size_t bytes) {
  if (bytes == 0) return 0;
  auto const text =
      std::ranges::find_if(all.places, [&](auto const& each) { return each.bytes.end > bytes; });
  return static_cast<std::size_t>(text - all.places.begin());
}

}  // namespace

byte_span place_of(token_window const& window) noexcept {
  byte_span found{0, 0};
  bool any = false;
  for (std::size_t i = 0; i < window.ids.size(); ++i) {
    if (!window.asked[i]) continue;
    auto const [begin, end] = window.places[i].bytes;
    found = any ? byte_span{std::min(found.begin, begin), std::max(found.end, end)} : byte_span{begin, end};
    any = true;
  }
  return found;
}

std::vector<token_window> windows_of(tokenizer const& tokens, window_rules const& rules,
                                     std::string_view text) {
  auto const placed = tokens.place(text);
  std::size_t const kept = tokens_of_prompt(placed, rules.prompt);
  std::size_t const count = placed.ids.size() - kept;
  std::size_t const taken = tokens.special_tokens() + kept;
  std::size_t const room = rules.cut.max_length - std::min(rules.cut.max_length, taken);
  if (room == 0 || (rules.overlap && *rules.overlap >= room)) {
    throw std::invalid_argument("windows of " + std::to_string(room) + " tokens of a text cannot share " +
                                std::to_string(rules.overlap.value_or(0)) +
                                "; let them share fewer, or raise text_options::max_tokens");
  }
  bool const lost = count > room && !rules.overlap;
  if (lost && !rules.truncate) throw ml::text_too_long(rules.cut.max_length);
  window_maker const make(tokens, tokens.template_of_text());
  std::vector<token_window> windows;
  for (auto const range : share_out(count, room, rules.overlap, rules.cut.cut))
    windows.push_back(make(nullptr, placed, kept, {kept + range.begin, kept + range.end}, text));
  return windows;
}

std::vector<token_window> windows_of(tokenizer const& tokens, window_rules const& rules,
                                     text_pair_view const& texts) {
  auto const first = tokens.place(texts.first);
  auto const second = tokens.place(texts.second);
  auto const taken = first.ids.size() + tokens.special_tokens_of_pairs();
  if (taken > rules.cut.max_length) throw ml::text_too_long(rules.cut.max_length);
  auto const room = rules.cut.max_length - taken;
  bool const fits = second.ids.size() <= room;
  if (!fits && (room == 0 || rules.overlap.value_or(0) >= room))
    throw ml::text_too_long(rules.cut.max_length);
  window_maker const make(tokens, tokens.template_of_pair());
  std::vector<token_window> windows;
  for (auto const range : share_out(second.ids.size(), room, rules.overlap, rules.cut.cut))
    windows.push_back(make(&first, second, 0, range, texts.second));
  return windows;
}

}  // namespace yonder::kernels
