// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>

#include "tests/unit/transports/zmq_world.hpp"
#include "transports/setup_error.hpp"
#include "transports/zmq/keys.hpp"
#include "transports/zmq/zmq_client.hpp"
#include "transports/zmq/zmq_server.hpp"

// What tests of keys and of who is let in share.
namespace yonder::testing {

namespace fs = std::filesystem;
using transport::key_files;
using transport::keygen;
using transport::setup_error;
using transport::zmq_client;
using transport::zmq_server;

struct zmq_ipc_way {
  static transport::remote_transport const& transport() { return transport::zmq_transport(); }
  static constexpr char const* scheme = "ipc";
  static constexpr bool has_keys = false;
};
struct zmq_tcp_way {
  static transport::remote_transport const& transport() { return transport::zmq_transport(); }
  static constexpr char const* scheme = "tcp";
  static constexpr bool has_keys = true;
};

inline std::string read_line(fs::path const& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  return line;
}

inline std::string text_of(fs::path const& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

inline mode_t mode_of(fs::path const& path) {
  struct ::stat state {};
  REQUIRE(::lstat(path.c_str(), &state) == 0);
  return state.st_mode & 07777;
}

inline std::string drawn_key() {
  temporary_folder folder;
  keygen(folder.path());
  return read_line(key_files(folder.path()).client_public);
}

// A hub that crosses a network, with keys of its own.
template <class Way>
struct keyed_hub {
  world w;
  temporary_folder folder;
  fs::path keys = folder.path() / "keys";
  std::unique_ptr<transport::listener> server;

  keyed_hub() {
    keygen(keys);
    server = Way::transport().listen(w.poller, {{std::string(Way::scheme) + "://127.0.0.1:*"}, keys, {}});
    w.drive(*server);
  }
  ~keyed_hub() {
    if (server) w.forget(*server);
  }
  std::string address() const { return server->addresses().front(); }
  std::unique_ptr<endpoint> client(fs::path const& with_keys, std::uint64_t session = 1) {
    auto made = Way::transport().connect(w.poller, {address(), with_keys, session, {}});
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
using tcp_hub = keyed_hub<zmq_tcp_way>;

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

inline bool says(setup_error const& error, std::string_view words) {
  INFO(error.what());
  return std::string_view(error.what()).find(words) != std::string_view::npos;
}

}  // namespace yonder::testing
