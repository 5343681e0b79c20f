// SPDX-License-Identifier: Apache-2.0
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <fstream>

#include "tests/unit/transports/zmq_hub.hpp"
#include "transports/zmq/key_file.hpp"

namespace yonder::testing {

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
  CHECK(says(error_of(connect),
             "`yonder keys issue NAME` prints a line that has this one let in, and `yonder keygen"));
  fs::create_directory(files.server_public);
  CHECK(says(error_of(connect), "is not a file"));

  std::ofstream(files.authorized, std::ios::trunc) << "# fine\n\nbad line\n";
  auto const listen = [&] { zmq_server(hub.w.poller, {{"tcp://127.0.0.1:*"}, hub.keys, {}}); };
  CHECK(says(error_of(listen), "line 3"));
}

TEST_CASE("keys that cannot be written leave none behind, so that they can be made later") {
  temporary_folder folder;
  auto const keys = folder.path() / "keys";
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  auto const handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit const little{60, before.rlim_max};  // a key, and not the list
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &little) == 0);
  auto const error = error_of([&] { keygen(keys); });
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
  std::signal(SIGXFSZ, handler);
  CHECK(says(error, "authorized_keys: cannot be written"));
  CHECK(fs::is_empty(keys));
  keygen(keys);
  CHECK(fs::exists(key_files(keys).server_secret));
}

TEST_CASE("a folder above the keys that cannot be made is told as that") {
  temporary_folder folder;
  std::ofstream(folder.path() / "file") << "x";
  auto const error = error_of([&] { keygen(folder.path() / "file" / "config" / "yonder"); });
  CHECK(says(error, "file/config: cannot be created: Not a directory"));
}

TEST_CASE(
    "a list of keys in a folder that others can write to is refused, and a secret of one's own is not") {
  temporary_folder folder;
  auto const keys = folder.path() / "keys";
  keygen(keys);
  transport::secret_key key;
  for (auto const mode : {0777, 0775, 0702}) {
    REQUIRE(::chmod(keys.c_str(), mode) == 0);
    CHECK(says(error_of([&] { transport::read_trusted_text(key_files(keys).authorized); }),
               "keys: can be written by other users; run: chmod go-w "));
    CHECK_NOTHROW(transport::read_secret_key(key_files(keys).server_secret, key));
  }
  for (auto const mode : {0755, 01777, 0700}) {
    REQUIRE(::chmod(keys.c_str(), mode) == 0);
    CHECK_NOTHROW(transport::read_secret_key(key_files(keys).server_secret, key));
  }
}

TEST_CASE("keygen makes the folders above its own, too, for this user only") {
  temporary_folder folder;
  auto const keys = folder.path() / ".config" / "yonder";
  keygen(keys);
  CHECK(fs::exists(key_files(keys).server_secret));
  for (auto const& made : {keys, keys.parent_path()})
    CHECK((fs::status(made).permissions() & fs::perms::all) == fs::perms::owner_all);
}

}  // namespace yonder::testing
