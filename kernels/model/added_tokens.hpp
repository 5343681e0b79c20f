// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace yonder::kernels {

// A token that is found in the text before anything else looks at it; in Hugging Face's terms an AddedToken.
struct added_token {
  std::string content;
  std::int32_t id = 0;
  bool single_word = false;  // only where no word character touches it
  bool lstrip = false;       // takes the whitespace before it
  bool rstrip = false;       // takes the whitespace after it
  bool normalized = false;   // is found in the normalized text, in its normalized form
  bool special = false;
  bool normalized_is_default = false;  // no file says it
  bool has_role = false;               // stands under a key as mask_token: then it is special
  bool is_text = false;                // a file has its content alone
};

// Finds added tokens: leftmost first, then longest.
class added_token_matcher {
 public:
  added_token_matcher() = default;
  explicit added_token_matcher(std::vector<added_token> tokens);

  bool empty() const noexcept { return tokens_.empty(); }

  // Cuts `text` into stretches and tokens, in order: each(stretch, -1) or each(token, id), which returns
  // false to stop. False where it did.
  template <class Each>
  bool operator()(std::string_view text, Each&& each) const {
    std::size_t done = 0;
    std::size_t scanned = 0;
    for (found token; find(text, done, scanned, token); done = token.end) {
      if (done < token.begin && !each(text.substr(done, token.begin - done), std::int32_t{-1})) return false;
      auto const bytes = std::max(token.begin, token.end) - token.begin;
      if (!each(text.substr(token.begin, bytes), token.id)) return false;
    }
    return done >= text.size() || each(text.substr(done), std::int32_t{-1});
  }

 private:
  // With the whitespace that the token takes.
  struct found {
    std::size_t begin = 0;
    std::size_t end = 0;
    std::int32_t id = 0;
  };

  // The next one in what is not scanned yet; nothing before `done` is given to it.
  bool find(std::string_view text, std::size_t done, std::size_t& scanned, found& token) const;
  std::size_t find_first_byte(std::string_view text, std::size_t from) const noexcept;
  added_token const* match(std::string_view text) const;

  std::vector<added_token> tokens_;  // the longest first
  std::array<bool, 256> begins_{};   // the first bytes of tokens_
  bool one_first_byte_ = false;
};

}  // namespace yonder::kernels
