// SPDX-License-Identifier: Apache-2.0
#include "yonder/file.hpp"

#include <cstdlib>
#include <filesystem>

#include "yonder/error.hpp"

namespace yonder {
namespace {

std::string without_last_slash(std::filesystem::path const& path) {
  auto text = path.lexically_normal().string();
  if (text.size() > 1 && text.back() == '/') text.pop_back();
  return text;
}

}  // namespace

file::file(std::string const& path) : name_(without_last_slash(std::filesystem::absolute(path))) {}

std::string file::path() const {
  auto here = detail::carried_path(name_);
  std::error_code ignored;
  if (!name_.empty() && std::filesystem::exists(here, ignored)) return here;
  detail::throw_error(
      {.code = errc::bad_configuration,
       .message =
           "'" + name_ +
           "' is not on this machine; have it carried with the program (carry = true, and files = [\"" +
           name_ + "\"] of the pool), or place it there under the same path"});
}

// Those that were carried lie below one folder, each under its whole path.
std::string detail::carried_path(std::string const& path) {
  char const* const root = std::getenv("YONDER_FILES");
  if (root == nullptr || *root == '\0' || !path.starts_with('/')) return path;
  auto there = root + without_last_slash(path);
  std::error_code ignored;
  return std::filesystem::exists(there, ignored) ? there : path;
}

}  // namespace yonder
