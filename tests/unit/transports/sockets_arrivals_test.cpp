// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdlib>
#include <string>
#include <vector>

#include "tests/unit/transports/socket_ends.hpp"
#include "transports/local/local_endpoint.hpp"
#include "transports/sockets/dial.hpp"
#include "transports/sockets/opening.hpp"
#include "transports/sockets/socket_server.hpp"
#include "transports/zmq/socket_file.hpp"

// Connections on their way in, and those that are given up: who makes room for whom, and what others notice.
namespace yonder::testing {

using transport::socket_server;

namespace {

// Of this process, while it lives.
class descriptor_limit {
 public:
  explicit descriptor_limit(rlim_t most) {
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &before_) == 0);
    rlimit const now{most, before_.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &now) == 0);
  }
  ~descriptor_limit() { ::setrlimit(RLIMIT_NOFILE, &before_); }
  descriptor_limit(descriptor_limit const&) = delete;
  descriptor_limit& operator=(descriptor_limit const&) = delete;

 private:
  rlimit before_{};
};

socket_server& server_of(transport::listener& all) { return dynamic_cast<socket_server&>(all); }

}  // namespace

TEST_CASE("where descriptors are few, whoever only connects makes room at once") {
  hub_place<unix_way> here;
  here.start();
  std::vector<platform::unique_fd> silent;
  for (int i = 0; i < 40; ++i) silent.push_back(bare_connection(here.address));
  raw_stream late(here.address);
  late.greet(1, 1);
  descriptor_limit const few(static_cast<rlim_t>(late.socket.get()) + 7);
  auto const begin = std::chrono::steady_clock::now();
  CHECK(late.answer(here.w) == greeting{.what = greeting::kind::welcome});
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(5));
}

TEST_CASE("who is on the way in has no more than a quarter of the descriptors") {
  hub_place<unix_way> here;
  here.start();
  descriptor_limit const few(240);
  std::vector<platform::unique_fd> silent;
  std::size_t most = 0;
  for (int i = 0; i < 80; ++i) {
    silent.push_back(bare_connection(here.address));
    here.w.turn(0);
    most = std::max(most, server_of(*here.server).arriving());
  }
  CHECK(most == 60);
}

TEST_CASE("who only connects does not displace one who has begun to show a key of the list") {
  using progress = tls_connection::progress;
  hub_place<tls_way> here;
  here.start();
  descriptor_limit const few(240);
  connect_keys keys;
  read_secret_key(key_files(here.keys()).client_secret, keys.own);
  keys.server = transport::read_public_key(key_files(here.keys()).server_public);
  transport::tls_settings const settings;
  auto const far = bare_connection(here.address);
  ::fcntl(far.get(), F_SETFL, O_NONBLOCK);
  tls_connection client(settings, far.get(), keys);
  CHECK(client.shake_hands() == progress::wants_read);
  here.w.run_until([&] { return transport::is_ready(far.get(), false); });

  std::vector<platform::unique_fd> others;
  for (int i = 0; i < 80; ++i) {
    others.push_back(bare_connection(here.address));
    here.w.turn(0);
  }
  here.w.run_until([&] { return server_of(*here.server).arriving() == 60; });
  here.w.run_until([&] { return client.shake_hands() != progress::wants_read; });
  auto const hello = greeting{greeting::kind::hello, 1, 5}.bytes();
  std::span<std::byte const> left(hello);
  CHECK(client.write(left) == progress::done);
  std::array<std::byte, greeting::size> heard{};
  std::span<std::byte> room(heard);
  here.w.run_until([&] { return client.read(room) != progress::wants_read; });
  greeting said;
  REQUIRE(greeting::read(heard, said));
  CHECK(said.what == greeting::kind::welcome);
}

TEST_CASE("in one turn few of those who come are served, and peers between") {
  hub_place<unix_way> here;
  here.start();
  auto const good = here.connected();
  std::vector<raw_stream> coming;
  for (int i = 0; i < 40; ++i) coming.emplace_back(here.address);
  here.w.run_until([&] { return server_of(*here.server).arriving() == 40; });
  for (std::uint64_t i = 0; i < 40; ++i) coming[i].greet(100 + i, 1);
  here.w.send(*good.client, good.at_client, make_frame(7));
  here.w.run_until([&] {
    auto const& events = here.w.events(*here.server);
    return std::any_of(events.begin(), events.end(),
                       [](event const& one) { return one.what == kind::received; });
  });
  CHECK(server_of(*here.server).arriving() >= 16);
  here.w.run_until([&] { return server_of(*here.server).arriving() == 0; });
}

