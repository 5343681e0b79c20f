// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string>
#include <vector>

#include "tests/unit/transports/socket_ends.hpp"
#include "transports/sockets/dial.hpp"

// What somebody who means harm says to a hub, or to its clients.
namespace yonder::testing {

namespace {

std::string number(std::size_t value, int bytes) {
  std::string text;
  while (bytes-- > 0) text += static_cast<char>(value >> (8 * bytes) & 0xffU);
  return text;
}
std::string with_length(std::string const& text, int bytes) { return number(text.size(), bytes) + text; }
std::string extension(std::size_t type, std::string const& content) {
  return number(type, 2) + with_length(content, 2);
}

// The first message of TLS 1.3 by somebody who has none of the keys that it names.
struct hello_terms {
  std::vector<std::string> identities{};
  std::size_t group = 0x1d;  // of its key; X25519
  std::string more{};        // extensions
};
std::string hello_of(hello_terms const& terms) {
  std::string names, binders;
  for (auto const& one : terms.identities) {
    names += with_length(one, 2) + number(0, 4);
    binders += with_length(std::string(32, 'b'), 1);
  }
  auto const extensions =
      extension(43, with_length("\x03\x04", 1)) + extension(10, with_length(number(0x1d, 2), 2)) +
      extension(13, with_length(number(0x0804, 2), 2)) + extension(45, with_length("\x01", 1)) +
      extension(51, with_length(number(terms.group, 2) + with_length(std::string(32, 'k'), 2), 2)) +
      terms.more + extension(41, with_length(names, 2) + with_length(binders, 2));
  auto const body = number(0x0303, 2) + std::string(32, 'r') + with_length(std::string(32, 's'), 1) +
                    with_length(number(0x1301, 2), 2) + with_length(number(0, 1), 1) +
                    with_length(extensions, 2);
  return number(0x160301, 3) + with_length(number(1, 1) + with_length(body, 3), 2);
}

// A client of the pair whose TLS does as it is told, in the place of pair.client.
class wilful_client {
 public:
  explicit wilful_client(tls_pair& pair)
      : own_(pair.keys.own), context_(::SSL_CTX_new(::TLS_client_method()), &::SSL_CTX_free) {
    named_ = {public_key_of(drawn(drawn_)), public_key_of(own_), pair.server_public};
    said_ = named_.bytes();
    SSL_CTX_set_min_proto_version(context_.get(), TLS1_3_VERSION);
    SSL_CTX_set1_groups_list(context_.get(), "X25519");
    ::SSL_CTX_set_ciphersuites(context_.get(), "TLS_AES_128_GCM_SHA256");
    ::SSL_CTX_set_psk_use_session_callback(context_.get(), &wilful_client::use_key);
    ssl_.reset(::SSL_new(context_.get()));
    SSL_set_app_data(ssl_.get(), this);
    ::SSL_set_fd(ssl_.get(), pair.sockets[0].get());
    ::SSL_set_connect_state(ssl_.get());
    auto const descriptor = pair.sockets[0].get();
    ::fcntl(descriptor, F_SETFL, ::fcntl(descriptor, F_GETFL) | O_NONBLOCK);
    for (int i = 0; i < 3; ++i) {
      ::SSL_do_handshake(ssl_.get());
      (void)pair.server->shake_hands();
    }
    REQUIRE(::SSL_is_init_finished(ssl_.get()) == 1);
  }

  void update_keys(int count) {
    for (int i = 0; i < count; ++i) {
      REQUIRE(::SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_NOT_REQUESTED) == 1);
      REQUIRE(::SSL_do_handshake(ssl_.get()) == 1);
    }
  }
  void say(std::string_view text) {
    REQUIRE(::SSL_write(ssl_.get(), text.data(), static_cast<int>(text.size())) > 0);
  }

 private:
  static int use_key(SSL* ssl, EVP_MD const*, unsigned char const** identity, std::size_t* size,
                     SSL_SESSION** key) {
    auto& mine = *static_cast<wilful_client*>(SSL_get_app_data(ssl));
    constexpr std::array<unsigned char, 2> suite{0x13, 0x01};
    transport::tls_secret secret;
    if (!secret.agree_as_client(mine.named_, mine.drawn_, mine.own_)) return 0;
    *key = ::SSL_SESSION_new();
    ::SSL_SESSION_set1_master_key(*key, secret.bytes.data(), secret.bytes.size());
    ::SSL_SESSION_set_cipher(*key, ::SSL_CIPHER_find(ssl, suite.data()));
    ::SSL_SESSION_set_protocol_version(*key, TLS1_3_VERSION);
    *identity = mine.said_.data();
    *size = mine.said_.size();
    return 1;
  }

  secret_key const& own_;
  secret_key drawn_;
  tls_identity named_;
  std::array<std::uint8_t, tls_identity::size> said_{};
  std::unique_ptr<SSL_CTX, decltype(&::SSL_CTX_free)> context_;
  std::unique_ptr<SSL, decltype(&::SSL_free)> ssl_{nullptr, &::SSL_free};
};

// All that has come to the server's socket.
detail::byte_buffer taken_from(platform::unique_fd const& socket) {
  detail::byte_buffer all;
  std::array<std::byte, 4096> some{};
  for (ssize_t count = 1; count > 0;) {
    count = ::recv(socket.get(), some.data(), some.size(), MSG_DONTWAIT);
    if (count > 0) all.append(some.data(), static_cast<std::size_t>(count));
  }
  return all;
}

}  // namespace

