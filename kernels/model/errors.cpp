// SPDX-License-Identifier: Apache-2.0
#include "yonder/ml/errors.hpp"

#include <utility>

namespace yonder::ml {
namespace {

std::string describe(model_fault const& fault) {
  return fault.file + ": found " + fault.found + "; expected " + fault.expected + "; " + fault.advice;
}

}  // namespace

model_error::model_error(model_fault fault) : std::runtime_error(describe(fault)), fault_(std::move(fault)) {}

invalid_utf8::invalid_utf8(std::size_t offset)
    : text_error("the text is not UTF-8: the byte at offset " + std::to_string(offset) +
                 " begins no valid code point; convert the text, or replace what is invalid by U+FFFD"),
      offset_(offset) {}

text_too_long::text_too_long(std::size_t max_tokens)
    : text_error("the text has more than " + std::to_string(max_tokens) +
                 " tokens, special ones included; shorten it, or set text_options::truncate"),
      max_tokens_(max_tokens) {}

// Out of line, so that each class has its type information in one place.
model_error::~model_error() = default;
missing_file::~missing_file() = default;
malformed_file::~malformed_file() = default;
truncated_file::~truncated_file() = default;
inconsistent_model::~inconsistent_model() = default;
unsupported_model::~unsupported_model() = default;
text_error::~text_error() = default;
invalid_utf8::~invalid_utf8() = default;
text_too_long::~text_too_long() = default;
gpu_error::~gpu_error() = default;
gpu_unavailable::~gpu_unavailable() = default;
gpu_out_of_memory::~gpu_out_of_memory() = default;
gpu_unusable::~gpu_unusable() = default;

}  // namespace yonder::ml
