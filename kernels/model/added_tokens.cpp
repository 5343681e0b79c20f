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
}

added_token const* added_token_matcher::find_at(std::string_view text) const {
  if (!begins_[static_cast<unsigned char>(text.front())]) return nullptr;
  auto const found = std::find_if(tokens_.begin(), tokens_.end(),
                                  [text](auto const& token) { return text.starts_with(token.content); });
  return found == tokens_.end() ? nullptr : &*found;
}

bool added_token_matcher::operator()(std::string_view text, sink const& each) const {
  std::size_t done = 0;
  for (std::size_t at = 0; at < text.size();) {
    auto const* const token = find_at(text.substr(at));
    if (token == nullptr) {
      ++at;
      continue;
    }
    std::size_t begin = at;
    std::size_t end = at + token->content.size();
    at = end;  // also past a match that is refused, as Hugging Face's automaton goes on
    if (token->single_word && touches_word(text, begin, end)) continue;
    if (token->lstrip) begin = std::max(done, skip_space_before(text, begin));
    if (token->rstrip) end = skip_space_after(text, end);
    if (done < begin && !each(text.substr(done, begin - done), -1)) return false;
    if (!each({}, token->id)) return false;
    done = end;
  }
  return done >= text.size() || each(text.substr(done), -1);
}

}  // namespace yonder::kernels
