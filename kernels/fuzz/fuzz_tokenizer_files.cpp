// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

#include "model/charsmap.hpp"
#include "model/json.hpp"
#include "model/tokenizer.hpp"
#include "model/unicode.hpp"
#include "yonder/ml/errors.hpp"

namespace {

using namespace yonder::kernels;

// A tokenizer that was accepted must give ids that it has announced.
void use(tokenizer const& tokens) {
  for (std::string_view const text : {"", "Hello [MASK] w\u00f6rld, \u4e2d!", "a\u0301\u0327 <x> foobar"}) {
    try {
      for (auto const id : tokens.encode(text).ids) {
        if (id < 0 || id > tokens.largest_id()) __builtin_trap();
      }
    } catch (std::invalid_argument const&) {  // a truncation that leaves no room
    }
    std::vector<std::int32_t> ids;
    std::vector<std::int32_t> types;
    try {
      tokens.append({text, "foo bar"}, {.max_length = 12}, pair_truncation::longest_first, ids, types);
    } catch (std::invalid_argument const&) {  // many special tokens
    }
    if (ids.size() != types.size()) __builtin_trap();
    for (auto const id : ids)
      if (id < 0 || id > tokens.largest_id()) __builtin_trap();
  }
}

}  // namespace

// A vocabulary for merges: the bytes, and what two merges make.
std::string const& byte_level_vocabulary() {
  static std::string const all = [] {
    json tokens = {{"<s>", 0}, {"</s>", 1}, {"ab", 2}, {"aba", 3}};
    for (int byte = 0; byte < 256; ++byte) {
      char const each = static_cast<char>(byte);
      tokens[byte_level::token_of({&each, 1})] = 4 + byte;
    }
    return tokens.dump();
  }();
  return all;
}

void use_byte_level(std::string_view vocabulary, std::string_view merges) {
  static std::string const file = "input";
  use(parse_byte_level({vocabulary, file}, {merges, file}, {}));
}

// The files from before added_tokens_decoder, beside a small vocabulary.
void use_companion(std::string_view text, void (*merge)(named_text, tokenizer_settings&)) {
  static std::string const file = "input";
  tokenizer_settings settings;
  merge({text, file}, settings);
  use(parse_vocabulary("[UNK]\n[CLS]\n[SEP]\na\n", "vocab.txt", settings));
}

// Text stays UTF-8, and letters are the same with and without their origins.
void use_map(std::string_view blob) {
  charsmap const map = [&] {
    try {
      return charsmap(blob);
    } catch (std::invalid_argument const&) {
      return charsmap(std::string_view("\4\0\0\0\0\0\0\0", 8));
    }
  }();
  std::string_view const text = "a\u0301 b\r\n\u00e9\u0301\u4e2d x";
  std::string const found = map(text);
  if (unicode::find_invalid_utf8(found)) __builtin_trap();
  auto letters = letters_of(text, 0);
  map(letters);
  if (aligned_text(letters).text != found) __builtin_trap();
}

// tokenizer.json (by five kinds), vocab.txt, tokenizer_config.json, special_tokens_map.json,
// added_tokens.json, vocab.json, merges.txt, sentencepiece.bpe.model and its map of characters: the first
// byte says which. NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  if (size == 0) return 0;
  std::string_view const text(reinterpret_cast<char const*>(data) + 1, size - 1);
  try {
    switch (data[0]) {
      case 'j': use(parse_tokenizer_json(text, "input", {})); break;
      case 'k': use(parse_tokenizer_json(text, "input", {.kind = tokenizer_kind::bert})); break;
      case 'l': use(parse_tokenizer_json(text, "input", {.kind = tokenizer_kind::roberta})); break;
      case 'x': use(parse_tokenizer_json(text, "input", {.kind = tokenizer_kind::xlm_roberta})); break;
      case 'y': use(parse_tokenizer_json(text, "input", {.kind = tokenizer_kind::camembert})); break;
      case 'p': use(parse_sentencepiece(text, "input", {})); break;
      case 'q': use(parse_sentencepiece(text, "input", {.kind = tokenizer_kind::camembert})); break;
      case 'n': use_map(text); break;
      case 's': use_companion(text, merge_special_tokens); break;
      case 'a': use_companion(text, merge_added_tokens); break;
      case 'v': use(parse_vocabulary(text, "input", {})); break;
      case 'c':
        use(parse_vocabulary("[UNK]\n[CLS]\n[SEP]\na\n", "vocab.txt",
                             parse_tokenizer_settings(text, "input")));
        break;
      case 'b': use_byte_level(text, "a b\nab a\n"); break;
      case 'm': use_byte_level(byte_level_vocabulary(), text); break;
    }
  } catch (yonder::ml::model_error const&) {
  }
  return 0;
}
