// SPDX-License-Identifier: Apache-2.0
#include "transports/sockets/opening.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "src/platform/fork.hpp"
#include "src/platform/system_call.hpp"

namespace yonder::transport {

namespace {

// A connection of which nothing is acknowledged, or taken, for so long is given up and made anew. A peer that
// reads nothing meanwhile, because it is stopped or swapped out, is no other to TCP than a dead one: it is
// for the protocol, which waits for 10 s, to say that a session is over, and this is longer. A machine that
// is dead is noticed within about a minute where nothing is said.
constexpr int unacknowledged_ms = 30'000;
constexpr int keepalive_idle_s = 30;
constexpr int keepalive_interval_s = 10;
constexpr int keepalive_count = 3;

void set(int socket, int level, int name, int value) noexcept {
  ::setsockopt(socket, level, name, &value, sizeof value);  // one that the system lacks is no reason to fail
}

}  // namespace

std::optional<socket_user> user_of(int socket) noexcept {
  ucred who{};
  socklen_t size = sizeof who;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0) return std::nullopt;
  return socket_user{who.uid, who.pid};
}

void prepare_network_socket(int socket) noexcept {
  set(socket, IPPROTO_TCP, TCP_NODELAY, 1);
  set(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, unacknowledged_ms);
  set(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
  set(socket, IPPROTO_TCP, TCP_KEEPIDLE, keepalive_idle_s);
  set(socket, IPPROTO_TCP, TCP_KEEPINTVL, keepalive_interval_s);
  set(socket, IPPROTO_TCP, TCP_KEEPCNT, keepalive_count);
}

opening::opening(platform::unique_fd socket, std::unique_ptr<tls_connection> secured, bool connects)
    : socket_(std::move(socket)),
      secured_(std::move(secured)),
      made_(!connects),
      secured_done_(secured_ == nullptr) {
  platform::close_in_forks(socket_.get());
}

opening::~opening() {
  if (socket_) platform::close_in_no_fork(socket_.get());
}

void opening::say(std::span<std::byte const> bytes) {
  to_say_.insert(to_say_.end(), bytes.begin(), bytes.end());
}

void opening::hear(std::size_t count) { heard_.resize(count); }

opening::result opening::go_on() {
  auto how = progress::done;
  if (!made_) {
    how = make();
    made_ = how == progress::done;
  }
  if (how == progress::done && !secured_done_) {
    how = secured_->shake_hands();
    secured_done_ = how == progress::done;
  }
  if (how == progress::done) how = say_some();
  if (how == progress::done) how = hear_some();
  wants_write_ = how == progress::wants_write;
  if (how == progress::failed) return result::failed;
  return how == progress::done ? result::done : result::waits;
}

opening::progress opening::make() {
  pollfd ready{socket_.get(), POLLOUT, 0};
  if (platform::retry([&] { return ::poll(&ready, 1, 0); }) == 0) return progress::wants_write;
  socklen_t size = sizeof error_;
  if (::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &error_, &size) != 0) error_ = errno;
  return error_ == 0 ? progress::done : progress::failed;
}

opening::progress opening::say_some() {
  std::span<std::byte const> left(to_say_.data() + said_, to_say_.size() - said_);
  auto how = progress::done;
  if (secured_) {
    how = secured_->write(left);
  } else {
    while (!left.empty() && how == progress::done) {
      auto const count = platform::retry(
          [&] { return ::send(socket_.get(), left.data(), left.size(), MSG_DONTWAIT | MSG_NOSIGNAL); });
      if (count > 0) left = left.subspan(static_cast<std::size_t>(count));
      if (count < 0) how = errno == EAGAIN ? progress::wants_write : progress::failed;
    }
  }
  said_ = to_say_.size() - left.size();
  return how;
}

// No more than was asked for: what follows is read by whoever takes over the socket.
opening::progress opening::hear_some() {
  std::span<std::byte> room(heard_.data() + heard_count_, heard_.size() - heard_count_);
  auto how = progress::done;
  if (secured_) {
    how = secured_->read(room);
  } else {
    while (!room.empty() && how == progress::done) {
      auto const count =
          platform::retry([&] { return ::recv(socket_.get(), room.data(), room.size(), MSG_DONTWAIT); });
      if (count > 0) room = room.subspan(static_cast<std::size_t>(count));
      if (count <= 0) how = count < 0 && errno == EAGAIN ? progress::wants_read : progress::failed;
    }
  }
  heard_count_ = heard_.size() - room.size();
  return how;
}

}  // namespace yonder::transport
