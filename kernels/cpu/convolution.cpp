// SPDX-License-Identifier: Apache-2.0
#include "cpu/convolution.hpp"

#include <algorithm>
#include <array>

namespace yonder::kernels::cpu {
namespace {

constexpr std::size_t neighbours = 9;

// The neighbourhood of the pixel at (y, x) of one image: row[3][3][channels].
void gather(image_batch const& of, float const* image, std::size_t y, std::size_t x, float* row) {
  for (std::size_t place = 0; place < neighbours; ++place, row += of.channels) {
    auto const at_y = y + place / 3 - 1;  // wraps above the image, and is then too large, too
    auto const at_x = x + place % 3 - 1;
    if (at_y < of.height && at_x < of.width)
      std::copy_n(image + (at_y * of.width + at_x) * of.channels, of.channels, row);
    else
      std::fill_n(row, of.channels, 0.0F);
  }
}

}  // namespace

convolution::convolution(weight_files const& files, std::string const& name, std::size_t in, std::size_t out,
                         kernel_set const& kernels)
    : kernels_(kernels) {
  part_loader const loader(files, *kernels.fp32);
  layer_.bias = loader.load_values(name + ".bias", std::array<std::uint64_t, 1>{out});
  auto const values = loader.load_values(name + ".weight", std::array<std::uint64_t, 4>{out, in, 3, 3});
  layer_.weight = packed_matrix(*kernels.fp32, neighbours * in, out, [&](std::size_t column, float* row) {
    for (std::size_t channel = 0; channel < in; ++channel)
      for (std::size_t place = 0; place < neighbours; ++place)
        row[place * in + channel] = values[(column * in + channel) * neighbours + place];
  });
}

image_batch convolution::operator()(crew const& by, image_batch const& images) const {
  auto const pixels = images.height * images.width;
  auto const depth = neighbours * images.channels;
  operand rows(layer_.weight.kernel(), depth);
  rows.reserve(images.count * pixels);
  for_each_rows(by, images.count * pixels, depth, [&](std::size_t first, std::size_t last) {
    std::vector<float> row(depth);
    for (auto at = first; at < last; ++at) {
      auto const pixel = at % pixels;
      gather(images, images.values.data() + at / pixels * pixels * images.channels, pixel / images.width,
             pixel % images.width, row.data());
      rows.encode(at, row.data());
    }
  });
  image_batch result{images.count, images.height, images.width, layer_.weight.columns(),
                     std::vector<float>(images.count * pixels * layer_.weight.columns())};
  multiply(kernels_, by, rows, images.count * pixels, layer_.weight,
           {.bias = layer_.bias.data(), .activate = kernels_.relu, .out = result.values.data()});
  return result;
}

image_batch largest_of_four(image_batch const& images) {
  image_batch result{images.count, images.height / 2, images.width / 2, images.channels};
  result.values.resize(result.count * result.height * result.width * result.channels);
  auto const stride = images.width * images.channels;
  auto* to = result.values.data();
  for (std::size_t image = 0; image < images.count; ++image) {
    for (std::size_t y = 0; y < result.height; ++y) {
      auto const* from = images.values.data() + (image * images.height + 2 * y) * stride;
      for (std::size_t x = 0; x < result.width; ++x, from += 2 * images.channels)
        for (std::size_t c = 0; c < images.channels; ++c, ++to)
          *to = std::max(
              {from[c], from[c + images.channels], from[c + stride], from[c + stride + images.channels]});
    }
  }
  return result;
}

}  // namespace yonder::kernels::cpu
