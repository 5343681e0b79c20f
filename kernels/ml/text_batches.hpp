// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "cpu/encoder.hpp"
#include "ml/token_windows.hpp"
#include "model/tokenizer.hpp"

namespace yonder::kernels {

// How texts become tokens, and how many threads may work on that.
struct text_rules {
  truncation cut;
  bool truncate = true;  // else a longer text throws
  std::size_t threads = 1;
  // Ids from here on are no rows of the embeddings: a text that has one is refused. 0: the tokenizer gives
  // none.
  std::size_t vocabulary = 0;
  bool type_ids = true;        // else all are 0
  std::string_view file = {};  // of the tokenizer, for errors
  std::size_t skipped = 0;     // as in token_batch
};

// What a model's tokenize() gives.
struct tokenized_rows {
  std::uint64_t model = 0;                 // whose tokens these are
  cpu::token_batch good;                   // the texts without an error, in order
  std::vector<std::exception_ptr> errors;  // of each text; null: it is good
};

// All texts at once. What a text throws is its own error.
tokenized_rows tokenize_all(tokenizer const& tokens, text_rules const& rules,
                            std::span<std::string_view const> texts);

// All pairs at once. Throws ml::text_error.
cpu::token_batch tokenize_pairs(tokenizer const& tokens, text_rules const& rules, pair_truncation strategy,
                                std::span<text_pair_view const> pairs);

// Of windows. Throws ml::inconsistent_model for a token that is no row of the embeddings.
cpu::token_batch batch_of(std::span<token_window const> windows, text_rules const& rules);

// Texts as batches of tokens, in order. Texts are tokenized some at a time, by several threads.
class text_batches {
 public:
  // `tokens` and what `texts` refers to must live as long.
  text_batches(tokenizer const& tokens, text_rules rules, std::span<std::string_view const> texts)
      : tokens_(&tokens), rules_(rules), texts_(texts) {}
  // Of texts that are tokenized already.
  explicit text_batches(cpu::token_batch tokenized) {
    if (tokenized.sequences() != 0) pieces_.push_back(std::move(tokenized));
  }

  bool empty() const noexcept { return texts_.empty() && pieces_.empty(); }
  // The next texts that have at most `limit` tokens together, or one alone that has more; nothing at the end.
  // Throws ml::text_error, and is then of no use.
  cpu::token_batch next(std::size_t limit);

 private:
  void tokenize_some(std::size_t limit);
  bool move_text(cpu::token_batch& to, std::size_t limit);

  tokenizer const* tokens_ = nullptr;
  text_rules rules_;
  std::span<std::string_view const> texts_;  // that are not tokenized yet
  std::deque<cpu::token_batch> pieces_;      // tokenized, from moved_ on in the first one
  std::size_t moved_ = 0;
};

}  // namespace yonder::kernels
