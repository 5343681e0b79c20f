// SPDX-License-Identifier: Apache-2.0
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <future>
#include <zmq.hpp>

#include "tests/unit/transports/keys_conformance.hpp"
#include "tests/unit/transports/zmq_hub.hpp"

namespace yonder::testing {

namespace {

std::string output_of(std::string const& command) {
  std::string text;
  auto* const pipe = ::popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  for (int c; (c = std::fgetc(pipe)) != EOF;) text += static_cast<char>(c);
  auto const status = ::pclose(pipe);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
  return text;
}

}  // namespace

TEST_CASE("a client that expects another server's key does not talk to this one, and says so") {
  tcp_hub hub;
  auto const elsewhere = hub.folder.path() / "elsewhere";
  keygen(elsewhere);  // its server.pub is another's
  std::ofstream(key_files(hub.keys).authorized, std::ios::app)
      << read_line(key_files(elsewhere).client_public) << " known here\n";
  auto const misled = hub.client(elsewhere);
  auto const lost = hub.w.next(*misled, kind::lost);
  CHECK_FALSE(lost.unauthorized);  // it was not said: a tunnel without a hub looks alike
  CHECK(lost.reason.find("server.pub") != std::string::npos);
  hub.check_works(hub.keys, 2);

  auto const address = hub.address();
  hub.w.forget(*hub.server);
  hub.server.reset();
  zmq_server expected(hub.w.poller, {{address}, elsewhere, {}});
  hub.w.drive(expected);
  hub.w.next(*misled, kind::connected);
  CHECK(hub.w.events(*misled).empty());  // the reason was told once
  hub.w.forget(expected);
}

TEST_CASE("who accepts and closes is no refusal: the client goes on trying until a hub is behind it") {
  world w;
  temporary_folder folder;
  auto const keys = folder.path() / "keys";
  keygen(keys);
  std::optional<tunnel> closed(std::in_place);
  auto const address = "tcp://127.0.0.1:" + closed->port();
  zmq_client client(w.poller, {address, keys, 1, {}});
  w.drive(client);
  w.run_until([&] { return closed->close_all() >= 4; });
  auto const lost = w.next(client, kind::lost);
  CHECK_FALSE(lost.unauthorized);
  CHECK(lost.reason.find("no hub is up behind it") != std::string::npos);

  closed.reset();
  zmq_server server(w.poller, {{address}, keys, {}});
  w.drive(server);
  CHECK(w.next(client, kind::connected).peer != lost.peer);
  w.forget(client);
  w.forget(server);
}

TEST_CASE("a peer has proved its key, and nobody with another key ends its connection or takes its place") {
  tcp_hub hub;
  auto const others = hub.folder.path() / "others";
  keygen(others);
  std::ofstream(key_files(hub.keys).authorized, std::ios::app)
      << read_line(key_files(others).client_public) << " other\n";
  auto const honest = hub.client(hub.keys, 77);
  auto const to = hub.w.next(*honest, kind::connected).peer;
  hub.w.send(*honest, to, make_frame(1));
  auto const known = hub.w.next(*hub.server, kind::connected);
  CHECK(known.identity == "key " + read_line(key_files(hub.keys).client_public));
  hub.w.next(*hub.server, kind::received);

  transport::secret_key secret;
  read_secret_key(key_files(others).client_secret, secret);
  auto const server_key = transport::read_public_key(key_files(hub.keys).server_public);
  auto const own_key = public_key_of(secret);
  zmq::context_t context;
  for (char const start : {1, 9}) {  // the honest client's own number, and one that seems to come later
    zmq::socket_t liar(context, zmq::socket_type::dealer);
    liar.set(zmq::sockopt::linger, 0);
    liar.set(zmq::sockopt::routing_id, routing_id(77, start));
    liar.set(zmq::sockopt::curve_serverkey, zmq::buffer(server_key));
    liar.set(zmq::sockopt::curve_publickey, zmq::buffer(own_key));
    liar.set(zmq::sockopt::curve_secretkey, zmq::buffer(secret.bytes));
    liar.connect(hub.address());
    auto const head = core::encode_header(make_frame(start, 0).head, {});
    liar.send(zmq::buffer(head));
    if (start != 1) {
      auto const stranger = hub.w.next(*hub.server, kind::connected);
      CHECK(stranger.identity == "key " + read_line(key_files(others).client_public));
      CHECK(hub.w.next(*hub.server, kind::received).peer == stranger.peer);
    }
    hub.w.send(*honest, to, make_frame(2));
    auto const got = hub.w.next(*hub.server, kind::received);
    CHECK(got.peer == known.peer);
    CHECK(same(got.message, make_frame(2)));
    hub.w.send(*hub.server, known.peer, make_frame(3));
    CHECK(same(hub.w.next(*honest, kind::received).message, make_frame(3)));
    liar.close();
    if (start != 1) CHECK(hub.w.next(*hub.server, kind::lost).peer != known.peer);
  }
}

TEST_CASE("nobody without keys comes in over tcp, also on the loopback device") {
  tcp_hub hub;
  zmq::context_t context;
  zmq::socket_t plain(context, zmq::socket_type::dealer);
  plain.set(zmq::sockopt::linger, 0);
  zmq_socket_monitor(plain.handle(), "inproc://monitor", ZMQ_EVENT_ALL);
  zmq::socket_t reports(context, zmq::socket_type::pair);
  reports.connect("inproc://monitor");
  plain.connect(hub.address());
  plain.send(zmq::str_buffer("let me in"), zmq::send_flags::dontwait);
  bool refused = false;
  hub.w.run_until([&] {
    zmq::message_t report, address;
    while (reports.recv(report, zmq::recv_flags::dontwait) && reports.recv(address)) {
      std::uint16_t what = 0;
      std::memcpy(&what, report.data(), sizeof what);
      REQUIRE(what != ZMQ_EVENT_HANDSHAKE_SUCCEEDED);
      refused = refused || what == ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL ||
                what == ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL;
    }
    return refused;
  });
  hub.check_works(hub.keys, 2);
  CHECK(hub.w.events(*hub.server).empty());
}

TEST_CASE("tcp without keys is refused on both sides, and the error says what to do") {
  world w;
  auto const served = error_of([&] { zmq_server(w.poller, {{"tcp://127.0.0.1:*"}, {}, {}}); });
  CHECK(served.code() == errc::bad_configuration);
  CHECK(says(served, "yonder keygen"));
  auto const asked = error_of([&] { zmq_client(w.poller, {"tcp://127.0.0.1:1", {}, 1, {}}); });
  CHECK(asked.code() == errc::bad_configuration);
  CHECK(says(asked, "yonder keygen"));
}

TEST_CASE("addresses that are none are refused in words") {
  world w;
  for (std::string const bad : {"",
                                "hello",
                                "inproc://x",
                                "tcp://nowhere",
                                "ipc://relative/path",
                                "ipc:///folder/",
                                "tcp://",
                                "tcp://:1",
                                "tcp://127.0.0.1",
                                "tcp://127.0.0.1:",
                                "tcp://127.0.0.1:port",
                                "tcp://127.0.0.1:99999",
                                "tcp://127.0.0.1:65536",
                                "tcp://127.0.0.1:-1",
                                "tcp://127.0.0.1:+1",
                                "tcp://127.0.0.1: 1",
                                "tcp://127.0.0.1:1 ",
                                "tcp://127.0.0.1:0x10",
                                "tcp://127.0.0.1:18446744073709551617",
                                "tcp://::1:80",
                                "tcp://[::1:80",
                                "tcp://[nowhere]:80",
                                "tcp://[]:80",
                                "tcp://a b:80",
                                "tcp://127.0.0.1:80/path",
                                "tcp://user@host:80",
                                "tcp://127.0.0.1;127.0.0.1:80",
                                "tcp://\xc3\xa4:80",
                                "TCP://127.0.0.1:80"}) {
    CAPTURE(bad);
    CHECK(error_of([&] { zmq_server(w.poller, {{bad}, "/nowhere", {}}); }).code() == errc::bad_configuration);
    CHECK(error_of([&] {
            zmq_client(w.poller, {bad, "/nowhere", 1, {}});
          }).code() == errc::bad_configuration);
  }
  CHECK(says(error_of([&] {
               zmq_server(w.poller, {{"ipc:///" + std::string(200, 'x')}, {}, {}});
             }),
             "longer than"));
  CHECK(says(error_of([&] { zmq_server(w.poller, {{}, {}, {}}); }), "no address"));
  for (std::string const none : {"tcp://127.0.0.1:0", "tcp://127.0.0.1:*", "tcp://*:80"}) {
    CAPTURE(none);
    CHECK(error_of([&] {
            zmq_client(w.poller, {none, "/nowhere", 1, {}});
          }).code() == errc::bad_configuration);
  }
  for (std::string const high : {"tcp://127.0.0.1:65536", "tcp://localhost:99999"}) {
    CHECK(says(error_of([&] { zmq_server(w.poller, {{high}, {}, {}}); }), "ports are 1 to 65535"));
    CHECK(says(error_of([&] { zmq_client(w.poller, {high, {}, 1, {}}); }), "ports are 1 to 65535"));
  }
}

TEST_CASE("a hub's addresses are the ones that were asked for, with the port that the system chose") {
  world w;
  temporary_folder folder;
  auto const keys = folder.path() / "keys";
  keygen(keys);
  for (std::string const host : {"127.0.0.1", "0.0.0.0", "*", "[::1]"}) {
    CAPTURE(host);
    zmq_server const server(w.poller, {{"tcp://" + host + ":*"}, keys, {}});
    auto const address = server.addresses().front();
    CAPTURE(address);
    auto const prefix = "tcp://" + host + ":";
    REQUIRE(address.starts_with(prefix));
    CHECK(std::stoi(address.substr(prefix.size())) > 0);
  }
}

TEST_CASE("a hub listens at addresses of its machine, and says so where it is asked for another") {
  world w;
  temporary_folder folder;
  auto const keys = folder.path() / "keys";
  keygen(keys);
  CHECK(says(error_of([&] { zmq_server(w.poller, {{"tcp://localhost:*"}, keys, {}}); }), "network device"));
  zmq_server const server(w.poller, {{"tcp://lo:*"}, keys, {}});  // whose address is what others are told
  CHECK(server.addresses().front().starts_with("tcp://127.0.0.1:"));
}

TEST_CASE(
    "without a descriptor for a connection that waits a hub stops listening, and goes on once there is one") {
  tcp_hub hub;
  auto const port = static_cast<std::uint16_t>(std::stoi(hub.address().substr(hub.address().rfind(':') + 1)));
  sockaddr_in where{};
  where.sin_family = AF_INET;
  where.sin_port = htons(port);
  where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  auto const knock = [&](int fd) {
    sockaddr const nowhere{};  // AF_UNSPEC: what was connected before is so no more
    ::connect(fd, &nowhere, sizeof nowhere);
    return ::connect(fd, reinterpret_cast<sockaddr const*>(&where), sizeof where) == 0;
  };
  std::vector<platform::unique_fd> knocking(20);
  for (auto& each : knocking) each.reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  rlimit const none{static_cast<rlim_t>(knocking.back().get()) + 1, before.rlim_max};
  std::vector<platform::unique_fd> taken;  // what is free below
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  for (int fd = 0; fd >= 0;) {
    fd = ::fcntl(knocking.back().get(), F_DUPFD_CLOEXEC, 0);
    if (fd >= 0) taken.emplace_back(fd);
  }
  std::size_t knocks = 0;
  hub.w.run_until(
      [&] { return !knock(knocking[knocks++ % knocking.size()].get()) && errno == ECONNREFUSED; });
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  hub.check_works(hub.keys, 2);
}

TEST_CASE("ipc only in a folder that is this user's own and closed to others") {
  world w;
  temporary_folder folder;
  auto const served = [&](fs::path const& in) {
    return zmq_server(w.poller, {{"ipc://" + (in / "hub").string()}, {}, {}});
  };
  auto const asked = [&](fs::path const& in) {
    return zmq_client(w.poller, {"ipc://" + (in / "hub").string(), {}, 1, {}});
  };
  auto const fresh = folder.path() / "fresh";
  {
    auto const server = std::make_unique<zmq_server>(
        w.poller, transport::listen_options{{"ipc://" + (fresh / "hub").string()}, {}, {}});
  }
  CHECK(mode_of(fresh) == 0700);

  for (mode_t const mode : {0750, 0705, 0701, 0770, 0777}) {
    REQUIRE(::chmod(fresh.c_str(), mode) == 0);
    auto const error = error_of([&] { served(fresh); });
    CHECK(error.code() == errc::unauthorized);
    CHECK(says(error, "chmod 700"));
    CHECK(error_of([&] { asked(fresh); }).code() == errc::unauthorized);
  }
  REQUIRE(::chmod(fresh.c_str(), 0700) == 0);

  auto const link = folder.path() / "link";
  fs::create_directory_symlink(fresh, link);
  CHECK(says(error_of([&] { served(link); }), "symbolic link"));
  CHECK(says(error_of([&] { asked(link); }), "symbolic link"));

  std::ofstream(folder.path() / "file") << "x";
  CHECK(says(error_of([&] { served(folder.path() / "file"); }), "is not a folder"));
  CHECK(says(error_of([&] { served(folder.path() / "no" / "such"); }), "cannot be created"));

  std::ofstream(fresh / "hub") << "precious";
  CHECK(says(error_of([&] { served(fresh); }), "no socket"));
  CHECK(text_of(fresh / "hub") == "precious");
}

TEST_CASE("a hub that is too busy to accept is not taken for a dead one") {
  world w;
  temporary_folder folder;
  sockaddr_un where{};
  where.sun_family = AF_UNIX;
  (folder.path() / "hub").native().copy(where.sun_path, sizeof where.sun_path - 1);
  auto const* const address = reinterpret_cast<sockaddr const*>(&where);
  auto const make_socket = [] { return ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0); };
  platform::unique_fd const busy(make_socket());
  REQUIRE(::bind(busy.get(), address, sizeof where) == 0);
  REQUIRE(::listen(busy.get(), 0) == 0);
  std::vector<platform::unique_fd> queue;
  do queue.emplace_back(make_socket());
  while (::connect(queue.back().get(), address, sizeof where) == 0);
  REQUIRE(errno == EAGAIN);
  CHECK(says(error_of([&] {
               zmq_server(w.poller, {{"ipc://" + (folder.path() / "hub").string()}, {}, {}});
             }),
             "another process listens there"));
  CHECK(fs::exists(folder.path() / "hub"));
}

