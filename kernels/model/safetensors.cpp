// SPDX-License-Identifier: Apache-2.0
#include "model/safetensors.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>
#include <set>

#include "model/json.hpp"
#include "yonder/ml/errors.hpp"

namespace yonder::kernels {
namespace {

constexpr std::uint64_t max_header_bytes = 100'000'000;
constexpr std::uint64_t length_bytes = 8;
constexpr char const* download_again = "download the file again, and compare its checksum";

struct placed_tensor {
  std::uint64_t begin;
  std::uint64_t end;
  std::string const* name;
};

[[noreturn]] void malformed(std::string const& file, std::string found, std::string expected) {
  throw ml::malformed_file({file, std::move(found), std::move(expected), download_again});
}

[[noreturn]] void truncated(std::string const& file, std::uint64_t found, std::uint64_t expected) {
  throw ml::truncated_file({file, std::to_string(found) + " bytes",
                            "at least " + std::to_string(expected) + " bytes, as the file itself says",
                            download_again});
}

std::string in_quotes(std::string_view name) {
  std::string text(1, '"');
  text += name;
  return text += '"';
}

std::string show(std::span<std::uint64_t const> shape) {
  std::string text = "[";
  for (auto const extent : shape) {
    if (text.size() > 1) text += ", ";
    text += std::to_string(extent);
  }
  return text += ']';
}

std::string_view header_of(std::span<std::byte const> bytes, std::string const& file) {
  if (bytes.size() < length_bytes) truncated(file, bytes.size(), length_bytes);
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof length);
  if (length > max_header_bytes) {
    malformed(file, "a header of " + std::to_string(length) + " bytes",
              "at most " + std::to_string(max_header_bytes));
  }
  if (bytes.size() - length_bytes < length) truncated(file, bytes.size(), length_bytes + length);
  return {reinterpret_cast<char const*>(bytes.data()) + length_bytes, length};
}

// Whole numbers without sign; nothing else is an extent or an offset.
std::vector<std::uint64_t> whole_numbers(json_view const& tensor, char const* key) {
  std::vector<std::uint64_t> numbers;
  if (tensor.lacks(key) || !tensor.raw()[key].is_array()) tensor.malformed(key, "an array of whole numbers");
  for (json const& value : tensor.raw()[key]) {
    if (!value.is_number_unsigned()) tensor.malformed(key, "an array of whole numbers");
    numbers.push_back(value.get<std::uint64_t>());
  }
  return numbers;
}

// In bytes; nothing where the product overflows or is no whole number of bytes.
std::optional<std::uint64_t> dense_size(std::span<std::uint64_t const> shape, unsigned bits) {
  std::uint64_t size = bits;
  for (auto const extent : shape) {
    if (__builtin_mul_overflow(size, extent, &size)) return std::nullopt;
  }
  if (size % 8 != 0) return std::nullopt;
  return size / 8;
}

void check_metadata(json_view const& metadata) {
  for (auto const& [key, value] : metadata.raw().items()) {
    if (!value.is_string()) metadata.malformed(key, "a string");
  }
}

placed_tensor parse_tensor(json_view const& entry, std::string const& name, tensor_view& tensor) {
  tensor.type_name = entry.string("dtype");
  auto const type = find_data_type(tensor.type_name);
  if (!type) entry.malformed("dtype", "a data type of safetensors");
  tensor.type = type->type;
  tensor.shape = whole_numbers(entry, "shape");
  auto const offsets = whole_numbers(entry, "data_offsets");
  if (offsets.size() != 2 || offsets[0] > offsets[1]) entry.malformed("data_offsets", "[begin, end]");
  auto const size = dense_size(tensor.shape, type->bits);
  if (!size || *size != offsets[1] - offsets[0]) {
    malformed(entry.file(), std::to_string(offsets[1] - offsets[0]) + " bytes for " + in_quotes(name),
              show(tensor.shape) + " of " + tensor.type_name);
  }
  return {offsets[0], offsets[1], &name};
}

// The tensors must cover the data exactly: no hole, no overlap, no byte left over.
void check_cover(std::vector<placed_tensor>& tensors, std::uint64_t data_bytes, std::uint64_t data_begin,
                 std::string const& file) {
  std::sort(tensors.begin(), tensors.end(),
            [](auto const& a, auto const& b) { return std::tie(a.begin, a.end) < std::tie(b.begin, b.end); });
  std::uint64_t end = 0;
  for (auto const& tensor : tensors) {
    if (tensor.begin != end) {
      malformed(file, in_quotes(*tensor.name) + " at offset " + std::to_string(tensor.begin),
                "offset " + std::to_string(end) + ", where the tensor before it ends");
    }
    end = tensor.end;
  }
  if (end > data_bytes) truncated(file, data_begin + data_bytes, data_begin + end);
  if (end < data_bytes) {
    malformed(file, std::to_string(data_bytes - end) + " bytes past the last tensor", "none");
  }
}

}  // namespace

