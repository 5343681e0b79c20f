// SPDX-License-Identifier: Apache-2.0
//
// The convolutional and the recurrent network: folders with random weights, against their formulas.
#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "cpu/reference.hpp"
#include "yonder/ml/errors.hpp"
#include "yonder/ml/image_classifier.hpp"
#include "yonder/ml/recurrent_classifier.hpp"

namespace {

namespace fs = std::filesystem;
using namespace yonder;
using nlohmann::json;

struct tensor {
  std::vector<std::size_t> shape;
  std::vector<float> values;
};

tensor random_tensor(std::vector<std::size_t> shape, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0F, 0.3F);
  tensor made{std::move(shape), {}};
  made.values.resize(
      std::accumulate(made.shape.begin(), made.shape.end(), std::size_t{1}, std::multiplies<>{}));
  for (float& value : made.values) value = normal(random);
  return made;
}

// A folder with a config and tensors, gone at the end.
class network_folder {
 public:
  network_folder(json what, std::map<std::string, tensor> weights)
      : config(std::move(what)), tensors(std::move(weights)) {
    std::string name = fs::temp_directory_path() / "yonder-network-XXXXXX";
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  network_folder(network_folder const&) = delete;
  network_folder& operator=(network_folder const&) = delete;
  ~network_folder() { fs::remove_all(path_); }

  fs::path const& write() const {
    std::ofstream(path_ / "config.json") << config;
    json header;
    std::size_t at = 0;
    for (auto const& [name, each] : tensors) {
      auto const end = at + each.values.size() * sizeof(float);
      header[name] = {{"dtype", "F32"}, {"shape", each.shape}, {"data_offsets", {at, end}}};
      at = end;
    }
    auto const text = header.dump();
    auto const size = static_cast<std::uint64_t>(text.size());
    std::ofstream file(path_ / "model.safetensors", std::ios::binary);
    file.write(reinterpret_cast<char const*>(&size), sizeof size) << text;
    for (auto const& [name, each] : tensors)
      file.write(reinterpret_cast<char const*>(each.values.data()),
                 static_cast<std::streamsize>(each.values.size() * sizeof(float)));
    return path_;
  }

  std::vector<float> const& operator[](std::string const& name) const { return tensors.at(name).values; }

  json config;
  std::map<std::string, tensor> tensors;

 private:
  fs::path path_;
};

network_folder images() {
  return {{{"model_type", "yonder-cnn"}, {"channels", {5, 7}}, {"labels", {"zero", "one", "two"}}},
          {{"convolutions.0.weight", random_tensor({5, 1, 3, 3}, 1)},
           {"convolutions.0.bias", random_tensor({5}, 2)},
           {"convolutions.1.weight", random_tensor({7, 5, 3, 3}, 3)},
           {"convolutions.1.bias", random_tensor({7}, 4)},
           {"classifier.weight", random_tensor({3, 7 * 49}, 5)},
           {"classifier.bias", random_tensor({3}, 6)}}};
}

network_folder texts() {
  return {{{"model_type", "yonder-gru"},
           {"embedding", 6},
           {"hidden", 9},
           {"max_bytes", 40},
           {"labels", {"no", "yes"}}},
          {{"embedding.weight", random_tensor({256, 6}, 1)},
           {"gru.weight_ih_l0", random_tensor({27, 6}, 2)},
           {"gru.weight_hh_l0", random_tensor({27, 9}, 3)},
           {"gru.bias_ih_l0", random_tensor({27}, 4)},
           {"gru.bias_hh_l0", random_tensor({27}, 5)},
           {"classifier.weight", random_tensor({2, 9}, 6)},
           {"classifier.bias", random_tensor({2}, 7)}}};
}

std::vector<double> last_layer(std::vector<double> const& x, std::vector<float> const& weight,
                               std::vector<float> const& bias) {
  std::vector<double> out(bias.begin(), bias.end());
  for (std::size_t i = 0; i < out.size(); ++i)
    for (std::size_t j = 0; j < x.size(); ++j) out[i] += x[j] * weight[i * x.size() + j];
  return out;
}

void check_near(std::vector<float> const& found, std::vector<double> const& expected) {
  REQUIRE(found.size() == expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) CHECK(std::abs(found[i] - expected[i]) < 1e-5);
}

std::vector<float> pictures(std::size_t count) {
  auto made = random_tensor({count, ml::image_classifier::pixels}, 11).values;
  for (float& pixel : made) pixel = std::abs(pixel);
  return made;
}

}  // namespace

TEST_CASE("convolutions, pools and the last layer are what their formulas say") {
  auto const folder = images();
  ml::image_classifier const model(folder.write());
  auto const picture = pictures(1);
  std::vector<double> x(picture.begin(), picture.end());
  x = kernels::reference::convolution(x, 1, 28, 28, folder["convolutions.0.weight"],
                                      folder["convolutions.0.bias"]);
  x = kernels::reference::convolution(x, 5, 14, 14, folder["convolutions.1.weight"],
                                      folder["convolutions.1.bias"]);
  auto const expected = last_layer(x, folder["classifier.weight"], folder["classifier.bias"]);
  check_near(model.logits(picture).front(), expected);

  auto const largest = std::max_element(expected.begin(), expected.end()) - expected.begin();
  auto const best = model(picture);
  CHECK(best.label == model.labels()[static_cast<std::size_t>(largest)]);
  double sum = 0;
  for (auto const each : expected) sum += std::exp(each - expected[static_cast<std::size_t>(largest)]);
  CHECK(best.score == doctest::Approx(1 / sum));
}

