// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <doctest/doctest.h>
#include <stdlib.h>

#include <filesystem>
#include <string>

namespace yonder::journal::testing {

class temporary_folder {
 public:
  temporary_folder() { REQUIRE(::mkdtemp(path_.data()) != nullptr); }
  ~temporary_folder() { std::filesystem::remove_all(path_); }
  temporary_folder(temporary_folder const&) = delete;
  temporary_folder& operator=(temporary_folder const&) = delete;
  std::string in(std::string const& name) const { return path_ + "/" + name; }

 private:
  std::string path_ = "/tmp/yonder_journal_XXXXXX";
};

}  // namespace yonder::journal::testing
