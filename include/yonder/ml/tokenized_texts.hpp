// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <exception>
#include <memory>
#include <vector>

#include "yonder/ml/export.hpp"

namespace yonder::kernels {
struct tokenized_rows;
}

namespace yonder::ml {

// Texts as the tokens of one model, made by its tokenize() and taken by that model alone: one thread may make
// the next ones while another computes.
class YONDER_KERNELS_API tokenized_texts {
 public:
  explicit tokenized_texts(std::unique_ptr<kernels::tokenized_rows const> rows) noexcept;  // for detail
  tokenized_texts(tokenized_texts&&) noexcept;
  tokenized_texts& operator=(tokenized_texts&&) noexcept;
  ~tokenized_texts();

  // How many texts.
  std::size_t size() const noexcept;
  // Of all texts together, special ones included.
  std::size_t tokens() const noexcept;
  // Of each; 0 where a text has an error.
  std::vector<std::size_t> token_counts() const;
  // What a call with text `i` alone would throw, a text_error or an inconsistent_model. Null: it is good.
  std::exception_ptr error(std::size_t i) const noexcept;

  // For detail.
  kernels::tokenized_rows const& rows() const noexcept { return *rows_; }

 private:
  std::unique_ptr<kernels::tokenized_rows const> rows_;
};

}  // namespace yonder::ml
