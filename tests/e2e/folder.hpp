// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdlib.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <system_error>

namespace e2e {

// A folder of a test's own, which goes with it.
class folder {
 public:
  folder() {
    std::string name = std::filesystem::temp_directory_path() / "yonder-e2e-XXXXXX";
    if (::mkdtemp(name.data()) == nullptr) throw std::system_error(errno, std::generic_category(), "mkdtemp");
    path_ = name;
  }
  ~folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  folder(folder const&) = delete;
  folder& operator=(folder const&) = delete;

  std::string operator/(std::string const& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

}  // namespace e2e
