// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "src/core/little_endian.hpp"
#include "tests/unit/transports/socket_ends.hpp"
#include "transports/sockets/pauses.hpp"
#include "transports/sockets/socket_server.hpp"

#if !YONDER_IS_SANITIZED && defined(__GLIBC__)
#define YONDER_COUNTS_ALLOCATIONS 1

static std::atomic<std::uint64_t> allocations{0};

extern "C" {
void* __libc_malloc(std::size_t size);                     // NOLINT(bugprone-reserved-identifier)
void* __libc_realloc(void* block, std::size_t size);       // NOLINT(bugprone-reserved-identifier)
void* __libc_calloc(std::size_t count, std::size_t size);  // NOLINT(bugprone-reserved-identifier)

void* malloc(std::size_t size) noexcept {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_malloc(size);
}
void* realloc(void* block, std::size_t size) noexcept {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_realloc(block, size);
}
void* calloc(std::size_t count, std::size_t size) noexcept {
  allocations.fetch_add(1, std::memory_order_relaxed);
  return __libc_calloc(count, size);
}
}
#endif

namespace yonder::testing {

using transport::socket_server;
using transport::tls_secret;

TEST_CASE("a greeting is read as it was written, and nothing else is") {
  greeting const said{greeting::kind::welcome, 7, 0x1122334455667788};
  auto bytes = said.bytes();
  greeting read;
  REQUIRE(greeting::read(bytes, read));
  CHECK(read == said);
  CHECK_FALSE(greeting::read(std::span(bytes).first(greeting::size - 1), read));
  for (std::size_t i = 0; i < 8; ++i) {
    auto wrong = bytes;
    wrong[i] ^= std::byte{0x80};
    CHECK_FALSE(greeting::read(wrong, read));
  }
  bytes[5] = std::byte{0};
  CHECK_FALSE(greeting::read(bytes, read));
  bytes[5] = std::byte{5};
  CHECK_FALSE(greeting::read(bytes, read));
}

TEST_CASE("who connects again waits twice as long each time, up to half a second, and each his own time") {
  using transport::pause_before_connecting;
  CHECK(pause_before_connecting(0, 1).count() == 0);
  int same = 0;
  for (int tries = 1; tries < 40; ++tries) {
    auto const longest = std::min<std::int64_t>(500, std::int64_t{50} << std::min(tries - 1, 10));
    for (std::uint64_t drawn = 0; drawn < 50; ++drawn) {
      auto const pause = pause_before_connecting(tries, drawn);
      CHECK((pause.count() >= longest / 2 && pause.count() <= longest));
      same += pause == pause_before_connecting(tries, drawn + 1);
    }
  }
  CHECK(same < 39 * 50 / 20);
}

TEST_CASE("both ends come to the same key by their own secrets, and to another one by any other") {
  secret_key client, server, other, of_connection;
  tls_identity named{public_key_of(drawn(of_connection)), public_key_of(drawn(client)),
                     public_key_of(drawn(server))};
  drawn(other);
  auto const as_hub = [](secret_key const& secret) {
    return transport::tls_server_key(secret, public_key_of(secret));
  };
  tls_secret ours, theirs;
  REQUIRE(ours.agree_as_client(named, of_connection, client));
  REQUIRE(theirs.agree_as_server(named, as_hub(server)));
  CHECK(ours.bytes == theirs.bytes);
  tls_secret wrong;
  // Of a thief who has the client's key, and would be its hub; who has the hub's public key alone.
  REQUIRE(wrong.agree_as_server(named, as_hub(client)));
  CHECK(wrong.bytes != ours.bytes);
  REQUIRE(wrong.agree_as_client(named, of_connection, other));
  CHECK(wrong.bytes != ours.bytes);
  REQUIRE(wrong.agree_as_client(named, other, client));
  CHECK(wrong.bytes != ours.bytes);
  auto renamed = named;
  renamed.client = public_key_of(other);
  REQUIRE(wrong.agree_as_client(renamed, of_connection, client));
  CHECK(wrong.bytes != ours.bytes);
  auto weak = named;
  weak.drawn = {};  // whatever it is multiplied with is nothing
  CHECK_FALSE(wrong.agree_as_server(weak, as_hub(server)));

  tls_identity read;
  auto bytes = named.bytes();
  REQUIRE(tls_identity::read(bytes, read));
  CHECK((read.drawn == named.drawn && read.client == named.client && read.server == named.server));
  CHECK_FALSE(tls_identity::read(std::span(bytes).first(bytes.size() - 1), read));
  bytes[0] = 2;
  CHECK_FALSE(tls_identity::read(bytes, read));
}

TEST_CASE("a handshake proves both keys; who has a wrong one is told which") {
  using progress = tls_connection::progress;
  {
    tls_pair good;
    CHECK(good.shake_hands() == std::pair(progress::done, progress::done));
    CHECK(good.server->client() == public_key_of(good.keys.own));
  }
  {
    // Whoever it is: whether he is let in is not for the handshake to say.
    tls_pair unknown([](tls_pair& pair) { transport::draw_secret(pair.keys.own); });
    CHECK(unknown.shake_hands() == std::pair(progress::done, progress::done));
    CHECK(unknown.server->client() == public_key_of(unknown.keys.own));
  }
  {
    secret_key other;
    tls_pair elsewhere([&](tls_pair& pair) { pair.keys.server = public_key_of(drawn(other)); });
    CHECK(elsewhere.shake_hands() == std::pair(progress::failed, progress::failed));
    CHECK(elsewhere.client->what_failed() == tls_connection::trouble::wrong_server);
  }
  {
    // It says that it is the hub, whose secret it has not got.
    tls_pair thief([](tls_pair& pair) { transport::draw_secret(pair.server_secret); });
    CHECK(thief.shake_hands() == std::pair(progress::failed, progress::failed));
    CHECK(thief.client->what_failed() == tls_connection::trouble::wrong_server);
  }
}

TEST_CASE("what is sealed opens at the other end, and not once a bit of it is another") {
  tls_pair pair;
  REQUIRE(pair.shake_hands().first == tls_connection::progress::done);
  detail::byte_buffer sealed;
  REQUIRE(pair.client->seal(bytes_of("some words"), sealed));
  CHECK(std::string_view(reinterpret_cast<char const*>(sealed.data()), sealed.size()).find("words") ==
        std::string_view::npos);
  for (std::size_t i = 0; i + 1 < sealed.size(); ++i)
    CHECK(opened(*pair.server, sealed.bytes().subspan(i, 1)) == "");
  CHECK(opened(*pair.server, sealed.bytes().last(1)) == "some words");
  CHECK(pair.server->fault().empty());
  std::string const large(100'000, 'x');
  sealed.clear();
  REQUIRE(pair.client->seal(bytes_of(large), sealed));
  CHECK(opened(*pair.server, sealed) == large);
  sealed.clear();
  REQUIRE(pair.client->seal(bytes_of("some words"), sealed));
  sealed.data()[sealed.size() / 2] ^= std::byte{1};
  CHECK(opened(*pair.server, sealed).empty());
  CHECK(pair.server->fault().find("damaged") != std::string::npos);
}

TEST_CASE("what was sealed is not opened twice") {
  tls_pair pair;
  REQUIRE(pair.shake_hands().first == tls_connection::progress::done);
  detail::byte_buffer sealed;
  REQUIRE(pair.client->seal(bytes_of("once"), sealed));
  CHECK(opened(*pair.server, sealed) == "once");
  CHECK(opened(*pair.server, sealed).empty());
  CHECK_FALSE(pair.server->fault().empty());
}

TEST_CASE("a key seals no more than 131,072 records; the next one is as good" *
          doctest::skip(YONDER_IS_SANITIZED)) {
  tls_pair pair;
  REQUIRE(pair.shake_hands().first == tls_connection::progress::done);
  std::byte const one{'x'};
  detail::byte_buffer sealed;
  std::size_t usual = 0, longer = 0, count = 0;
  for (int i = 0; i < 131'100; ++i) {
    sealed.clear();
    REQUIRE(pair.client->seal({&one, 1}, sealed));
    if (usual == 0) usual = sealed.size();
    longer += sealed.size() != usual;
    count += opened(*pair.server, sealed) == "x";
  }
  CHECK(longer == 1);
  CHECK(count == 131'100);
}

TEST_CASE("hostile bytes behind a greeting end their peer in words, and no other") {
  hub_place<unix_way> here;
  limits bounds;
  bounds.max_frame_bytes = 10'000;
  bounds.max_buffers = 4;
  here.start(bounds);
  auto const good = here.connected();
  struct example {
    std::function<void(detail::byte_buffer&)> change;
    std::string reason;
  };
  auto const set = [](std::size_t at, std::uint32_t value) {
    return [=](detail::byte_buffer& bytes) { core::store_le(bytes.data() + at, value); };
  };
  std::vector<example> const examples{{set(0, 63), "a frame is announced that is shorter than its header"},
                                      {set(0, 10'001), "a frame is larger than the limit of 10000 bytes"},
                                      {set(4, 5), "a frame has more buffers than the limit of 4"},
                                      {set(8, 0), "a frame is damaged: not a frame of this protocol"},
                                      {[](detail::byte_buffer& bytes) { bytes.data()[75] ^= std::byte{1}; },
                                       "a frame is damaged: a wrong checksum"}};
  std::uint64_t session = 100;
  for (auto const& each : examples) {
    CAPTURE(each.reason);
    raw_stream hostile(here.address);
    hostile.greet(++session, 1);
    REQUIRE(hostile.answer(here.w) == greeting{.what = greeting::kind::welcome});
    hostile.send(make_frame(7));
    auto const peer = here.w.next(*here.server, kind::connected).peer;
    CHECK(same(here.w.next(*here.server, kind::received).message, make_frame(7)));
    detail::byte_buffer bytes;
    auto const message = make_frame(8, 30);
    transport::append_stream_head(bytes, message);
    bytes.append(message.body.data(), message.body.size());
    each.change(bytes);
    hostile.send(bytes.bytes());
    auto const lost = here.w.next(*here.server, kind::lost);
    CHECK(lost.peer == peer);
    CHECK(lost.reason == each.reason);
    here.w.send(*good.client, good.at_client, make_frame(session));
    CHECK(same(here.w.next(*here.server, kind::received).message, make_frame(session)));
  }
}

TEST_CASE("what an earlier connection of a session says late does not displace the later one") {
  hub_place<unix_way> here;
  here.start();
  raw_stream later(here.address);
  later.greet(77, 2);
  REQUIRE(later.answer(here.w));
  auto const peer = here.w.next(*here.server, kind::connected).peer;
  raw_stream earlier(here.address);
  earlier.greet(77, 1);
  (void)earlier.answer(here.w);
  later.send(make_frame(3));
  auto const got = here.w.next(*here.server, kind::received);
  CHECK(got.peer == peer);
  raw_stream latest(here.address);
  latest.greet(77, 3);
  REQUIRE(latest.answer(here.w));
  CHECK(here.w.next(*here.server, kind::lost).reason == "it has connected anew");
  here.w.next(*here.server, kind::connected);
}

TEST_CASE("a greeting that comes byte by byte, with the first frames behind it, is taken") {
  hub_place<unix_way> here;
  here.start();
  raw_stream slow(here.address);
  auto const hello = greeting{greeting::kind::hello, 1, 5}.bytes();
  for (std::size_t i = 0; i + 1 < hello.size(); ++i) {
    slow.send(std::span(hello).subspan(i, 1));
    here.w.turn(0);
  }
  CHECK(here.w.events(*here.server).empty());
  detail::byte_buffer rest;
  rest.append(&hello.back(), 1);
  auto const message = make_frame(1);
  transport::append_stream_head(rest, message);
  rest.append(message.body.data(), message.body.size());
  slow.send(rest.bytes());
  here.w.next(*here.server, kind::connected);
  CHECK(same(here.w.next(*here.server, kind::received).message, message));
}

TEST_CASE("who would enrol without a token, or greets as a hub does, is refused") {
  hub_place<unix_way> here;
  here.start();
  for (auto const what : {greeting::kind::enrols, greeting::kind::welcome, greeting::kind::refusal}) {
    raw_stream stranger(here.address);
    stranger.send(greeting{.what = what}.bytes());
    CHECK(stranger.answer(here.w) == greeting{.what = greeting::kind::refusal});
  }
  CHECK(here.w.events(*here.server).empty());
}

TEST_CASE("however many only connect, whoever greets comes in") {
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  rlimit const more{before.rlim_max, before.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &more);
  if (before.rlim_max < 2'048) return;
  hub_place<unix_way> here;
  here.start();
  std::vector<platform::unique_fd> silent;
  for (int i = 0; i < 700; ++i) {
    silent.push_back(bare_connection(here.address));
    here.w.turn(0);
  }
  auto& server = dynamic_cast<socket_server&>(*here.server);
  here.w.run_until([&] { return server.arriving() == 512; });
  auto const good = here.connected();
  silent.clear();
  here.w.run_until([&] { return server.arriving() == 0; });
  ::setrlimit(RLIMIT_NOFILE, &before);
}

TEST_CASE("without a descriptor for a connection that waits a hub rests, and goes on once there is one") {
  hub_place<unix_way> here;
  here.start();
  auto const waiting = bare_connection(here.address);
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  rlimit const none{static_cast<rlim_t>(waiting.get()) + 1, before.rlim_max};
  std::vector<platform::unique_fd> taken;  // what is free below
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  for (int fd = 0; fd >= 0;) {
    fd = ::fcntl(waiting.get(), F_DUPFD_CLOEXEC, 0);
    if (fd >= 0) taken.emplace_back(fd);
  }
  here.w.turn(0);
  here.w.turn(0);
  CHECK(here.w.poller.wait(0) == 0);  // it is not told of it over and over
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  taken.clear();
  here.connected();
}

TEST_CASE("a hub serves ZeroMQ and sockets at once, over IPv4 and IPv6, each client by its own address") {
  world w;
  temporary_folder folder;
  auto const keys = folder.path() / "keys";
  keygen(keys);
  std::vector<std::string> addresses{"unix://" + (folder.path() / "a").string(), "tcp://127.0.0.1:*",
                                     "tls://127.0.0.1:*", "ipc://" + (folder.path() / "b").string(),
                                     "tls://*:*"};
  platform::unique_fd const probe(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in6 loopback{};
  loopback.sin6_family = AF_INET6;
  loopback.sin6_addr = in6addr_loopback;
  bool const has_ipv6 =
      ::bind(probe.get(), reinterpret_cast<sockaddr const*>(&loopback), sizeof loopback) == 0;
  if (has_ipv6) addresses.emplace_back("tls://[::1]:*");
  auto const server = transport::socket_transport().listen(w.poller, {addresses, keys, {}});
  w.drive(*server);
  auto const at = server->addresses();
  REQUIRE(at.size() == addresses.size());
  std::vector<std::unique_ptr<endpoint>> clients;
  std::vector<peer_id> to, from;
  for (std::size_t i = 0; i < at.size(); ++i) {
    CAPTURE(at[i]);
    CHECK(at[i].substr(0, 6) == addresses[i].substr(0, 6));
    CHECK(at[i].find(":*") == std::string::npos);
    auto where = at[i];
    if (auto const all = where.find("//*:"); all != where.npos) where.replace(all + 2, 1, "127.0.0.1");
    clients.push_back(transport::socket_transport().connect(w.poller, {where, keys, i, {}}));
    w.drive(*clients[i]);
    to.push_back(w.next(*clients[i], kind::connected).peer);
    w.send(*clients[i], to[i], make_frame(i));
    auto const known = w.next(*server, kind::connected);
    from.push_back(known.peer);
    bool const has_path = where.find("///") != std::string::npos;
    CHECK(known.identity.starts_with(has_path ? "process " : "key "));
    CHECK(server->rights_of(known.identity).calls);
    CHECK(same(w.next(*server, kind::received).message, make_frame(i)));
  }
  for (std::size_t i = 0; i < at.size(); ++i) {
    w.send(*server, from[i], make_frame(100 + i));
    CHECK(same(w.next(*clients[i], kind::received).message, make_frame(100 + i)));
  }
  server->close(from[0]);
  server->close(from[1]);
  w.next(*clients[0], kind::lost);
  w.next(*clients[1], kind::lost);
  auto const issued = server->issue_worker_key(5);
  for (auto const& one : {at[1], at[2]}) {
    auto const worker =
        transport::socket_transport().connect(w.poller, {.address = one,
                                                         .keys = folder.path() / "none",
                                                         .session = 50,
                                                         .bounds = {},
                                                         .role = transport::connect_role::worker,
                                                         .server_public = issued.server_public,
                                                         .secret = issued.secret});
    w.drive(*worker);
    w.send(*worker, w.next(*worker, kind::connected).peer, make_frame(1));
    std::string identity;  // the clients that were closed come again meanwhile
    w.run_until([&] {
      auto& events = w.events(*server);
      for (; !events.empty(); events.pop_front())
        if (events.front().what == kind::connected && events.front().identity.ends_with(issued.own_public))
          identity = events.front().identity;
      return !identity.empty();
    });
    CHECK(server->rights_of(identity).issued_for == 5);
    w.forget(*worker);
  }
  for (auto const& one : clients) w.forget(*one);
  w.forget(*server);
}

TEST_CASE("addresses of sockets are refused in words where they are none, or cannot be used") {
  world w;
  temporary_folder const folder;
  auto const refusal = [&](std::string const& address, bool listens) {
    return std::string(error_of([&] {
                         if (listens)
                           (void)transport::socket_transport().listen(w.poller, {{address}, {}, {}});
                         else
                           (void)transport::socket_transport().connect(w.poller, {address, {}, 1, {}});
                       }).what());
  };
  for (bool const listens : {false, true}) {
    CHECK(refusal("tls://127.0.0.1", listens).find("has no port: tls://HOST:PORT") != std::string::npos);
    CHECK(refusal("tls://127.0.0.1:1", listens).find("yonder keygen") != std::string::npos);
    CHECK(refusal("unix://relative", listens).find("unix:///FOLDER/NAME") != std::string::npos);
  }
  CHECK(refusal("tls://*:1", false).find("names no machine") != std::string::npos);
  keygen(folder.path() / "keys");
  auto const elsewhere = error_of([&] {
    (void)transport::socket_transport().listen(w.poller, {{"tls://192.0.2.1:*"}, folder.path() / "keys", {}});
  });
  CHECK(says(elsewhere, "is no address of this machine"));
  auto const without = error_of([&] {
    (void)transport::zmq_transport().connect(w.poller, {"tls://h:1", {}, 1, {}});
  });
  CHECK(says(without, "yonder::sockets"));
}

#ifdef YONDER_COUNTS_ALLOCATIONS
TEST_CASE_TEMPLATE("a small frame takes nothing of the heap of ours, once there have been a few", Way,
                   unix_way, tls_way) {
  hub_place<Way> here;
  here.start();
  auto const one = here.connected();
  auto const message = make_frame(1, 60);
  std::vector<event> events;
  events.reserve(8);
  auto const cross = [&](endpoint& from, peer_id to, endpoint& reader) {
    REQUIRE(from.send(to, message) == send_status::sent);
    from.flush();
    do {
      events.clear();
      if (reader.poll_once()) reader.receive(events, 8);
    } while (events.empty());
  };
  auto const round_trips = [&](int count) {
    auto const before = allocations.load();
    for (int i = 0; i < count; ++i) {
      cross(*one.client, one.at_client, *here.server);
      cross(*here.server, one.at_server, *one.client);
    }
    return allocations.load() - before;
  };
  round_trips(50);
  // OpenSSL has four blocks for each record, which it gives back at once; ours are none.
  constexpr std::uint64_t of_openssl = Way::has_keys ? 8 : 0;
  CHECK(round_trips(1'000) < 1'000 * of_openssl + 100);  // doctest's own, now and then
}
#endif

}  // namespace yonder::testing
