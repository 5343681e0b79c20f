// SPDX-License-Identifier: Apache-2.0
#include "yonder/ml/recurrent_classifier.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <utility>

#include "cpu/recurrent.hpp"
#include "ml/small_networks.hpp"

namespace yonder::ml {
namespace {

using namespace kernels;

constexpr std::size_t largest_state = 4096;
constexpr std::size_t longest_text = 65536;      // bytes
constexpr std::size_t bytes_at_once = 1U << 16;  // of texts, bounds what a call holds
constexpr std::array<std::string_view, 3> recurrent_keys{"embedding", "hidden", "max_bytes"};

}  // namespace

class recurrent_classifier::implementation {
 public:
  implementation(std::filesystem::path const& folder, std::size_t threads)
      : config_(folder, "yonder-gru", recurrent_keys),
        width_(config_.size("embedding", largest_state)),
        max_bytes_(config_.size("max_bytes", longest_text)),
        by_{cpu::thread_pool::shared(), threads != 0 ? threads : cpu::default_threads()},
        files_(folder),
        embedding_(loader().load_values("embedding.weight", std::array<std::uint64_t, 2>{256, width_})),
        unit_(files_, "gru", width_, config_.size("hidden", largest_state), kernels_),
        last_(loader().load_linear("classifier", config_.size("hidden", largest_state), labels().size())) {}

  std::vector<std::vector<float>> logits(std::span<std::string_view const> texts) const {
    for (auto const& each : texts)
      if (each.size() > max_bytes_)
        throw std::length_error("a text of " + std::to_string(each.size()) + " bytes; max_bytes is " +
                                std::to_string(max_bytes_) + " (config.json)");
    std::vector<std::vector<float>> result;
    for (std::size_t first = 0; first < texts.size();) {
      auto last = first;
      std::size_t bytes = 0;
      do {
        bytes += texts[last++].size();
      } while (last < texts.size() && bytes + texts[last].size() <= bytes_at_once);
      for (auto& row : rows_of(run(texts.subspan(first, last - first), bytes), labels().size()))
        result.push_back(std::move(row));
      first = last;
    }
    return result;
  }

  std::vector<std::string> const& labels() const noexcept { return config_.labels(); }
  std::size_t max_bytes() const noexcept { return max_bytes_; }

 private:
  cpu::part_loader loader() const { return {files_, *kernels_.fp32}; }

  std::vector<float> run(std::span<std::string_view const> texts, std::size_t bytes) const {
    std::vector<float> rows;
    rows.reserve(bytes * width_);
    std::vector<std::size_t> lengths;
    for (auto const& each : texts) {
      lengths.push_back(each.size());
      for (char const byte : each) {
        auto const row =
            embedding_.begin() + static_cast<std::ptrdiff_t>(static_cast<unsigned char>(byte) * width_);
        rows.insert(rows.end(), row, row + static_cast<std::ptrdiff_t>(width_));
      }
    }
    return cpu::apply(kernels_, by_, last_, unit_(by_, rows, lengths));
  }

  network_config config_;
  std::size_t width_;
  std::size_t max_bytes_;
  cpu::kernel_set const& kernels_ = cpu::best_kernels();
  cpu::crew by_;
  weight_files files_;
  std::vector<float> embedding_;
  cpu::gated_recurrent_unit unit_;
  cpu::linear last_;
};

recurrent_classifier::recurrent_classifier(std::filesystem::path const& folder, std::size_t threads)
    : implementation_(std::make_unique<implementation const>(folder, threads)) {}
recurrent_classifier::recurrent_classifier(recurrent_classifier&&) noexcept = default;
recurrent_classifier& recurrent_classifier::operator=(recurrent_classifier&&) noexcept = default;
recurrent_classifier::~recurrent_classifier() = default;

label_score recurrent_classifier::operator()(std::string_view text) const {
  return best_label(std::move(implementation_->logits(std::span(&text, 1)).front()),
                    implementation_->labels());
}

std::vector<label_score> recurrent_classifier::operator()(std::span<std::string const> texts) const {
  std::vector<std::string_view> const views(texts.begin(), texts.end());
  std::vector<label_score> result;
  for (auto& row : implementation_->logits(views))
    result.push_back(best_label(std::move(row), implementation_->labels()));
  return result;
}

std::vector<std::vector<float>> recurrent_classifier::logits(std::span<std::string_view const> texts) const {
  return implementation_->logits(texts);
}

std::span<std::string const> recurrent_classifier::labels() const noexcept {
  return implementation_->labels();
}

std::size_t recurrent_classifier::max_bytes() const noexcept { return implementation_->max_bytes(); }

}  // namespace yonder::ml