TEST_CASE("a second hub at the same ipc address is refused, one that follows a dead one is not") {
  world w;
  temporary_folder folder;
  transport::listen_options const options{{"ipc://" + (folder.path() / "hub").string()}, {}, {}};
  auto first = std::make_unique<zmq_server>(w.poller, options);
  CHECK(says(error_of([&] { zmq_server(w.poller, options); }), "another process listens there"));
  first.reset();
  CHECK_FALSE(fs::exists(folder.path() / "hub"));

  sockaddr_un stale{};
  stale.sun_family = AF_UNIX;
  (folder.path() / "hub").native().copy(stale.sun_path, sizeof stale.sun_path - 1);
  platform::unique_fd leftover(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  REQUIRE(::bind(leftover.get(), reinterpret_cast<sockaddr const*>(&stale), sizeof stale) == 0);
  leftover.reset();
  zmq_server(w.poller, options);
}

TEST_CASE("another user is kept out of an ipc socket by its folder, and by the uid if that was opened") {
  if (::geteuid() != 0) {
    MESSAGE("skipped: needs root, to knock as another user");
    return;
  }
  world w;
  temporary_folder folder;
  auto const path = folder.path() / "run" / "hub";
  auto const address = "ipc://" + path.string();
  zmq_server server(w.poller, {{address}, {}, {}});
  w.drive(server);
  auto const knock = [&](std::string const& user) {
    auto answer = std::async(std::launch::async, [&] {
      return output_of(std::string(YONDER_TEST_STRANGER " ") + address + " " + user);
    });
    w.run_until([&] { return answer.wait_for(std::chrono::seconds(0)) == std::future_status::ready; });
    return answer.get();
  };
  CHECK(knock("65534") == "no way\n");
  for (auto const& opened : {folder.path(), path.parent_path(), path})
    REQUIRE(::chmod(opened.c_str(), 0777) == 0);
  CHECK(knock("65534") == "refused\n");
  CHECK(server.refused() == 1);
  CHECK(knock("0") == "in\n");
  CHECK(server.refused() == 1);
  w.forget(server);
}

TEST_CASE("a client says nothing to another user who made its folder after it had looked") {
  if (::geteuid() != 0) {
    MESSAGE("skipped: needs root, to listen as another user");
    return;
  }
  world w;
  temporary_folder folder;
  REQUIRE(::chmod(folder.path().c_str(), 0777) == 0);
  auto const address = "ipc://" + (folder.path() / "later" / "hub").string();
  zmq_client client(w.poller, {address, {}, 1, {}});
  w.drive(client);
  auto heard = std::async(std::launch::async, [&] {
    return output_of(std::string(YONDER_TEST_STRANGER " ") + address + " 65534 listen");
  });
  auto const lost = w.next(client, kind::lost);
  CHECK(lost.unauthorized);
  CHECK(lost.reason.find("another user") != std::string::npos);
  w.run_until([&] { return heard.wait_for(std::chrono::seconds(0)) == std::future_status::ready; });
  CHECK(heard.get() == "nobody came in\n");
  w.forget(client);
}

TEST_CASE("a client does not talk to an ipc socket in another user's folder") {
  if (::geteuid() != 0) {
    MESSAGE("skipped: needs root, to give a folder away");
    return;
  }
  world w;
  temporary_folder folder;
  auto const theirs = folder.path() / "theirs";
  fs::create_directory(theirs);
  REQUIRE(::chmod(theirs.c_str(), 0700) == 0);
  REQUIRE(::chown(theirs.c_str(), 65534, 65534) == 0);
  auto const error = error_of([&] {
    zmq_client(w.poller, {"ipc://" + (theirs / "hub").string(), {}, 1, {}});
  });
  CHECK(error.code() == errc::unauthorized);
  CHECK(says(error, "belongs to user 65534"));
}

}  // namespace yonder::testing

using yonder::testing::zmq_tcp_way;
TYPE_TO_STRING(zmq_tcp_way);

namespace yonder::testing {
YONDER_TEST_KEYS(zmq_tcp_way);
}
