// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <list>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include "src/platform/event_counter.hpp"
#include "src/platform/unique_fd.hpp"

namespace yonder::testing {

// A line of so many bytes a second, each way, between who connects to it and a port of 127.0.0.1: a proxy of
// TCP that keeps little under way. Can be cut, for a time, without a word to either end.
class slow_link {
 public:
  slow_link(std::uint16_t port, std::size_t bytes_per_second) : port_(port), rate_(bytes_per_second) {
    listening_ = make_socket();
    sockaddr_in here = loopback(0);
    socklen_t size = sizeof here;
    auto* const address = reinterpret_cast<sockaddr*>(&here);
    if (::bind(listening_.get(), address, size) != 0 || ::listen(listening_.get(), 64) != 0 ||
        ::getsockname(listening_.get(), address, &size) != 0)
      throw std::system_error(errno, std::generic_category(), "a slow link cannot listen");
    own_port_ = ntohs(here.sin_port);
    pump_ = std::thread([this] { pump(); });
  }
  ~slow_link() {
    over_.store(true);
    wake_.add();
    pump_.join();
  }
  slow_link(slow_link const&) = delete;
  slow_link& operator=(slow_link const&) = delete;

  std::string address() const { return "tcp://127.0.0.1:" + std::to_string(own_port_); }

  // Nothing passes while it is cut; connections stand.
  void cut(bool on) {
    cut_.store(on);
    wake_.add();
  }

 private:
  using clock = std::chrono::steady_clock;
  static constexpr std::size_t most_held = std::size_t{16} << 10;
  static constexpr int socket_buffer = 64 << 10;

  struct direction {
    std::vector<char> held;
    clock::time_point due{};  // when more may be read
    bool ended = false;       // its source has ended
    bool passed_on = false;   // and its sink has been told
  };
  struct connection {
    platform::unique_fd ends[2];
    direction from[2];  // from[i]: what ends[i] says
  };

  static platform::unique_fd make_socket() {
    platform::unique_fd made(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!made) throw std::system_error(errno, std::generic_category(), "socket");
    ::setsockopt(made.get(), SOL_SOCKET, SO_RCVBUF, &socket_buffer, sizeof socket_buffer);
    ::setsockopt(made.get(), SOL_SOCKET, SO_SNDBUF, &socket_buffer, sizeof socket_buffer);
    set_no_delay(made.get());
    return made;
  }
  static void set_no_delay(int fd) {
    int const on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  static sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
  }

  void pump() {
    while (!over_.load()) {
      wait();
      accept_one();
      for (auto each = connections_.begin(); each != connections_.end();)
        each = cut_.load() || pass(*each) ? std::next(each) : connections_.erase(each);
    }
  }

  void wait() {
    auto const now = clock::now();
    auto timeout = std::chrono::milliseconds(1000);
    std::vector<pollfd> watched{{wake_.descriptor(), POLLIN, 0}, {listening_.get(), POLLIN, 0}};
    for (auto& each : connections_) {
      if (cut_.load()) break;
      for (int i : {0, 1}) {
        short events = 0;
        auto const& own = each.from[i];
        if (own.held.empty() && !own.ended) {
          if (own.due <= now)
            events |= POLLIN;
          else
            timeout = std::min(timeout, std::chrono::ceil<std::chrono::milliseconds>(own.due - now));
        }
        if (!each.from[1 - i].held.empty()) events |= POLLOUT;
        if (events != 0) watched.push_back({each.ends[i].get(), events, 0});
      }
    }
    ::poll(watched.data(), watched.size(), static_cast<int>(timeout.count()));
    wake_.clear();
  }

  void accept_one() {
    platform::unique_fd here(::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!here) return;
    set_no_delay(here.get());
    auto there = make_socket();
    auto const to = loopback(port_);
    if (::connect(there.get(), reinterpret_cast<sockaddr const*>(&to), sizeof to) != 0 &&
        errno != EINPROGRESS)
      return;
    auto& made = connections_.emplace_back();
    made.ends[0] = std::move(here);
    made.ends[1] = std::move(there);
  }

  // False: it has ended.
  bool pass(connection& through) {
    for (int i : {0, 1}) {
      auto& from = through.from[i];
      if (from.held.empty() && !from.ended && clock::now() >= from.due && !read(through.ends[i].get(), from))
        return false;
      if (!write(through.ends[1 - i].get(), from)) return false;
    }
    return !through.from[0].passed_on || !through.from[1].passed_on;
  }

  bool read(int source, direction& from) {
    from.held.resize(most_held);
    auto const count = ::recv(source, from.held.data(), from.held.size(), 0);
    from.held.resize(static_cast<std::size_t>(std::max<ssize_t>(count, 0)));
    if (count < 0) return errno == EAGAIN || errno == EINTR || errno == ENOTCONN;
    from.ended = count == 0;
    auto const takes = std::chrono::nanoseconds(1'000'000'000 * count / static_cast<std::int64_t>(rate_));
    from.due = std::max(from.due, clock::now() - std::chrono::milliseconds(2)) + takes;
    return true;
  }

  static bool write(int sink, direction& from) {
    if (!from.held.empty()) {
      auto const count = ::send(sink, from.held.data(), from.held.size(), MSG_NOSIGNAL);
      if (count < 0) return errno == EAGAIN || errno == EINTR || errno == ENOTCONN;
      from.held.erase(from.held.begin(), from.held.begin() + count);
    }
    if (from.held.empty() && from.ended && !std::exchange(from.passed_on, true)) ::shutdown(sink, SHUT_WR);
    return true;
  }

  std::uint16_t port_;
  std::size_t rate_;
  platform::unique_fd listening_;
  std::uint16_t own_port_ = 0;
  platform::event_counter wake_;
  std::atomic<bool> over_{false};
  std::atomic<bool> cut_{false};
  std::list<connection> connections_;
  std::thread pump_;
};

}  // namespace yonder::testing
