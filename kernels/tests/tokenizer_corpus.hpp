// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "model/unicode.hpp"

// The vocabulary, the texts and the hash of the tokenizer goldens. tools/tokenizer_corpus.py is the same in
// Python: change both or neither.
namespace tokenizer_corpus {

struct range {
  char32_t first;
  char32_t last;
};

inline constexpr std::uint64_t strings = 100'000;
inline constexpr std::uint64_t strings_per_hash = 1'000;
inline constexpr char32_t code_points = 0x110000;
inline constexpr char32_t code_points_per_hash = 16'384;

inline constexpr std::array<std::string_view, 5> specials = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
inline constexpr range vocabulary_ranges[] = {
    {0x21, 0x7E},     {0xA1, 0x24F},    {0x300, 0x36F},    {0x370, 0x52F},   {0x591, 0x5F4},
    {0x600, 0x6FF},   {0x900, 0x97F},   {0x1100, 0x11FF},  {0x2010, 0x206F}, {0x3041, 0x30FF},
    {0x4E00, 0x4EFF}, {0xF900, 0xF9FF}, {0x1D15E, 0x1D1AD}};
inline constexpr range pools[] = {
    {0x20, 0x7E},       {0x20, 0x7E},       {0x61, 0x7A},       {0x61, 0x7A},       {0x41, 0x5A},
    {0xC0, 0x24F},      {0x300, 0x36F},     {0x370, 0x52F},     {0x591, 0x6FF},     {0x900, 0xDFF},
    {0xF00, 0xFFF},     {0x1100, 0x11FF},   {0x1DC0, 0x1FFF},   {0x2000, 0x206F},   {0x2E80, 0x312F},
    {0x4DB0, 0x4E20},   {0xAC00, 0xD7A3},   {0xF900, 0xFB4F},   {0xFE00, 0xFFFF},   {0x0, 0x20},
    {0x7F, 0xA0},       {0x1D15E, 0x1D1AD}, {0x2A6D0, 0x2A710}, {0x2F800, 0x2FA1F}, {0x0, 0xFFFF},
    {0x10000, 0x10FFFF}};

inline std::vector<std::string> const& snippets() {
  static std::vector<std::string> const all = {"[CLS]",
                                               "[SEP]",
                                               "[MASK]",
                                               "[UNK]",
                                               "[PAD]",
                                               "<x>",
                                               "foo",
                                               "foobar",
                                               "bar",
                                               "\u00c4 \u00f6",
                                               " ",
                                               "  ",
                                               "\u3000",
                                               "the ",
                                               "##ing",
                                               "[CLS",
                                               std::string(101, 'a')};
  return all;
}

inline std::vector<std::string> const& byte_level_snippets() {
  static std::vector<std::string> const all = {
      "<s>", "</s>", " <mask> ", "<pad>", "<x>",     " y ",    "'s",      "'re", "'ll",  "'LL",  "'d", "'",
      " ",   "  ",   "\n\n",     "\t ",   "\u3000 ", "\u00a0", "\u0085 ", " 12", "the ", " and", "..."};
  return all;
}

inline std::vector<std::string> const& unigram_snippets() {
  static std::vector<std::string> const all = {"<s>",
                                               "</s>",
                                               " <mask> ",
                                               "<unk>",
                                               "<pad>",
                                               "<x>",
                                               "Y ",
                                               "\u2581",
                                               "\u2581\u2581",
                                               " ",
                                               "  ",
                                               "   ",
                                               "\r\n",
                                               "\t",
                                               "\u3000 ",
                                               "\u200b",
                                               "a\u0301",
                                               "e\u0301\u0327",
                                               "\ufb01\u0301",
                                               "\u00a9\u200d\u00a9",
                                               "\u0958\u0301",
                                               "\u0915\u094d\u0937\u0301",
                                               "\u0600\ufb01",
                                               "\U0001f1e6\U0001f1e7\U0001f1e8",
                                               "\u1100\u1161\u11a8",
                                               "\u2122",
                                               "\u00bd",
                                               "``",
                                               "<0x41>",
                                               "the ",
                                               " of",
                                               " License"};
  return all;
}

inline std::string utf8(char32_t code) {
  std::string text;
  yonder::kernels::unicode::append(text, code);
  return text;
}

inline std::vector<std::string> vocabulary() {
  std::vector<std::string> tokens;
  std::unordered_set<std::string> seen;
  auto const add = [&](std::string token) {
    if (seen.insert(token).second) tokens.push_back(std::move(token));
  };
  auto const both = [&](std::string const& token) {
    add(token);
    add("##" + token);
  };
  for (auto const token : specials) add(std::string(token));
  for (auto const& [first, last] : vocabulary_ranges) {
    for (char32_t code = first; code <= last; ++code) both(utf8(code));
  }
  for (char a = 'a'; a <= 'z'; ++a) {
    for (char b = 'a'; b <= 'z'; ++b) both({a, b});
  }
  for (char a = 'a'; a <= 'z'; ++a) {
    add(std::string("th") + a);
    add(std::string("##in") + a);
  }
  return tokens;
}

// Steele et al., 2014.
class split_mix_64 {
 public:
  explicit split_mix_64(std::uint64_t seed) : state_(seed) {}

