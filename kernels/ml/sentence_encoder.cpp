// SPDX-License-Identifier: Apache-2.0
#include "yonder/ml/sentence_encoder.hpp"

#include <utility>

#include "cpu/heads.hpp"
#include "ml/text_model.hpp"
#include "model/sentence_folder.hpp"

namespace yonder::ml {

class sentence_encoder::implementation {
 public:
  implementation(kernels::sentence_folder folder, text_options options)
      : folder_(std::move(folder)), model_(folder_.encoder, options, folder_.max_length) {}

  std::vector<std::vector<float>> encode(std::span<std::string_view const> texts) const {
    std::vector<std::vector<float>> rows;
    rows.reserve(texts.size());
    model_.run(texts, [&](kernels::cpu::token_batch const& batch, std::span<float const> hidden) {
      for (std::size_t i = 0; i < batch.sequences(); ++i) {
        rows.push_back(
            pool(hidden.data() + batch.starts[i] * width(), batch.starts[i + 1] - batch.starts[i]));
      }
    });
    return rows;
  }

  std::size_t dimension() const noexcept { return width() * folder_.pooling.size(); }

 private:
  std::size_t width() const noexcept { return model_.config().encoder.hidden; }

  std::vector<float> pool(float const* hidden, std::size_t length) const {
    std::vector<float> out(dimension());
    float* to = out.data();
    for (auto const mode : folder_.pooling) {
      kernels::cpu::pool(mode, hidden, length, width(), to);
      to += width();
    }
    if (folder_.normalize) kernels::cpu::normalize_length(out.data(), out.size());
    return out;
  }

  kernels::sentence_folder folder_;
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
