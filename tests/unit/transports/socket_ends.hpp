// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/unit/transports/hub_place.hpp"
#include "tests/unit/transports/remote_conformance.hpp"
#include "tests/unit/transports/socket_ways.hpp"
#include "tests/unit/transports/zmq_hub.hpp"
#include "transports/local/stream_parser.hpp"
#include "transports/sockets/greeting.hpp"
#include "transports/sockets/tls_connection.hpp"

// Ends of connections of yonder::sockets that say what they are told to.
namespace yonder::testing {

using transport::connect_keys;
using transport::greeting;
using transport::secret_key;
using transport::tls_connection;
using transport::tls_identity;

// A client of a unix socket that speaks for itself.
struct raw_stream {
  platform::unique_fd socket;
  explicit raw_stream(std::string const& address) : socket(bare_connection(address)) {}

  void send(std::span<std::byte const> bytes) {
    REQUIRE(::send(socket.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(bytes.size()));
  }
  void greet(std::uint64_t session, std::uint32_t start) {
    send(greeting{greeting::kind::hello, start, session}.bytes());
  }
  void send(frame const& message) {
    detail::byte_buffer bytes;
    transport::append_stream_head(bytes, message);
    bytes.append(message.body.data(), message.body.size());
    for (auto const& one : message.buffers) bytes.append(one.data, one.size);
    send(bytes.bytes());
  }
  // What comes, driven by `w`; nothing: the end.
  std::optional<greeting> answer(world& w) {
    std::array<std::byte, greeting::size> bytes{};
    std::size_t got = 0;
    bool over = false;
    w.run_until([&] {
      auto const count = ::recv(socket.get(), bytes.data() + got, bytes.size() - got, MSG_DONTWAIT);
      over = count == 0 || (count < 0 && errno != EAGAIN);
      if (count > 0) got += static_cast<std::size_t>(count);
      return over || got == bytes.size();
    });
    greeting said;
    if (got != bytes.size() || !greeting::read(bytes, said)) return std::nullopt;
    return said;
  }
};

inline secret_key const& drawn(secret_key& into) {
  transport::draw_secret(into);
  return into;
}

// Two ends of one TLS connection over a pair of sockets, from the same or another's keys.
struct tls_pair {
  temporary_folder folder;
  transport::tls_settings settings;
  secret_key server_secret;
  transport::raw_key server_public;
  connect_keys keys;
  std::unique_ptr<transport::tls_server_key> server_key;
  platform::unique_fd sockets[2];
  std::unique_ptr<tls_connection> client, server;

  explicit tls_pair(std::function<void(tls_pair&)> const& change = [](tls_pair&) {}) {
    keygen(folder.path() / "keys");
    key_files const files(folder.path() / "keys");
    read_secret_key(files.server_secret, server_secret);
    server_public = public_key_of(server_secret);
    read_secret_key(files.client_secret, keys.own);
    keys.server = server_public;
    change(*this);
    int both[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, both) == 0);
    for (int i = 0; i < 2; ++i) sockets[i].reset(both[i]);
    client = std::make_unique<tls_connection>(settings, both[0], keys);
    server_key = std::make_unique<transport::tls_server_key>(server_secret, server_public);
    server = std::make_unique<tls_connection>(settings, both[1], *server_key);
  }

  // How it ends for both.
  std::pair<tls_connection::progress, tls_connection::progress> shake_hands() {
    auto of_client = client->shake_hands(), of_server = server->shake_hands();
    for (int i = 0; i < 10; ++i) {
      if (of_client == tls_connection::progress::wants_read) of_client = client->shake_hands();
      if (of_server == tls_connection::progress::wants_read) of_server = server->shake_hands();
    }
    return {of_client, of_server};
  }
};

inline std::string opened(tls_connection& by, std::span<std::byte const> sealed) {
  std::string text;
  std::array<std::byte, 1000> room{};
  while (auto const count = by.open(sealed, room))
    text.append(reinterpret_cast<char const*>(room.data()), count);
  return text;
}

inline std::span<std::byte const> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

}  // namespace yonder::testing
