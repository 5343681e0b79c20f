// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/json.hpp"
#include "model/tokenizer.hpp"
#include "model/unicode.hpp"
#include "tests/base64_text.hpp"
#include "yonder/ml/errors.hpp"

namespace {

using namespace yonder::kernels;

constexpr char const* vocabulary =
    "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n##a\nb\n##b\nab\n##ing\ne\n\u00e9\n\u4e2d\n##\u4e2d\n\u0301\n##"
    "\u0301\n!\n";

tokenizer make_byte_level() {
  json tokens = {{"<s>", 0}, {"</s>", 1}, {"<mask>", 2}, {"ab", 3}, {"aa", 4}, {"aab", 5}, {"aaaa", 6}};
  for (int byte = 0; byte < 256; ++byte) {
    char const each = static_cast<char>(byte);
    tokens[byte_level::token_of({&each, 1})] = 7 + byte;
  }
  std::string const file = "vocabulary";
  std::string const text = tokens.dump();
  return parse_byte_level({text, file}, {"a b\na a\na ab\naa aa\n", file}, {});
}

json const metaspace_first = {{"type", "Metaspace"}, {"replacement", "\u2581"}, {"prepend_scheme", "first"}};

// With byte fallback for some letters, and a map of "a" to "ab".
json unigram_json() {
  std::vector<std::pair<std::string, double>> const pieces = {
      {"<s>", 0.0},    {"</s>", 0.0},   {"<unk>", 0.0},  {"\u2581", -2.0}, {"\u2581ab", -3.0},
      {"a", -4.0},     {"b", -4.0},     {"bb", -5.0},    {"\u4e2d", -6.0}, {"\u2581b", -4.5},
      {"<0xC3>", 0.0}, {"<0xA9>", 0.0}, {"<0xE4>", 0.0}, {"<0xB8>", 0.0}};
  std::string units(4 * 512, '\0');
  auto const set = [&](std::size_t at, std::uint32_t value) {
    for (std::size_t i = 0; i < 4; ++i) units[4 * at + i] = static_cast<char>(value >> (8 * i));
  };
  std::size_t const place = 256 ^ 'a';
  set(0, 256U << 10);
  set(place, 'a' | 1U << 8 | static_cast<std::uint32_t>(place ^ 1) << 10);
  set(1, 1U << 31);
  std::string const blob = std::string("\0\x08\0\0", 4) + units + std::string("ab\0", 3);
  return {{"added_tokens",
           {{{"id", 0}, {"content", "<s>"}}, {{"id", 14}, {"content", "<x>"}, {"normalized", true}}}},
          {"normalizer",
           {{"type", "Sequence"},
            {"normalizers",
             {{{"type", "Precompiled"}, {"precompiled_charsmap", encode_base64(blob)}},
              {{"type", "Strip"}},
              {{"type", "Replace"}, {"pattern", {{"Regex", " {2,}"}}}, {"content", "\u2581"}}}}}},
          {"pre_tokenizer", metaspace_first},
          {"post_processor", {{"type", "BertProcessing"}, {"cls", {"<s>", 0}}, {"sep", {"</s>", 1}}}},
          {"model", {{"type", "Unigram"}, {"unk_id", 2}, {"byte_fallback", true}, {"vocab", pieces}}}};
}

// `one_pass`: by the steps of XLM-R, which marked_words takes at once.
tokenizer make_unigram(bool one_pass) {
  json value = unigram_json();
  if (one_pass) {
    value["added_tokens"].erase(1);
    json const map = value["normalizer"]["normalizers"][0];
    value["normalizer"] = map;
    json marks = metaspace_first;
    marks["prepend_scheme"] = "always";
    value["pre_tokenizer"] = {{"type", "Sequence"},
                              {"pretokenizers", {{{"type", "WhitespaceSplit"}}, marks}}};
  }
  return parse_tokenizer_json(value.dump(), "unigram", {});
}

std::vector<tokenizer> make_tokenizers() {
  std::vector<tokenizer> all;
  all.push_back(parse_vocabulary(vocabulary, "vocabulary", {}));
  all.push_back(parse_vocabulary(vocabulary, "vocabulary", {.lowercase = false}));
  all.push_back(make_byte_level());
  all.push_back(make_unigram(false));
  all.push_back(make_unigram(true));
  return all;
}

// The same tokens, each at whole code points of the text.
void check_places(tokenizer const& tokens, std::string_view text, std::vector<std::int32_t> const& all) {
  auto placed = tokens.place(text);
  tokens.trim_spaces(text, placed.places);
  if (placed.ids.size() + tokens.special_tokens() != all.size()) __builtin_trap();
  if (!std::equal(placed.ids.begin(), placed.ids.end(), all.begin() + 1)) __builtin_trap();
  auto const inside_letter = [&](std::size_t at) {
    return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80;
  };
  for (auto const& place : placed.places) {
    auto const [begin, end] = place.bytes;
    if (begin > end || end > text.size() || inside_letter(begin) || inside_letter(end)) __builtin_trap();
  }
}

}  // namespace

// Any bytes: refused as invalid UTF-8, or tokens within the vocabulary; and a cut gives their beginning.
// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  static std::vector<tokenizer> const tokenizers = make_tokenizers();
  std::string_view const text(reinterpret_cast<char const*>(data), size);
  for (auto const& tokens : tokenizers) {
    try {
      auto const all = tokens.encode(text).ids;
      auto const in_vocabulary = [&](std::int32_t id) { return id >= 0 && id <= tokens.largest_id(); };
      if (!std::all_of(all.begin(), all.end(), in_vocabulary)) __builtin_trap();
      check_places(tokens, text, all);
      auto const cut = tokens.encode(text, truncation{8}).ids;
      if (cut.size() != std::min<std::size_t>(all.size(), 8)) __builtin_trap();
      if (!std::equal(cut.begin(), cut.end() - 1, all.begin())) __builtin_trap();
    } catch (yonder::ml::invalid_utf8 const& error) {
      if (error.offset() >= size) __builtin_trap();
    }
  }
  return 0;
}
