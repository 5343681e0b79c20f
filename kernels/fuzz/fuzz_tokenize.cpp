// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/json.hpp"
#include "model/tokenizer.hpp"
#include "model/unicode.hpp"
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

std::vector<tokenizer> make_tokenizers() {
  std::vector<tokenizer> all;
  all.push_back(parse_vocabulary(vocabulary, "vocabulary", {}));
  all.push_back(parse_vocabulary(vocabulary, "vocabulary", {.lowercase = false}));
  all.push_back(make_byte_level());
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
