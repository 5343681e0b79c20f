// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <functional>
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
};

// Finds added tokens: leftmost first, then longest.
class added_token_matcher {
 public:
  // A stretch of text, or a token where id is not negative. Returns false to stop.
  using sink = std::function<bool(std::string_view text, std::int32_t id)>;

  added_token_matcher() = default;
  explicit added_token_matcher(std::vector<added_token> tokens);

  // Cuts `text` into stretches and tokens, in order; false where `each` stopped it.
  bool operator()(std::string_view text, sink const& each) const;

 private:
  added_token const* find_at(std::string_view text) const;

  std::vector<added_token> tokens_;  // the longest first
  std::array<bool, 256> begins_{};   // the first bytes of tokens_
};

}  // namespace yonder::kernels
