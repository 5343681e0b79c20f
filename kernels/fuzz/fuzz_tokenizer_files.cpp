// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string_view>

#include "model/tokenizer.hpp"
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
  }
}

}  // namespace

// tokenizer.json, vocab.txt and tokenizer_config.json: the first byte says which.
// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  if (size == 0) return 0;
  std::string_view const text(reinterpret_cast<char const*>(data) + 1, size - 1);
  try {
    switch (data[0]) {
      case 'j': use(parse_tokenizer_json(text, "input", {})); break;
      case 'v': use(parse_vocabulary(text, "input", {})); break;
      case 'c':
        use(parse_vocabulary("[UNK]\n[CLS]\n[SEP]\na\n", "vocab.txt",
                             parse_tokenizer_settings(text, "input")));
    }
  } catch (yonder::ml::model_error const&) {
  }
  return 0;
}
