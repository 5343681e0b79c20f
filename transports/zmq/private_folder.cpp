// SPDX-License-Identifier: Apache-2.0
#include "transports/zmq/private_folder.hpp"

#include "src/platform/system_call.hpp"
#include "transports/setup_error.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <system_error>
#include <thread>

namespace yonder::transport {

namespace {

[[noreturn]] void refuse(errc code, std::filesystem::path const& folder, std::string const& why) {
  throw setup_error(code, folder.string() + ": " + why);
}

}  // namespace

bool check_private_folder(std::filesystem::path const& folder) {
  struct ::stat state {};
  if (::lstat(folder.c_str(), &state) != 0) {
    if (errno == ENOENT) return false;
    refuse(errc::unauthorized, folder, "cannot be examined: " + std::generic_category().message(errno));
  }
  if (S_ISLNK(state.st_mode))
    refuse(errc::unauthorized, folder, "is a symbolic link; name the folder itself");
  if (!S_ISDIR(state.st_mode)) refuse(errc::bad_configuration, folder, "is not a folder");
  if (state.st_uid != ::geteuid())
    refuse(errc::unauthorized, folder,
           "belongs to user " + std::to_string(state.st_uid) + ", not to this one (" +
               std::to_string(::geteuid()) + "); use a folder of your own");
  if ((state.st_mode & 077) != 0)
    refuse(errc::unauthorized, folder, "is open to other users; run: chmod 700 " + folder.string());
  return true;
}

void make_private_folder(std::filesystem::path const& folder) {
  if (check_private_folder(folder)) return;
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST)
    refuse(errc::bad_configuration, folder, "cannot be created: " + std::generic_category().message(errno));
  check_private_folder(folder);
}

// It goes with its descriptor.
platform::unique_fd hold_folder(std::filesystem::path const& folder, std::chrono::milliseconds patience) {
  auto const failed = [&](std::string const& what) {
    refuse(errc::bad_configuration, folder, what + ": " + std::generic_category().message(errno));
  };
  platform::unique_fd held(
      platform::retry([&] { return ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  if (!held) failed("cannot be opened");
  auto const until = std::chrono::steady_clock::now() + patience;
  while (platform::retry([&] { return ::flock(held.get(), LOCK_EX | LOCK_NB); }) != 0) {
    if (errno != EWOULDBLOCK) failed("cannot be locked");
    if (std::chrono::steady_clock::now() >= until) return {};
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return held;
}

}  // namespace yonder::transport
