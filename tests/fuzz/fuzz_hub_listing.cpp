// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <stdexcept>
#include <string_view>

#include "src/cli/hub/listing.hpp"
#include "src/http/url.hpp"

namespace {

using namespace yonder::cli;
using namespace yonder::http;

void check_listing(std::string_view text) {
  try {
    for (auto const& file : parse_tree(text)) {
      std::filesystem::path const path = file.path;
      if (path.empty() || path.is_absolute() || (file.hash.size() != 40 && file.hash.size() != 64))
        __builtin_trap();
      if (file.path.find_first_of("\x1b\r\n\x7f") != std::string::npos) __builtin_trap();
      for (auto const& part : path)
        if (part == ".." || part == "." || part.empty()) __builtin_trap();
    }
  } catch (std::runtime_error const&) {
  }
  try {
    if (parse_commit(text).size() != 40) __builtin_trap();
  } catch (std::runtime_error const&) {
  }
}

void check_addresses(std::string_view text) {
  url const from{true, "hub.example", "443", "/a"};
  for (auto const& found : {parse_url(text), resolve(from, text), resolve(from, next_of(text))}) {
    if (!found) continue;
    if (found->host.empty() || found->port.empty() || !found->target.starts_with('/')) __builtin_trap();
    if ((found->host + found->port + found->target).find_first_of(" \r\n") != std::string::npos)
      __builtin_trap();
  }
  if (escape_path(text).find_first_of(" ?#\r\n") != std::string::npos) __builtin_trap();
}

}  // namespace

// What a hub answers: refused in words, or files inside the model and addresses that fit in a request.
// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  std::string_view const text(reinterpret_cast<char const*>(data), size);
  check_listing(text);
  check_addresses(text);
  return 0;
}
