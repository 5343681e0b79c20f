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
