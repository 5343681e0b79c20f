// SPDX-License-Identifier: Apache-2.0
#include "transports/zmq/socket_file.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <string>
#include <utility>

#include "src/platform/system_call.hpp"
#include "src/platform/unique_fd.hpp"
#include "transports/setup_error.hpp"
#include "transports/zmq/private_folder.hpp"

namespace yonder::transport {

namespace {

// Anything but a refusal may mean that somebody does: a queue that is full, no descriptor left to ask with.
bool somebody_listens(std::filesystem::path const& path) {
  platform::unique_fd const probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.native().copy(address.sun_path, sizeof address.sun_path - 1);
  auto const* const to = reinterpret_cast<sockaddr const*>(&address);
  return platform::retry([&] { return ::connect(probe.get(), to, sizeof address); }) == 0 ||
         (errno != ECONNREFUSED && errno != ENOENT);
}

std::optional<struct ::stat> state_of(std::filesystem::path const& path) {
  struct ::stat state {};
  if (::lstat(path.c_str(), &state) != 0) return std::nullopt;
  return state;
}

[[noreturn]] void refuse_name(std::string const& shown, std::string const& why) {
  throw setup_error(errc::bad_configuration, shown + ": " + why);
}

}  // namespace

platform::unique_fd socket_file::prepare(std::filesystem::path const& path, std::string const& shown,
                                         std::chrono::milliseconds patience) {
  make_private_folder(path.parent_path());
  auto folder = hold_folder(path.parent_path(), patience);
  if (!folder)
    throw setup_error(errc::overloaded,
                      shown +
                          ": another process holds its folder: a hub that begins there and does not get on "
                          "(it is stopped?), or one that changes keys; try again, or choose another folder");
  auto const state = state_of(path);
  if (!state) return folder;
  if (!S_ISSOCK(state->st_mode))
    refuse_name(shown, "something that is no socket has this name; move it away");
  if (somebody_listens(path))
    refuse_name(shown, "another process listens there; end it, or choose another name");
  return folder;
}

socket_file::socket_file(std::filesystem::path path) : path_(std::move(path)) {
  if (auto const state = state_of(path_)) {
    device_ = state->st_dev;
    inode_ = state->st_ino;
  }
}

void socket_file::remove() const {
  auto const state = state_of(path_);
  if (state && inode_ != 0 && state->st_dev == device_ && state->st_ino == inode_) ::unlink(path_.c_str());
}

}  // namespace yonder::transport
