// SPDX-License-Identifier: Apache-2.0
#include "yonder/ml/sentence_encoder.hpp"

#include <utility>

#include "cpu/heads.hpp"
#include "ml/text_model.hpp"
#include "model/sentence_folder.hpp"

namespace yonder::ml {

class sentence_encoder::implementation {
 public:
  implementation(kernels::sentence_folder const& folder, text_options const& options)
      : normalize_(folder.normalize), model_(folder.encoder, options, folder.pooling, folder.max_length) {}

  std::vector<std::vector<float>> encode(std::span<std::string_view const> texts) const {
    auto rows = model_.run(texts);
    if (normalize_) {
      for (auto& row : rows) kernels::cpu::normalize_length(row.data(), row.size());
    }
    return rows;
  }

  std::size_t dimension() const noexcept { return model_.width(); }

 private:
  bool normalize_;
  kernels::text_model model_;
};

sentence_encoder::sentence_encoder(std::filesystem::path const& folder, text_options options)
    : implementation_(
          std::make_unique<implementation const>(kernels::read_sentence_folder(folder), options)) {}
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

}  // namespace yonder::ml
