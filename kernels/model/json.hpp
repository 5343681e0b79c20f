// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace yonder::kernels {

using json = nlohmann::json;

// Files of a model that are JSON, tokenizers with large vocabularies included.
inline constexpr std::size_t max_json_bytes = 100'000'000;
inline constexpr int max_json_depth = 32;

// A document of the given kind, without duplicate keys and at most max_json_depth deep. Throws
// ml::malformed_file, naming `file`.
json parse_json(std::string_view text, std::string const& file, json::value_t kind = json::value_t::object);
json read_json(std::filesystem::path const& path, json::value_t kind = json::value_t::object);

// What one JSON file says, each question with a typed error that names the file and the key.
class json_view {
 public:
  // Keeps references to both.
  json_view(json const& value, std::string const& file, std::string where = {})
      : value_(value), file_(file), where_(std::move(where)) {}

  json const& raw() const noexcept { return value_; }
  std::string const& file() const noexcept { return file_; }
  // Absent or null.
  bool lacks(char const* key) const;

  json_view object(char const* key) const;
  std::string string(char const* key) const;
  std::string string_or(char const* key, std::string fallback) const;
  bool boolean_or(char const* key, bool fallback) const;
  std::optional<bool> optional_boolean(char const* key) const;
  double number_or(char const* key, double fallback) const;
  // 0 to `limit`.
  std::uint64_t count(char const* key, std::uint64_t limit = 1'000'000'000) const;
  std::uint64_t count_or(char const* key, std::uint64_t fallback, std::uint64_t limit = 1'000'000'000) const;

  [[noreturn]] void malformed(std::string const& key, std::string const& expected) const;
  [[noreturn]] void unsupported(std::string const& key, std::string const& supported) const;

 private:
  json const& at(char const* key) const;
  std::string found(std::string const& key) const;

  json const& value_;
  std::string const& file_;
  std::string where_;
};

}  // namespace yonder::kernels
