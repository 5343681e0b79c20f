// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "src/platform/unique_fd.hpp"
#include "transports/sockets/greeting.hpp"
#include "transports/sockets/tls_connection.hpp"

namespace yonder::transport {

// A connection before its first frame: it is made, secured where it crosses a network, and says and hears as
// many bytes as it is told to. Nothing blocks; whoever drives it waits for its descriptor. No fork of this
// process keeps it.
class opening {
 public:
  // `secured`: null over a unix socket.
  opening(platform::unique_fd socket, std::unique_ptr<tls_connection> secured, bool connects);
  opening(opening&&) noexcept = default;
  opening& operator=(opening&&) = delete;
  ~opening();

  enum class result : std::uint8_t { done, waits, failed };
  // As far as it gets. `done`: all that was to be said is said, and what was to be heard is heard().
  result go_on();

  void say(std::span<std::byte const> bytes);
  void hear(std::size_t count);  // more than is heard so far
  std::span<std::byte const> heard() const noexcept { return heard_; }

  int descriptor() const noexcept { return socket_.get(); }
  bool wants_write() const noexcept { return wants_write_; }
  bool is_made() const noexcept { return made_; }
  // The system's error for which it could not be made, or has ended; 0: another reason, or the other end's.
  int error() const noexcept { return error_; }
  // Null over a unix socket.
  tls_connection const* secured() const noexcept { return secured_.get(); }
  bool is_secured() const noexcept { return secured_done_; }

  // What is left once it is done. No fork keeps it yet: platform::close_in_no_fork() is for who takes it.
  platform::unique_fd take_socket() noexcept { return std::move(socket_); }
  std::unique_ptr<stream_cipher> take_cipher() noexcept { return std::move(secured_); }

 private:
  using progress = tls_connection::progress;
  progress make();
  progress say_some();
  progress hear_some();

  platform::unique_fd socket_;
  std::unique_ptr<tls_connection> secured_;
  bool made_;
  bool secured_done_;
  bool wants_write_ = false;
  int error_ = 0;
  std::vector<std::byte> to_say_;
  std::size_t said_ = 0;
  std::vector<std::byte> heard_;
  std::size_t heard_count_ = 0;
};

// Who is at the other end of a unix socket, as the kernel says.
struct socket_user {
  uid_t user = 0;
  pid_t process = 0;  // 0: of another namespace
};
std::optional<socket_user> user_of(int socket) noexcept;

// Keeps a connection that crosses a network from waiting for what will not come.
void prepare_network_socket(int socket) noexcept;

}  // namespace yonder::transport
