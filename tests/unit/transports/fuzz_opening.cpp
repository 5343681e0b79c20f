// SPDX-License-Identifier: Apache-2.0
//
// What somebody says to a hub's socket before it is a peer: nonsense is refused, and what is read as a
// greeting, an identity or an enrolment is what was said.
#include <sys/socket.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>

#include "src/platform/unique_fd.hpp"
#include "transports/sockets/greeting.hpp"
#include "transports/sockets/opening.hpp"
#include "transports/sockets/tls_connection.hpp"
#include "transports/zmq/enrolment.hpp"

using namespace yonder::transport;

namespace {

void expect(bool holds) {
  if (!holds) std::abort();
}

void read_texts(std::span<std::byte const> bytes) {
  greeting said;
  auto const front = bytes.first(std::min(bytes.size(), greeting::size));
  if (greeting::read(front, said)) {
    auto const again = said.bytes();
    expect(std::memcmp(again.data(), front.data(), again.size()) == 0);
  }
  tls_identity named;
  std::span const as_identity(reinterpret_cast<std::uint8_t const*>(bytes.data()), bytes.size());
  if (tls_identity::read(as_identity, named)) {
    auto const again = named.bytes();
    expect(std::memcmp(again.data(), bytes.data(), again.size()) == 0);
  }
  connect_role role{};
  raw_key key{};
  if (read_enrolment_request(bytes, role, key)) {
    auto const again = enrolment_request(role, key);
    expect(again.size() == bytes.size() && std::memcmp(again.data(), bytes.data(), again.size()) == 0);
  }
}

struct hub_keys {
  tls_settings settings;
  std::unique_ptr<tls_server_key> own;
  hub_keys() {
    secret_key secret;
    draw_secret(secret);
    own = std::make_unique<tls_server_key>(secret, public_key_of(secret));
  }
};

// Over TLS nobody gets as far as a greeting who has not a key.
void open_with(std::span<std::byte const> bytes, bool over_tls) {
  static hub_keys keys;
  int both[2];
  expect(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, both) == 0);
  yonder::platform::unique_fd ours(both[0]), theirs(both[1]);
  std::unique_ptr<tls_connection> secured;
  if (over_tls) secured = std::make_unique<tls_connection>(keys.settings, ours.get(), *keys.own);
  opening way(std::move(ours), std::move(secured), false);
  way.hear(greeting::size);
  auto how = opening::result::waits;
  while (!bytes.empty() && how == opening::result::waits) {
    auto const piece = bytes.first(std::min<std::size_t>(bytes.size(), 1 + bytes.size() / 2));
    expect(::send(theirs.get(), piece.data(), piece.size(), MSG_NOSIGNAL) ==
           static_cast<ssize_t>(piece.size()));
    bytes = bytes.subspan(piece.size());
    how = way.go_on();
  }
  theirs.reset();
  if (how == opening::result::waits) how = way.go_on();
  expect(how != opening::result::waits);
  expect(!over_tls || how == opening::result::failed);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  if (size == 0 || size > 4096) return 0;
  auto const bytes = std::as_bytes(std::span(data, size)).subspan(1);
  read_texts(bytes);
  open_with(bytes, (data[0] & 1U) != 0);
  return 0;
}
