// SPDX-License-Identifier: Apache-2.0
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <future>
#include <sstream>
#include <zmq.hpp>

#include "tests/unit/transports/zmq_world.hpp"
#include "transports/setup_error.hpp"
#include "transports/zmq/zmq_client.hpp"
#include "transports/zmq/zmq_server.hpp"

namespace yonder::testing {

namespace {

namespace fs = std::filesystem;
using transport::key_files;
using transport::keygen;
using transport::setup_error;
using transport::zmq_client;
using transport::zmq_server;

// A hub over tcp with keys of its own.
struct tcp_hub {
  world w;
  temporary_folder folder;
  fs::path keys = folder.path() / "keys";
  std::unique_ptr<zmq_server> server;

  tcp_hub() {
    keygen(keys);
    server =
        std::make_unique<zmq_server>(w.poller, transport::listen_options{{"tcp://127.0.0.1:*"}, keys, {}});
    w.drive(*server);
  }
  std::string address() const { return server->addresses().front(); }
  std::unique_ptr<zmq_client> client(fs::path const& with_keys, std::uint64_t session = 1) {
    auto made =
        std::make_unique<zmq_client>(w.poller, transport::connect_options{address(), with_keys, session, {}});
    w.drive(*made);
    return made;
  }

  // A folder with client keys that are not in the hub's list, but the hub's own public key.
  fs::path unknown_keys() {
    auto made = folder.path() / "unknown";
    keygen(made);
    fs::copy_file(key_files(keys).server_public, key_files(made).server_public,
                  fs::copy_options::overwrite_existing);
    return made;
  }

