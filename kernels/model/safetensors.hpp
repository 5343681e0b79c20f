// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/data_type.hpp"
#include "model/mapped_file.hpp"

namespace yonder::kernels {

// A tensor inside a mapped file: dense, row-major, of any alignment.
struct tensor_view {
  std::string type_name;
  data_type type = data_type::other;
  std::vector<std::uint64_t> shape;
  std::span<std::byte const> bytes;
};

using tensor_map = std::map<std::string, tensor_view, std::less<>>;

// Reads the header of a whole safetensors file and checks every byte of it against the size of the file
// (https://github.com/huggingface/safetensors#format). The views point into `bytes`; `file` is named in
// errors. Throws ml::malformed_file, ml::truncated_file.
tensor_map parse_safetensors(std::span<std::byte const> bytes, std::string const& file);

// The tensors of a model's folder: model.safetensors, or the shards of model.safetensors.index.json.
class weight_files {
 public:
  // Throws ml::model_error.
  explicit weight_files(std::filesystem::path const& folder);

  bool has(std::string_view name) const { return tensors_.find(name) != tensors_.end(); }
  // `other`, too, where there is no such tensor.
  data_type type_of(std::string_view name) const {
    auto const found = tensors_.find(name);
    return found == tensors_.end() ? data_type::other : found->second.type;
  }
  // Throws ml::inconsistent_model where there is no such tensor or it has another shape,
  // ml::unsupported_model where it cannot be read as floats. The view lives as long as this object.
  tensor_view const& get(std::string_view name, std::span<std::uint64_t const> shape) const;

  std::filesystem::path const& folder() const noexcept { return folder_; }
  // The file or folder that errors name.
  std::string const& source() const noexcept { return source_; }

 private:
  void add_shards(std::filesystem::path const& index);
  void add_file(std::filesystem::path const& path);

  std::filesystem::path folder_;
  std::string source_;
  std::vector<mapped_file> files_;
  tensor_map tensors_;
};

}  // namespace yonder::kernels
