// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "model/tokenizer.hpp"

namespace yonder::kernels {

// What of a text goes through a model at once, and where its tokens stand in it.
struct token_window {
  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> type_ids;
  std::vector<token_place> places;  // in the text that is looked at: the only one, or the second
  std::vector<bool> asked;          // whether a token is one of that text
};

// How a text that is too long is read.
struct window_rules {
  truncation cut;  // special tokens included
  std::optional<std::size_t>
      overlap;             // tokens that windows share; nothing: there is one, and the rest is lost
  bool truncate = true;    // else a text throws of which something would be lost
  std::size_t prompt = 0;  // bytes at the front of a text; their tokens begin each of its windows
};

// The windows of a text, at least one. Throws ml::text_error, and std::invalid_argument where windows would
// share all they have.
std::vector<token_window> windows_of(tokenizer const& tokens, window_rules const& rules,
                                     std::string_view text);
// Of the second text, each behind the whole first. Throws ml::text_too_long where that leaves no room.
std::vector<token_window> windows_of(tokenizer const& tokens, window_rules const& rules,
                                     text_pair_view const& texts);
// Where what is asked for of a window stands; nothing where nothing is.
byte_span place_of(token_window const& window) noexcept;

}  // namespace yonder::kernels
