// SPDX-License-Identifier: Apache-2.0
#include "yonder/ml/tokenized_texts.hpp"

#include <utility>

#include "ml/text_batches.hpp"

namespace yonder::ml {

tokenized_texts::tokenized_texts(std::unique_ptr<kernels::tokenized_rows const> rows) noexcept
    : rows_(std::move(rows)) {}
tokenized_texts::tokenized_texts(tokenized_texts&&) noexcept = default;
tokenized_texts& tokenized_texts::operator=(tokenized_texts&&) noexcept = default;
tokenized_texts::~tokenized_texts() = default;

std::size_t tokenized_texts::size() const noexcept { return rows_->errors.size(); }
std::size_t tokenized_texts::tokens() const noexcept { return rows_->good.tokens(); }
std::vector<std::size_t> tokenized_texts::token_counts() const {
  std::vector<std::size_t> counts;
  auto start = rows_->good.starts.begin();
  for (auto const& error : rows_->errors) {
    counts.push_back(error ? 0 : *(start + 1) - *start);
    if (!error) ++start;
  }
  return counts;
}
std::exception_ptr tokenized_texts::error(std::size_t i) const noexcept { return rows_->errors[i]; }

}  // namespace yonder::ml
