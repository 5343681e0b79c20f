// SPDX-License-Identifier: Apache-2.0
#include "yonder/ml/sentence_encoder.hpp"

#include <exception>
#include <string>
#include <utility>

#include "ml/sentence_steps.hpp"
#include "ml/text_model.hpp"
#include "model/find_model.hpp"
#include "model/sentence_folder.hpp"
#include "yonder/ml/errors.hpp"

namespace yonder::ml {

class sentence_encoder::implementation {
 public:
  implementation(kernels::sentence_folder const& folder, text_options const& options)
      : prompt_(folder.prompt), model_(folder, options), steps_(folder, model_.width(), options.threads) {}

  std::vector<std::vector<float>> encode(std::span<std::string_view const> texts) const {
    auto rows = prompt_.empty() ? model_.run(texts) : run_with_prompt(texts);
    steps_.apply(rows);
    return rows;
  }

  tokenized_texts tokenize(std::span<std::string_view const> texts) const {
    auto rows = prompt_.empty() ? model_.tokenize(texts) : model_.tokenize(views_of(prompted(texts)));
    for (auto& error : rows.errors) error = without_prompt(error);
    return tokenized_texts(std::make_unique<kernels::tokenized_rows const>(std::move(rows)));
  }

  std::vector<std::vector<float>> encode(tokenized_texts const& texts) const {
    auto rows = model_.run(texts.rows());
    steps_.apply(rows);
    return rows;
  }

  std::size_t dimension() const noexcept { return steps_.width(); }
  std::string placement() const { return model_.placement(); }

 private:
  static std::vector<std::string_view> views_of(std::vector<std::string> const& texts) {
    return {texts.begin(), texts.end()};
  }

  std::vector<std::string> prompted(std::span<std::string_view const> texts) const {
    std::vector<std::string> all;
    all.reserve(texts.size());
    for (auto const text : texts) all.push_back(prompt_ + std::string(text));
    return all;
  }

  std::vector<std::vector<float>> run_with_prompt(std::span<std::string_view const> texts) const {
    try {
      return model_.run(views_of(prompted(texts)));
    } catch (invalid_utf8 const& error) {
      throw invalid_utf8(error.offset() - prompt_.size());  // in the caller's text
    }
  }

  std::exception_ptr without_prompt(std::exception_ptr const& error) const {
    if (error == nullptr || prompt_.empty()) return error;
    try {
      std::rethrow_exception(error);
    } catch (invalid_utf8 const& found) {
      return std::make_exception_ptr(invalid_utf8(found.offset() - prompt_.size()));
    } catch (...) {
      return error;
    }
  }

  std::string prompt_;
  kernels::text_model model_;
  kernels::sentence_steps steps_;
};

sentence_encoder::sentence_encoder(std::filesystem::path const& folder, text_options options)
    : implementation_(std::make_unique<implementation const>(
          kernels::read_sentence_folder(kernels::find_model(folder)), options)) {}
sentence_encoder::sentence_encoder(sentence_encoder&&) noexcept = default;
sentence_encoder& sentence_encoder::operator=(sentence_encoder&&) noexcept = default;
sentence_encoder::~sentence_encoder() = default;

std::vector<float> sentence_encoder::operator()(std::string_view text) const {
  return std::move(implementation_->encode({&text, 1}).front());
}

std::vector<std::vector<float>> sentence_encoder::operator()(std::span<std::string_view const> texts) const {
  return implementation_->encode(texts);
}

std::vector<std::vector<float>> sentence_encoder::operator()(std::span<std::string const> texts) const {
  return implementation_->encode(std::vector<std::string_view>(texts.begin(), texts.end()));
}

tokenized_texts sentence_encoder::tokenize(std::span<std::string const> texts) const {
  return implementation_->tokenize(std::vector<std::string_view>(texts.begin(), texts.end()));
}

std::vector<std::vector<float>> sentence_encoder::operator()(tokenized_texts const& texts) const {
  return implementation_->encode(texts);
}

std::size_t sentence_encoder::dimension() const noexcept { return implementation_->dimension(); }

std::string sentence_encoder::placement() const { return implementation_->placement(); }

}  // namespace yonder::ml
