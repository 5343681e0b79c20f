// SPDX-License-Identifier: Apache-2.0
#include "src/launch/private_files.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "src/platform/system_call.hpp"
#include "src/platform/unique_fd.hpp"

namespace yonder::launch {
namespace {

std::filesystem::path make_folder() {
  char const* const own = std::getenv("XDG_RUNTIME_DIR");
  auto const make_in = [](std::filesystem::path const& where) {
    auto name = (where / "yonder-launch-XXXXXX").string();
    return ::mkdtemp(name.data()) != nullptr ? name : std::string();
  };
  // It goes with its user's last login, and is another user's after su: then there is none.
  if (own != nullptr && *own != 0)
    if (auto made = make_in(own); !made.empty()) return made;
  auto const common = std::filesystem::temp_directory_path();
  if (auto made = make_in(common); !made.empty()) return made;
  platform::throw_errno(("a private folder in " + common.string()).c_str());
}

}  // namespace

private_files::~private_files() {
  std::error_code ignored;
  if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
}

std::filesystem::path private_files::write(std::string_view name, std::string_view text, bool executable) {
  auto const open_new = [&](std::filesystem::path const& path) {
    return platform::unique_fd(
        ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, executable ? 0700 : 0600));
  };
  if (folder_.empty()) folder_ = make_folder();
  auto path = folder_ / name;
  auto file = open_new(path);
  // What is old in a temporary folder is taken away, where nobody looks after it.
  if (!file && errno == ENOENT) {
    folder_ = make_folder();
    path = folder_ / name;
    file = open_new(path);
  }
  if (!file) platform::throw_errno(path.c_str());
  while (!text.empty()) {
    auto const count = platform::retry([&] { return ::write(file.get(), text.data(), text.size()); });
    if (count < 0) platform::throw_errno(path.c_str());
    text.remove_prefix(static_cast<std::size_t>(count));
  }
  return path;
}

void private_files::remove(std::string_view name) noexcept {
  std::error_code ignored;
  if (!folder_.empty()) std::filesystem::remove(folder_ / name, ignored);
}

}  // namespace yonder::launch