TEST_CASE("a fork that lives keeps no connection on its way in, of either end" *
          doctest::skip(YONDER_IS_SANITIZED)) {
  hub_place<unix_way> here;
  here.start();
  raw_stream const stranger(here.address);
  here.w.run_until([&] { return server_of(*here.server).arriving() == 1; });
  auto const silent = here.folder.path() / "silent";
  auto const listening = transport::listen_at(silent);
  auto client =
      transport::socket_transport().connect(here.w.poller, {"unix://" + silent.string(), {}, 1, {}});
  here.w.drive(*client);
  platform::unique_fd from_client;
  here.w.run_until([&] {
    from_client.reset(::accept4(listening.get(), nullptr, nullptr, SOCK_CLOEXEC));
    return static_cast<bool>(from_client);
  });

  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  platform::unique_fd const read_end(ends[0]);
  platform::unique_fd write_end(ends[1]);
  auto const child = ::fork();
  if (child == 0) {
    ::close(ends[1]);
    char none = 0;
    [[maybe_unused]] auto const count = ::read(ends[0], &none, 1);
    ::_exit(0);
  }
  here.stop();
  here.w.forget(*client);
  client.reset();
  auto const ends_soon = [](platform::unique_fd const& socket) {
    timeval const limit{10, 0};
    ::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    std::array<std::byte, 100> bytes{};
    ssize_t count = 1;
    while (count > 0) count = ::recv(socket.get(), bytes.data(), bytes.size(), 0);
    return count == 0;
  };
  CHECK(ends_soon(stranger.socket));
  CHECK(ends_soon(from_client));
  write_end.reset();
  int status = 0;
  CHECK(::waitpid(child, &status, 0) == child);
}

TEST_CASE("a connection that crosses a network outlasts a peer that reads nothing for a while") {
  platform::unique_fd const socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  transport::prepare_network_socket(socket.get());
  int milliseconds = 0;
  socklen_t size = sizeof milliseconds;
  REQUIRE(::getsockopt(socket.get(), IPPROTO_TCP, TCP_USER_TIMEOUT, &milliseconds, &size) == 0);
  CHECK(milliseconds >= 30'000);  // the protocol says first that it is over
}

TEST_CASE("why a connection was given up is told, also where it was noticed while something was sent") {
  world w;
  transport::local_endpoint ours(w.poller);
  w.drive(ours);
  auto const at = transport::listen_at("127.0.0.1", 0);
  int const small = 4096, soon_ms = 200;
  ::setsockopt(at.get(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  auto made = transport::dial("127.0.0.1", transport::port_of(at.get()));
  platform::unique_fd stopped;  // it reads nothing
  w.run_until([&] {
    stopped.reset(::accept4(at.get(), nullptr, nullptr, SOCK_CLOEXEC));
    return static_cast<bool>(stopped);
  });
  ::setsockopt(made.get(), IPPROTO_TCP, TCP_USER_TIMEOUT, &soon_ms, sizeof soon_ms);
  auto const peer = ours.add_connection(std::move(made), nullptr);
  w.next(ours, kind::connected);
  w.send(ours, peer, make_frame(1, 10, {std::size_t{16} << 20}));
  CHECK(w.next(ours, kind::lost).reason == std::generic_category().message(ETIMEDOUT));
}

TEST_CASE("of two hubs that begin at one name together the second looks once the first listens") {
  temporary_folder folder;
  auto const name = folder.path() / "hub";
  platform::unique_fd const another(::open(folder.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  {
    auto const held = transport::socket_file::prepare(name, "unix://hub");
    CHECK(::flock(another.get(), LOCK_EX | LOCK_NB) != 0);
  }
  CHECK(::flock(another.get(), LOCK_EX | LOCK_NB) == 0);
}

TEST_CASE("a hub whose folder another process holds says so after a while, and waits no longer") {
  temporary_folder folder;
  auto const name = folder.path() / "hub";
  platform::unique_fd const another(::open(folder.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  REQUIRE(::flock(another.get(), LOCK_EX | LOCK_NB) == 0);
  std::string said;
  try {
    auto const held = transport::socket_file::prepare(name, "unix://hub", std::chrono::milliseconds(20));
  } catch (transport::setup_error const& refused) {
    CHECK(refused.code() == errc::overloaded);
    said = refused.what();
  }
  CHECK(said.find("unix://hub: another process holds its folder") == 0);
}

}  // namespace yonder::testing