TEST_CASE("of a stranger's first message only what ours have is looked at") {
  constexpr int illegal_parameter = 47;  // what OpenSSL says of a key that the other end has not got
  constexpr int handshake_failure = 40;
  auto const alert_of = [](std::size_t garbage, hello_terms terms = {}) {
    tls_pair pair;
    secret_key drawn_key;
    tls_identity const listed{.drawn = public_key_of(drawn(drawn_key)),
                              .client = public_key_of(pair.keys.own),
                              .server = pair.server_public};
    auto const bytes = listed.bytes();
    terms.identities.assign(garbage, "nobody");
    terms.identities.emplace_back(bytes.begin(), bytes.end());
    auto const hello = hello_of(terms);
    REQUIRE(::send(pair.sockets[0].get(), hello.data(), hello.size(), 0) ==
            static_cast<ssize_t>(hello.size()));
    CHECK(pair.server->shake_hands() == tls_connection::progress::failed);
    std::array<unsigned char, 7> alert{};
    REQUIRE(::recv(pair.sockets[0].get(), alert.data(), alert.size(), MSG_DONTWAIT) == 7);
    REQUIRE(alert[0] == 21);
    return static_cast<int>(alert[6]);
  };
  CHECK(alert_of(0) == illegal_parameter);
  CHECK(alert_of(1) == handshake_failure);                   // its second identity was not come to
  CHECK(alert_of(0, {.group = 0x1e}) == handshake_failure);  // it would be asked for another key
  CHECK(alert_of(0, {.more = extension(1, number(1, 1))}) == handshake_failure);  // records of 512 bytes
}

TEST_CASE("no room is made for a first message that is said to be large") {
  tls_pair pair;
  auto const begin = number(0x160301, 3) + number(512, 2) + number(1, 1) + number(130'000, 3) + "some of it";
  REQUIRE(::send(pair.sockets[0].get(), begin.data(), begin.size(), 0) == static_cast<ssize_t>(begin.size()));
  CHECK(pair.server->shake_hands() == tls_connection::progress::failed);
}

TEST_CASE("who updates keys over and over in the place of a greeting is ended") {
  for (int const updates : {8, 200}) {
    CAPTURE(updates);
    tls_pair pair;
    wilful_client client(pair);
    client.update_keys(updates);
    std::array<std::byte, greeting::size> heard{};
    std::span<std::byte> room(heard);
    auto const how = pair.server->read(room);
    CHECK(how == (updates > 8 ? tls_connection::progress::failed : tls_connection::progress::wants_read));
    if (updates > 8) continue;
    client.say(std::string(greeting::size, 'g'));
    CHECK(pair.server->read(room) == tls_connection::progress::done);
  }
}

TEST_CASE("no more than 4 KiB are read of whoever has not greeted") {
  tls_pair pair;
  wilful_client client(pair);
  client.say(std::string(3'000, 'g'));
  client.say(std::string(3'000, 'g'));
  std::array<std::byte, 6'000> heard{};
  std::span<std::byte> room(heard);
  CHECK(pair.server->read(room) == tls_connection::progress::failed);
  CHECK(room.size() == 3'000);
}

TEST_CASE("records without data end a connection, but for a few, and one for each 4,096 with data") {
  tls_pair pair;
  wilful_client client(pair);
  for (int i = 0; i < 3; ++i) {
    client.update_keys(9);
    client.say("some words");
    CHECK(opened(*pair.server, taken_from(pair.sockets[1])) == "some words");
  }
  for (int i = 0; i < 10 * 4'096; ++i) {
    client.say("x");
    if (i % 64 == 0) opened(*pair.server, taken_from(pair.sockets[1]));
  }
  opened(*pair.server, taken_from(pair.sockets[1]));
  client.update_keys(12);
  client.say("more");
  CHECK(opened(*pair.server, taken_from(pair.sockets[1])) == "more");
  client.update_keys(200);
  client.say("never");
  CHECK(opened(*pair.server, taken_from(pair.sockets[1])) == "");
  CHECK(pair.server->fault().find("without data") != std::string::npos);
}

TEST_CASE("an alert of whoever takes the hub's port while it is away ends no client for good") {
  hub_place<tls_way> here;
  here.start();
  auto const one = here.connected();
  auto const port = static_cast<std::uint16_t>(std::stoi(here.address.substr(here.address.rfind(':') + 1)));
  here.stop();
  CHECK_FALSE(here.w.next(*one.client, kind::lost).unauthorized);
  {
    auto const posing = transport::listen_at("127.0.0.1", port);
    REQUIRE(posing);
    platform::unique_fd victim;
    here.w.run_until([&] {
      victim.reset(::accept4(posing.get(), nullptr, nullptr, SOCK_CLOEXEC));
      return static_cast<bool>(victim);
    });
    constexpr std::array<unsigned char, 7> handshake_failure{0x15, 3, 3, 0, 2, 2, 40};
    REQUIRE(::send(victim.get(), handshake_failure.data(), handshake_failure.size(), MSG_NOSIGNAL) == 7);
    CHECK_FALSE(here.w.next(*one.client, kind::lost).unauthorized);
  }
  here.start();
  here.w.next(*one.client, kind::connected);
}

}  // namespace yonder::testing
