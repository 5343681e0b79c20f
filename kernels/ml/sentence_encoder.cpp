// SPDX-License-Identifier: Apache-2.0
#include "yonder/ml/sentence_encoder.hpp"

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

  std::size_t dimension() const noexcept { return steps_.width(); }
  std::string placement() const { return model_.placement(); }

 private:
  std::vector<std::vector<float>> run_with_prompt(std::span<std::string_view const> texts) const {
    std::vector<std::string> prompted;
    prompted.reserve(texts.size());
    for (auto const text : texts) prompted.push_back(prompt_ + std::string(text));
    try {
      return model_.run(std::vector<std::string_view>(prompted.begin(), prompted.end()));
    } catch (invalid_utf8 const& error) {
      throw invalid_utf8(error.offset() - prompt_.size());  // in the caller's text
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

std::size_t sentence_encoder::dimension() const noexcept { return implementation_->dimension(); }

std::string sentence_encoder::placement() const { return implementation_->placement(); }

}  // namespace yonder::ml
