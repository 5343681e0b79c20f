// SPDX-License-Identifier: Apache-2.0
#include "model/added_tokens.hpp"

#include <algorithm>

#include "model/unicode.hpp"

namespace yonder::kernels {
namespace {

using namespace unicode;

bool touches_word(std::string_view text, std::size_t begin, std::size_t end) {
  if (begin > 0 && (properties(decode_before(text.data() + begin).code) & word) != 0) return true;
  return end < text.size() && (properties(decode(text.data() + end).code) & word) != 0;
}

std::size_t skip_space_before(std::string_view text, std::size_t at) {
  while (at > 0) {
    auto const [code, bytes] = decode_before(text.data() + at);
    if ((properties(code) & whitespace) == 0) break;
    at -= bytes;
  }
  return at;
}

std::size_t skip_space_after(std::string_view text, std::size_t at) {
  while (at < text.size()) {
    auto const [code, bytes] = decode(text.data() + at);
    if ((properties(code) & whitespace) == 0) break;
    at += bytes;
  }
  return at;
}

}  // namespace

added_token_matcher::added_token_matcher(std::vector<added_token> tokens) : tokens_(std::move(tokens)) {
  std::erase_if(tokens_, [](auto const& token) { return token.content.empty(); });
  std::stable_sort(tokens_.begin(), tokens_.end(),
                   [](auto const& a, auto const& b) { return a.content.size() > b.content.size(); });
  for (auto const& token : tokens_) begins_[static_cast<unsigned char>(token.content.front())] = true;
  one_first_byte_ = std::count(begins_.begin(), begins_.end(), true) == 1;
}

std::size_t added_token_matcher::find_first_byte(std::string_view text, std::size_t from) const noexcept {
  if (tokens_.empty()) return text.npos;
  if (one_first_byte_) return text.find(tokens_.front().content.front(), from);
  for (std::size_t at = from; at < text.size(); ++at) {
    if (begins_[static_cast<unsigned char>(text[at])]) return at;
  }
  return text.npos;
}

added_token const* added_token_matcher::match(std::string_view text) const {
  auto const first = std::find_if(tokens_.begin(), tokens_.end(),
                                  [text](auto const& token) { return text.starts_with(token.content); });
  return first == tokens_.end() ? nullptr : &*first;
}

bool added_token_matcher::find(std::string_view text, std::size_t done, std::size_t& scanned,
                               found& result) const {
  for (std::size_t begin = 0; (begin = find_first_byte(text, scanned)) != text.npos;) {
    auto const* const token = match(text.substr(begin));
    if (token == nullptr) {
      scanned = begin + 1;
      continue;
    }
    std::size_t const end = begin + token->content.size();
    scanned = end;  // also past a match that is refused, as Hugging Face's automaton goes on
    if (token->single_word && touches_word(text, begin, end)) continue;
    result = {token->lstrip ? std::max(done, skip_space_before(text, begin)) : begin,
              token->rstrip ? skip_space_after(text, end) : end, token->id};
    return true;
  }
  return false;
}

}  // namespace yonder::kernels
