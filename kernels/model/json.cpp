// SPDX-License-Identifier: Apache-2.0
#include "model/json.hpp"

#include <unordered_set>
#include <vector>

#include "model/mapped_file.hpp"
#include "yonder/ml/errors.hpp"

namespace yonder::kernels {
namespace {

constexpr char const* advice = "mend the file, or download the model again";

[[noreturn]] void fail(std::string const& file, std::string found, std::string expected) {
  throw ml::malformed_file({file, std::move(found), std::move(expected), advice});
}

// Sees each event of the parser before the value is built, so that neither depth nor repetition costs memory.
class guard {
 public:
  explicit guard(std::string const& file) : file_(file) {}

  bool operator()(int depth, json::parse_event_t event, json& parsed) {
    using kind = json::parse_event_t;
    if (depth > max_json_depth) {
      fail(file_, "JSON nested too deeply", "at most " + std::to_string(max_json_depth) + " levels");
    }
    if (event == kind::object_start) keys_.emplace_back();
    if (event == kind::object_end) keys_.pop_back();
    if (event == kind::key) check_new(parsed.get_ref<std::string const&>());
    return true;
  }

 private:
  void check_new(std::string const& name) {
    if (!keys_.back().insert(name).second) fail(file_, "the key \"" + name + "\" twice", "each key once");
  }

  std::string const& file_;
  std::vector<std::unordered_set<std::string>> keys_;
};

std::string shortened(json const& value) {
  // Only what is small is shown: a dump of a large or deep value would be no help.
  if (value.is_structured()) return value.is_array() ? "an array" : "an object";
  std::string text = value.dump(-1, ' ', false, json::error_handler_t::replace);
  return text.size() > 80 ? text.substr(0, 77) + "..." : text;
}

}  // namespace

json parse_json(std::string_view text, std::string const& file, json::value_t kind) {
  if (text.size() > max_json_bytes) {
    fail(file, std::to_string(text.size()) + " bytes of JSON", "at most " + std::to_string(max_json_bytes));
  }
  try {
    json value = json::parse(text, guard(file));
    if (value.type() != kind) fail(file, shortened(value), "a JSON " + std::string(json(kind).type_name()));
    return value;
  } catch (json::exception const& error) {
    fail(file, error.what(), "valid JSON");
  }
}

json read_json(std::filesystem::path const& path, json::value_t kind) {
  mapped_file const file(path);
  return parse_json(file.text(), path.string(), kind);
}

bool json_view::lacks(char const* key) const {
  if (!value_.is_object()) fail(file_, shortened(value_) + " at " + where_, "an object");
  auto const found = value_.find(key);
  return found == value_.end() || found->is_null();
}

json const& json_view::at(char const* key) const {
  if (lacks(key)) fail(file_, "no \"" + where_ + key + "\"", "that key");
  return value_.at(key);
}

std::string json_view::found(std::string const& key) const {
  auto const entry = value_.find(key);
  return "\"" + where_ + key + "\": " + (entry == value_.end() ? "nothing" : shortened(*entry));
}

void json_view::malformed(std::string const& key, std::string const& expected) const {
  fail(file_, found(key), expected);
}

void json_view::unsupported(std::string const& key, std::string const& supported) const {
  throw ml::unsupported_model(
      {file_, found(key), supported, "choose another model; this kind cannot be run by this version"});
}

json_view json_view::object(char const* key) const {
  json const& value = at(key);
  if (!value.is_object()) malformed(key, "an object");
  return {value, file_, where_ + key + "."};
}

std::string json_view::string(char const* key) const {
  json const& value = at(key);
  if (!value.is_string()) malformed(key, "a string");
  return value.get<std::string>();
}

std::string json_view::string_or(char const* key, std::string fallback) const {
  return lacks(key) ? std::move(fallback) : string(key);
}

std::optional<bool> json_view::optional_boolean(char const* key) const {
  if (lacks(key)) return std::nullopt;
  json const& value = at(key);
  if (!value.is_boolean()) malformed(key, "true or false");
  return value.get<bool>();
}

bool json_view::boolean_or(char const* key, bool fallback) const {
  return optional_boolean(key).value_or(fallback);
}

double json_view::number_or(char const* key, double fallback) const {
  if (lacks(key)) return fallback;
  json const& value = at(key);
  if (!value.is_number()) malformed(key, "a number");
  return value.get<double>();
}

std::uint64_t json_view::count(char const* key, std::uint64_t limit) const {
  json const& value = at(key);
  if (!value.is_number_unsigned() || value.get<std::uint64_t>() > limit) {
    malformed(key, "a whole number from 0 to " + std::to_string(limit));
  }
  return value.get<std::uint64_t>();
}

std::uint64_t json_view::count_or(char const* key, std::uint64_t fallback, std::uint64_t limit) const {
  return lacks(key) ? fallback : count(key, limit);
}

}  // namespace yonder::kernels
