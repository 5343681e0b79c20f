// SPDX-License-Identifier: Apache-2.0
#include "yonder/ml/image_classifier.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <stdexcept>
#include <string>
#include <utility>

#include "cpu/convolution.hpp"
#include "ml/small_networks.hpp"
#include "yonder/ml/errors.hpp"

namespace yonder::ml {
namespace {

using namespace kernels;

constexpr std::size_t most_channels = 1024;
constexpr std::size_t most_convolutions = 4;  // then an image of 28 x 28 is one pixel
constexpr std::size_t images_at_once = 64;    // bounds what a call holds
constexpr std::array<std::string_view, 1> image_keys{"channels"};

// PyTorch flattens [channels][pixels], here it is [pixels][channels].
cpu::linear load_last(cpu::part_loader const& loader, std::size_t pixels, std::size_t channels,
                      std::size_t labels) {
  auto const in = pixels * channels;
  auto const values = loader.load_values("classifier.weight", std::array<std::uint64_t, 2>{labels, in});
  return {cpu::packed_matrix(loader.kernel(), in, labels,
                             [&](std::size_t column, float* row) {
                               for (std::size_t channel = 0; channel < channels; ++channel)
                                 for (std::size_t pixel = 0; pixel < pixels; ++pixel)
                                   row[pixel * channels + channel] =
                                       values[column * in + channel * pixels + pixel];
                             }),
          loader.load_values("classifier.bias", std::array<std::uint64_t, 1>{labels})};
}

}  // namespace

class image_classifier::implementation {
 public:
  implementation(std::filesystem::path const& folder, std::size_t threads)
      : config_(folder, "yonder-cnn", image_keys),
        by_{cpu::thread_pool::shared(), threads != 0 ? threads : cpu::default_threads()} {
    auto const channels = config_.sizes("channels", most_channels);
    if (channels.size() > most_convolutions)
      throw unsupported_model({(folder / "config.json").string(),
                               std::to_string(channels.size()) + " numbers in channels",
                               "1 to " + std::to_string(most_convolutions), "use fewer convolutions"});
    weight_files const files(folder);
    std::size_t in = 1;
    auto side_now = side;
    for (std::size_t i = 0; i < channels.size(); ++i, side_now /= 2) {
      convolutions_.emplace_back(files, "convolutions." + std::to_string(i), in, channels[i], kernels_);
      in = channels[i];
    }
    last_ = load_last({files, *kernels_.fp32}, side_now * side_now, in, config_.labels().size());
  }

  std::vector<std::vector<float>> logits(std::span<float const> images) const {
    check(images);
    std::vector<std::vector<float>> result;
    while (!images.empty()) {
      auto const now = images.first(std::min(images.size(), images_at_once * pixels));
      images = images.subspan(now.size());
      for (auto& row : rows_of(run(now), labels().size())) result.push_back(std::move(row));
    }
    return result;
  }

  std::vector<std::string> const& labels() const noexcept { return config_.labels(); }

 private:
  static void check(std::span<float const> images) {
    if (images.size() % pixels != 0)
      throw std::invalid_argument("an image has 28 x 28 = 784 pixels; there are " +
                                  std::to_string(images.size()));
    if (!std::all_of(images.begin(), images.end(), [](float each) { return std::isfinite(each); }))
      throw std::invalid_argument("a pixel of an image is no finite number");
  }

  std::vector<float> run(std::span<float const> images) const {
    cpu::image_batch now{images.size() / pixels, side, side, 1, {images.begin(), images.end()}};
    for (auto const& each : convolutions_) now = cpu::largest_of_four(each(by_, now));
    return cpu::apply(kernels_, by_, last_, now.values);
  }

  network_config config_;
  cpu::kernel_set const& kernels_ = cpu::best_kernels();
  cpu::crew by_;
  std::vector<cpu::convolution> convolutions_;
  cpu::linear last_;
};

image_classifier::image_classifier(std::filesystem::path const& folder, std::size_t threads)
    : implementation_(std::make_unique<implementation const>(folder, threads)) {}
image_classifier::image_classifier(image_classifier&&) noexcept = default;
image_classifier& image_classifier::operator=(image_classifier&&) noexcept = default;
image_classifier::~image_classifier() = default;

label_score image_classifier::operator()(std::span<float const> image) const {
  if (image.size() != pixels)
    throw std::invalid_argument("an image has 28 x 28 = 784 pixels, this one has " +
                                std::to_string(image.size()));
  return best_label(std::move(implementation_->logits(image).front()), implementation_->labels());
}

std::vector<std::vector<float>> image_classifier::logits(std::span<float const> images) const {
  return implementation_->logits(images);
}

std::span<std::string const> image_classifier::labels() const noexcept { return implementation_->labels(); }

}  // namespace yonder::ml
