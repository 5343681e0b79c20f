// SPDX-License-Identifier: Apache-2.0
#include "src/cli/hub/listing.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

#include "src/cli/printable.hpp"

namespace yonder::cli {
namespace {

using nlohmann::json;

[[noreturn]] void refuse(std::string const& words) { throw std::runtime_error(words); }

bool is_hash(std::string_view text) {
  return (text.size() == 40 || text.size() == 64) && text.find_first_not_of("0123456789abcdef") == text.npos;
}

// One of C0 or, in UTF-8, of C1: what a terminal obeys.
bool has_control_character(std::string_view text) {
  unsigned char before = 0;
  return std::ranges::any_of(text, [&](char one) {
    auto const code = static_cast<unsigned char>(one);
    bool const second = std::exchange(before, code) == 0xC2 && code < 0xA0;
    return code < 0x20 || code == 0x7F || second;
  });
}

bool is_path_inside(std::string_view path) {
  if (path.empty() || path.size() > 1000 || path.find('\\') != path.npos || has_control_character(path))
    return false;
  for (auto left = path;;) {
    auto const part = left.substr(0, left.find('/'));
    if (part.empty() || part == "." || part == "..") return false;
    if (part.size() == left.size()) return true;
    left.remove_prefix(part.size() + 1);
  }
}

std::string text_of(json const& object, char const* key) {
  auto const found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

json parse(std::string_view text, json::value_t kind) {
  auto parsed = json::parse(text, nullptr, false);
  if (parsed.is_discarded() || parsed.type() != kind)
    refuse("the hub's answer is not the JSON that its interface promises");
  return parsed;
}

}  // namespace

std::vector<hub_file> parse_tree(std::string_view text) {
  std::vector<hub_file> files;
  for (auto const& entry : parse(text, json::value_t::array)) {
    if (!entry.is_object()) refuse("the hub lists a file that is no object");
    if (text_of(entry, "type") != "file") continue;
    hub_file file{text_of(entry, "path"), 0, text_of(entry, "oid")};
    auto const* holder = &entry;
    if (auto const large = entry.find("lfs"); large != entry.end() && large->is_object()) {
      holder = &*large;
      file.hash = text_of(*large, "oid");
      if (file.hash.starts_with("sha256:")) file.hash.erase(0, 7);
    }
    auto const size = holder->find("size");
    if (size != holder->end() && size->is_number_unsigned()) file.size = size->get<std::uint64_t>();
    bool const sized = size != holder->end() && size->is_number_unsigned();
    if (!sized || !is_hash(file.hash) || (holder != &entry && !file.is_large()) || !is_path_inside(file.path))
      refuse("the hub lists a file without a path inside the model, a size and a hash: " +
             printable(file.path));
    files.push_back(std::move(file));
  }
  return files;
}

std::string parse_commit(std::string_view text) {
  auto commit = text_of(parse(text, json::value_t::object), "sha");
  if (commit.size() != 40 || !is_hash(commit)) refuse("the hub's answer names no commit");
  return commit;
}

}  // namespace yonder::cli