  void check_works(fs::path const& with_keys, std::uint64_t session) {
    auto const good = client(with_keys, session);
    auto const to = w.next(*good, kind::connected).peer;
    w.send(*good, to, make_frame(session));
    w.next(*server, kind::connected);
    CHECK(same(w.next(*server, kind::received).message, make_frame(session)));
    w.forget(*good);
  }
};

std::string read_line(fs::path const& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  return line;
}

std::string text_of(fs::path const& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

mode_t mode_of(fs::path const& path) {
  struct ::stat state {};
  REQUIRE(::lstat(path.c_str(), &state) == 0);
  return state.st_mode & 07777;
}

template <class Action>
setup_error error_of(Action action) {
  try {
    action();
  } catch (setup_error const& error) {
    return error;
  }
  FAIL("nothing was refused");
  return {errc::failed, ""};
}

bool says(setup_error const& error, std::string_view words) {
  INFO(error.what());
  return std::string_view(error.what()).find(words) != std::string_view::npos;
}

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

TEST_CASE("a key that is not in the list is refused, in words, and the next one is let in") {
  tcp_hub hub;
  auto const stranger = hub.client(hub.unknown_keys());
  auto const lost = hub.w.next(*stranger, kind::lost);
  CHECK(lost.unauthorized);
  CHECK(lost.reason.find("authorized_keys") != std::string::npos);
  CHECK(stranger->send(lost.peer, make_frame(1)) == send_status::gone);
  CHECK(hub.server->refused() >= 1);
  hub.check_works(hub.keys, 2);
  CHECK(hub.w.events(*hub.server).empty());
  CHECK(hub.w.events(*stranger).empty());  // told once
}

TEST_CASE("a key that is added to the list while the hub runs is let in") {
  tcp_hub hub;
  auto const keys = hub.unknown_keys();
  auto const refused = hub.client(keys);
  CHECK(hub.w.next(*refused, kind::lost).unauthorized);
  std::ofstream(key_files(hub.keys).authorized, std::ios::app)
      << read_line(key_files(keys).client_public) << " new\n";
  hub.check_works(keys, 2);
}

TEST_CASE("a key that is taken from the list is refused from then on") {
  tcp_hub hub;
  hub.check_works(hub.keys, 1);
  hub.w.next(*hub.server, kind::lost);
  std::ofstream(key_files(hub.keys).authorized, std::ios::trunc) << "# nobody\n";
  auto const late = hub.client(hub.keys, 2);
  CHECK(hub.w.next(*late, kind::lost).unauthorized);
}

TEST_CASE("a list that has become unusable lets nobody in") {
  tcp_hub hub;
  std::ofstream(key_files(hub.keys).authorized, std::ios::app) << "no key at all\n";
  auto const client = hub.client(hub.keys);
  CHECK(hub.w.next(*client, kind::lost).unauthorized);
}

TEST_CASE("a client that expects another server's key does not talk to this one, and says so") {
  tcp_hub hub;
  auto const elsewhere = hub.folder.path() / "elsewhere";
  keygen(elsewhere);  // its server.pub is another's
  std::ofstream(key_files(hub.keys).authorized, std::ios::app)
      << read_line(key_files(elsewhere).client_public) << " known here\n";
  auto const misled = hub.client(elsewhere);
  auto const lost = hub.w.next(*misled, kind::lost);
  CHECK(lost.unauthorized);
  CHECK(lost.reason.find("server.pub") != std::string::npos);
  hub.check_works(hub.keys, 2);
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
  for (std::string const bad :
       {"", "hello", "inproc://x", "tcp://nowhere", "ipc://relative/path", "ipc:///folder/"}) {
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
}

TEST_CASE("keygen makes private secrets and a list, and never replaces a file") {
  temporary_folder folder;
  auto const keys = folder.path() / "new";
  keygen(keys);
  key_files const files(keys);
  CHECK(mode_of(keys) == 0700);
  CHECK(mode_of(files.server_secret) == 0600);
  CHECK(mode_of(files.client_secret) == 0600);
  CHECK(text_of(files.authorized).find(read_line(files.client_public)) != std::string::npos);
  CHECK(text_of(files.authorized).find(read_line(files.client_secret)) == std::string::npos);
  CHECK(read_line(files.server_public).size() == transport::key_text_size);
  CHECK(read_line(files.server_secret) != read_line(files.client_secret));

  auto const before = text_of(files.server_secret);
  auto const error = error_of([&] { keygen(keys); });
  CHECK(error.code() == errc::bad_configuration);
  CHECK(says(error, "exists already"));
  CHECK(text_of(files.server_secret) == before);

  fs::remove(files.server_secret);
  error_of([&] { keygen(keys); });
  CHECK_FALSE(fs::exists(files.server_secret));  // half a set is not completed either
}

TEST_CASE("the public key in a file belongs to its secret one") {
  temporary_folder folder;
  keygen(folder.path());
  key_files const files(folder.path());
  transport::secret_key secret;
  read_secret_key(files.server_secret, secret);
  CHECK(public_key_of(secret) == transport::read_public_key(files.server_public));
}

TEST_CASE(
    "a secret key that others could read, and lists and keys that others could write, are refused in words") {
  tcp_hub hub;
  key_files const files(hub.keys);
  auto const listen = [&] { zmq_server(hub.w.poller, {{"tcp://127.0.0.1:*"}, hub.keys, {}}); };
  auto const connect = [&] { zmq_client(hub.w.poller, {hub.address(), hub.keys, 1, {}}); };
  auto const refused = [&](fs::path const& file, mode_t mode, mode_t good, auto action) {
    REQUIRE(::chmod(file.c_str(), mode) == 0);
    auto const error = error_of(action);
    CHECK(error.code() == errc::bad_configuration);
    CHECK(says(error, "chmod"));
    CHECK(says(error, file.string()));
    REQUIRE(::chmod(file.c_str(), good) == 0);
    action();
  };
  for (mode_t const mode : {0640, 0604, 0620}) {
    refused(files.server_secret, mode, 0600, listen);
    refused(files.client_secret, mode, 0600, connect);
  }
  for (mode_t const mode : {0664, 0646}) {
    refused(files.server_public, mode, 0644, connect);
    refused(files.authorized, mode, 0600, listen);
  }
}

TEST_CASE("key files of somebody else are refused") {
  if (::geteuid() != 0) {
    MESSAGE("skipped: needs root, to give a file away");
    return;
  }
  tcp_hub hub;
  key_files const files(hub.keys);
  REQUIRE(::chown(files.client_secret.c_str(), 65534, 65534) == 0);
  CHECK(says(error_of([&] {
               zmq_client(hub.w.poller, {hub.address(), hub.keys, 1, {}});
             }),
             "belongs to user 65534"));
  REQUIRE(::chown(files.authorized.c_str(), 65534, 65534) == 0);
  CHECK(says(error_of([&] {
               zmq_server(hub.w.poller, {{"tcp://127.0.0.1:*"}, hub.keys, {}});
             }),
             "belongs to user 65534"));
}

TEST_CASE("files that are missing, or hold no key, are refused in words") {
  tcp_hub hub;
  key_files const files(hub.keys);
  auto const connect = [&] { zmq_client(hub.w.poller, {hub.address(), hub.keys, 1, {}}); };
  for (std::string const text :
       {"", "short", "\0\0\0",
        "\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\"\""}) {
    std::ofstream(files.server_public, std::ios::trunc) << text;
    CHECK(says(error_of(connect), "holds no key"));
  }
  fs::remove(files.server_public);
  CHECK(says(error_of(connect), "is not there; `yonder keygen"));
  fs::create_directory(files.server_public);
  CHECK(says(error_of(connect), "is not a file"));

  std::ofstream(files.authorized, std::ios::trunc) << "# fine\n\nbad line\n";
  auto const listen = [&] { zmq_server(hub.w.poller, {{"tcp://127.0.0.1:*"}, hub.keys, {}}); };
  CHECK(says(error_of(listen), "line 3"));
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