  std::uint64_t operator()(std::uint64_t bound) {
    std::uint64_t z = state_ += 0x9E3779B97F4A7C15U;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBU;
    return (z ^ (z >> 31)) % bound;
  }

 private:
  std::uint64_t state_;
};

inline std::string random_string(std::uint64_t index, std::vector<std::string> const& parts = snippets()) {
  split_mix_64 random(index);
  std::string text;
  for (std::uint64_t part = 1 + random(12); part > 0; --part) {
    if (random(8) == 0) {
      text += parts[random(parts.size())];
      continue;
    }
    auto const [first, last] = pools[random(std::size(pools))];
    for (std::uint64_t i = 1 + random(6); i > 0; --i) {
      auto const code = first + static_cast<char32_t>(random(last - first + 1));
      if (code < 0xD800 || code > 0xDFFF) yonder::kernels::unicode::append(text, code);
    }
  }
  return text;
}

inline std::vector<std::string> code_point_texts(char32_t code) {
  std::string const c = utf8(code);
  return {"a" + c + "b " + c, c + "\u0301\u0327x"};
}

inline std::vector<std::string> byte_level_code_point_texts(char32_t code) {
  std::string const c = utf8(code);
  return {"a" + c + "b " + c, " " + c + c + " 1" + c};
}

inline std::vector<std::string> unigram_code_point_texts(char32_t code) {
  std::string const c = utf8(code);
  return {"a" + c + "b " + c + c, "\u0600" + c + "\u0301x"};
}

// FNV-1a, 64 bits.
class hash {
 public:
  void add_words(std::vector<std::string> const& words) {
    for (auto const& word : words) {
      for (char const c : word) add(static_cast<unsigned char>(c));
      add(0xFF);
    }
    add(0xFE);
  }

  void add_ids(std::vector<std::int32_t> const& ids) {
    for (auto const id : ids) add_word(static_cast<std::uint32_t>(id));
    add_word(0xFFFFFFFFU);
  }

  std::string hex() const {
    std::string text(16, '0');
    for (std::size_t i = 0; i < 16; ++i) text[15 - i] = "0123456789abcdef"[value_ >> (4 * i) & 15];
    return text;
  }

 private:
  void add(std::uint8_t byte) { value_ = (value_ ^ byte) * 0x100000001B3U; }
  void add_word(std::uint32_t word) {
    for (int shift = 0; shift < 32; shift += 8) add(static_cast<std::uint8_t>(word >> shift));
  }

  std::uint64_t value_ = 0xCBF29CE484222325U;
};

}  // namespace tokenizer_corpus
