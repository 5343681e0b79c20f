// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

namespace yonder::kernels {

// A sequence of the pre-tokenizers that WordPiece tokenizers use. Each cuts the pieces of the one before.
class pre_tokenizer {
 public:
  enum class step : std::uint8_t {
    bert,              // drops whitespace, isolates punctuation
    whitespace_split,  // drops whitespace
    whitespace,        // matches of \w+|[^\w\s]+
    punctuation,       // isolates punctuation
  };
  // Returns false to stop.
  using sink = std::function<bool(std::string_view word)>;

  pre_tokenizer() = default;
  explicit pre_tokenizer(std::vector<step> steps) : steps_(std::move(steps)) {}

  // Calls `each` for the words of `text`, in order, none of them empty; false where `each` stopped it.
  bool operator()(std::string_view text, sink const& each) const;

 private:
  bool split(std::size_t step_index, std::string_view text, sink const& each) const;

  std::vector<step> steps_;
};

}  // namespace yonder::kernels