tensor_map parse_safetensors(std::span<std::byte const> bytes, std::string const& file) {
  std::string_view const header = header_of(bytes, file);
  if (!header.starts_with('{')) malformed(file, "a header that does not begin with {", "a safetensors file");
  json const root = parse_json(header, file);
  auto const data = bytes.subspan(length_bytes + header.size());

  tensor_map tensors;
  std::vector<placed_tensor> placed;
  for (auto const& [name, value] : root.items()) {
    if (!value.is_object()) json_view(root, file).malformed(name, "an object");
    json_view const entry(value, file, name + ".");
    if (name == "__metadata__") {
      check_metadata(entry);
      continue;
    }
    auto const added = tensors.try_emplace(name).first;
    placed.push_back(parse_tensor(entry, added->first, added->second));
  }
  check_cover(placed, data.size(), length_bytes + header.size(), file);
  for (auto const& tensor : placed) {
    tensors.find(*tensor.name)->second.bytes = data.subspan(tensor.begin, tensor.end - tensor.begin);
  }
  return tensors;
}

weight_files::weight_files(std::filesystem::path const& folder) : folder_(folder) {
  auto const single = folder / "model.safetensors";
  auto const index = folder / "model.safetensors.index.json";
  source_ = folder.string();
  if (std::filesystem::exists(single)) {
    add_file(single);
  } else if (std::filesystem::exists(index)) {
    add_shards(index);
  } else {
    throw ml::missing_file({single.string(), "no such file", "the weights as safetensors",
                            "download it, or write it with transformers: model.save_pretrained(folder)"});
  }
}

void weight_files::add_file(std::filesystem::path const& path) {
  mapped_file& file = files_.emplace_back(path);
  for (auto& [name, tensor] : parse_safetensors(file.bytes(), path.string())) {
    if (!tensors_.try_emplace(name, std::move(tensor)).second) {
      throw ml::inconsistent_model({path.string(),
                                    "the tensor " + in_quotes(name) + " of an earlier shard again",
                                    "each tensor in one shard", download_again});
    }
  }
}

// A shard is a file beside its index: a name with a path in it could reach any file of this machine.
void weight_files::add_shards(std::filesystem::path const& index) {
  std::string const file = index.string();
  json const root = read_json(index);
  json_view const map = json_view(root, file).object("weight_map");
  std::set<std::string> shards;
  for (auto const& [name, value] : map.raw().items()) {
    if (!value.is_string()) map.malformed(name, "a file name");
    auto const& shard = value.get_ref<std::string const&>();
    bool const plain = shard.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos;
    if (!plain || !shard.ends_with(".safetensors")) map.malformed(name, "a plain *.safetensors file name");
    shards.insert(shard);
  }
  for (auto const& shard : shards) add_file(index.parent_path() / shard);
  for (auto const& [name, value] : map.raw().items()) {
    if (!has(name)) {
      throw ml::inconsistent_model({file, "no tensor " + in_quotes(name) + " in the shards",
                                    "it in " + value.get<std::string>(), download_again});
    }
  }
}

tensor_view const& weight_files::get(std::string_view name, std::span<std::uint64_t const> shape) const {
  auto const found = tensors_.find(name);
  if (found == tensors_.end()) {
    throw ml::inconsistent_model({source_, "no tensor " + in_quotes(name),
                                  "it, for what config.json describes",
                                  "use the config.json that belongs to these weights"});
  }
  tensor_view const& tensor = found->second;
  if (!std::ranges::equal(tensor.shape, shape)) {
    throw ml::inconsistent_model({source_, in_quotes(name) + " of shape " + show(tensor.shape),
                                  show(shape) + ", from config.json",
                                  "use the config.json that belongs to these weights"});
  }
  if (tensor.type == data_type::other) {
    throw ml::unsupported_model({source_, in_quotes(name) + " of type " + tensor.type_name,
                                 "F16, BF16, F32 or F64", "convert the weights with transformers"});
  }
  return tensor;
}

}  // namespace yonder::kernels