TEST_CASE("an image has the same bits alone, among others and with other threads") {
  auto const folder = images();
  ml::image_classifier const model(folder.write(), 1);
  ml::image_classifier const wide(folder.write(), 3);
  auto const many = pictures(70);  // more than are taken at once
  auto const rows = wide.logits(many);
  REQUIRE(rows.size() == 70);
  for (std::size_t i : {std::size_t{0}, std::size_t{31}, std::size_t{64}, std::size_t{69}})
    CHECK(model.logits(std::span(many).subspan(i * 784, 784)).front() == rows[i]);
}

TEST_CASE("an image of another size, and one with a NaN, are refused in words") {
  auto const folder = images();
  ml::image_classifier const model(folder.write());
  auto picture = pictures(1);
  CHECK_THROWS_WITH_AS(model(std::span(picture).first(783)),
                       "an image has 28 x 28 = 784 pixels, this one has 783", std::invalid_argument);
  CHECK_THROWS_AS(model.logits(std::span(picture).first(783)), std::invalid_argument);
  picture[5] = std::numeric_limits<float>::quiet_NaN();
  CHECK_THROWS_WITH_AS(model(picture), "a pixel of an image is no finite number", std::invalid_argument);
  CHECK(model.logits({}).empty());
}

TEST_CASE("a gated recurrent unit and the last layer are what their formulas say") {
  auto const folder = texts();
  ml::recurrent_classifier const model(folder.write());
  std::string const text = "good job \xc3\xa9";
  std::vector<float> x;
  for (char const byte : text) {
    auto const row = folder["embedding.weight"].begin() + static_cast<unsigned char>(byte) * 6;
    x.insert(x.end(), row, row + 6);
  }
  auto const state = kernels::reference::gated_recurrent_unit(
      x, 6, 9, folder["gru.weight_ih_l0"], folder["gru.weight_hh_l0"], folder["gru.bias_ih_l0"],
      folder["gru.bias_hh_l0"]);
  std::string_view const view = text;
  check_near(model.logits(std::span(&view, 1)).front(),
             last_layer(state, folder["classifier.weight"], folder["classifier.bias"]));
  CHECK(model("").score > 0);  // no step: the state is 0
}

TEST_CASE("a text has the same bits alone and among longer and shorter ones") {
  auto const folder = texts();
  ml::recurrent_classifier const model(folder.write(), 3);
  std::vector<std::string> const all{"a", "", "a longer one, by far", "of middle length", "b"};
  auto const together = model(all);
  REQUIRE(together.size() == all.size());
  for (std::size_t i = 0; i < all.size(); ++i) CHECK(together[i] == model(all[i]));
}

TEST_CASE("a text of more than max_bytes is refused in words") {
  auto const folder = texts();
  ml::recurrent_classifier const model(folder.write());
  CHECK_NOTHROW(model(std::string(40, 'x')));
  CHECK_THROWS_WITH_AS(model(std::string(41, 'x')), "a text of 41 bytes; max_bytes is 40 (config.json)",
                       std::length_error);
}

TEST_CASE("folders that are none of these networks are refused by name") {
  auto folder = images();
  folder.config["model_type"] = "bert";
  CHECK_THROWS_AS(ml::image_classifier(folder.write()), ml::unsupported_model);
  folder.config = images().config;
  folder.config["stride"] = 2;
  CHECK_THROWS_AS(ml::image_classifier(folder.write()), ml::unsupported_model);
  for (json const& channels : {json(5), json::array(), json{0}, json{-1}, json{"5"}, json{1025}}) {
    folder.config = images().config;
    folder.config["channels"] = channels;
    CHECK_THROWS_AS(ml::image_classifier(folder.write()), ml::malformed_file);
  }
  folder.config["channels"] = {1, 1, 1, 1, 1};
  CHECK_THROWS_AS(ml::image_classifier(folder.write()), ml::unsupported_model);
  folder.config["channels"] = {5, 8};  // the weights are those of 7
  CHECK_THROWS_AS(ml::image_classifier(folder.write()), ml::inconsistent_model);
  folder.config = images().config;
  folder.config["labels"] = {1, 2};
  CHECK_THROWS_AS(ml::image_classifier(folder.write()), ml::malformed_file);
  folder.config = images().config;
  folder.tensors["convolutions.1.weight"].values[3] = std::numeric_limits<float>::infinity();
  CHECK_THROWS_AS(ml::image_classifier(folder.write()), ml::inconsistent_model);

  auto words = texts();
  words.config["hidden"] = 0;
  CHECK_THROWS_AS(ml::recurrent_classifier(words.write()), ml::malformed_file);
  words.config = texts().config;
  words.config["max_bytes"] = 65537;
  CHECK_THROWS_AS(ml::recurrent_classifier(words.write()), ml::malformed_file);
  words.config = texts().config;
  words.tensors.erase("gru.bias_hh_l0");
  CHECK_THROWS_AS(ml::recurrent_classifier(words.write()), ml::inconsistent_model);
}
