// SPDX-License-Identifier: Apache-2.0
#include "src/launch/private_files.hpp"

#include <doctest/doctest.h>

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <string>
#include <system_error>

namespace {

using yonder::launch::private_files;
namespace fs = std::filesystem;

std::string text_in(fs::path const& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST_CASE("a private folder and its files are of this user alone, and go with it") {
  fs::path path;
  {
    private_files files;
    path = files.write("script", "echo", true);
    CHECK(text_in(path) == "echo");
    CHECK(fs::status(path).permissions() == fs::perms::owner_all);
    CHECK(fs::status(path.parent_path()).permissions() == fs::perms::owner_all);
    CHECK_THROWS_AS(files.write("script", "again"), std::system_error);  // nobody else's is written to
  }
  CHECK_FALSE(fs::exists(path.parent_path()));
}

TEST_CASE("where the folder of a login is gone, or another user's, there is one in that of all") {
  struct of_nobody {
    std::optional<std::string> before;
    of_nobody() {
      if (auto const* const set = std::getenv("XDG_RUNTIME_DIR"); set != nullptr) before = set;
      ::setenv("XDG_RUNTIME_DIR", "/run/user/no-such-user", 1);
    }
    ~of_nobody() { before ? ::setenv("XDG_RUNTIME_DIR", before->c_str(), 1) : ::unsetenv("XDG_RUNTIME_DIR"); }
  } const now;
  private_files files;
  auto const path = files.write("script", "echo", true);
  CHECK(text_in(path) == "echo");
  CHECK(path.parent_path().parent_path() == fs::temp_directory_path());
}

TEST_CASE("where the folder was taken away, as old ones of temporary files are, there is another one") {
  private_files files;
  auto const before = files.write("first", "1");
  fs::remove_all(before.parent_path());
  auto const next = files.write("second", "2");
  CHECK(text_in(next) == "2");
  CHECK(next.parent_path() != before.parent_path());
  CHECK(fs::status(next.parent_path()).permissions() == fs::perms::owner_all);
}

}  // namespace
