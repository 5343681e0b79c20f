// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <string>
#include <vector>

namespace yonder::kernels::test {

// A folder with a model.safetensors of random fp32 weights, deleted at the end.
class random_weights {
 public:
  random_weights() = default;
  random_weights(random_weights const&) = delete;
  random_weights& operator=(random_weights const&) = delete;
  ~random_weights() { std::filesystem::remove_all(folder_); }

  void add(std::string const& name, std::vector<std::size_t> const& shape, float mean = 0.0F,
           float scale = 0.2F) {
    std::size_t count = 1;
    std::string sizes;
    for (std::size_t const size : shape) {
      count *= size;
      sizes += (sizes.empty() ? "" : ",") + std::to_string(size);
    }
    std::normal_distribution<float> normal(mean, scale);
    auto& values = tensors_[name];
    for (std::size_t i = 0; i < count; ++i) values.push_back(normal(engine_));
    std::size_t const begin = data_.size() * sizeof(float);
    data_.insert(data_.end(), values.begin(), values.end());
    header_ += (header_.empty() ? "" : ",") + ("\"" + name + R"(":{"dtype":"F32","shape":[)") + sizes +
               R"(],"data_offsets":[)" + std::to_string(begin) + "," +
               std::to_string(data_.size() * sizeof(float)) + "]}";
  }
  void add_linear(std::string const& name, std::size_t out, std::size_t in, bool has_bias = true) {
    add(name + ".weight", {out, in}, 0.0F, 0.1F);
    if (has_bias) add(name + ".bias", {out});
  }
  void add_norm(std::string const& name, std::size_t width, bool has_bias = true) {
    add(name + ".weight", {width}, 1.0F);
    if (has_bias) add(name + ".bias", {width});
  }
  // The last value of the last tensor.
  void set_last(float value) { data_.back() = value; }

  void write() const {
    std::filesystem::create_directories(folder_);
    std::string const header = "{" + header_ + "}";
    auto const size = static_cast<std::uint64_t>(header.size());
    std::ofstream file(folder_ / "model.safetensors", std::ios::binary);
    file.write(reinterpret_cast<char const*>(&size), sizeof size);
    file << header;
    file.write(reinterpret_cast<char const*>(data_.data()),
               static_cast<std::streamsize>(data_.size() * sizeof(float)));
    REQUIRE(file.flush());
  }

  std::filesystem::path const& folder() const { return folder_; }
  std::vector<float> const& tensor(std::string const& name) const { return tensors_.at(name); }

 private:
  std::filesystem::path folder_ = std::filesystem::temp_directory_path() /
                                  ("yonder_random_weights_" + std::to_string(std::random_device{}()));
  std::map<std::string, std::vector<float>> tensors_;
  std::string header_;
  std::vector<float> data_;
  std::mt19937 engine_{3};
};

}  // namespace yonder::kernels::test
