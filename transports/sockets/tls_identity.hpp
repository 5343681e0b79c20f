// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "transports/zmq/keys.hpp"

struct evp_pkey_st;

namespace yonder::transport {

// What a client names in the first message of TLS (as the identity of a pre-shared key, RFC 8446, 4.2.11):
// who it is, whom it means, and a key that it has drawn for this connection.
struct tls_identity {
  static constexpr std::size_t size = 1 + 3 * std::tuple_size_v<raw_key>;

  raw_key drawn{};   // X25519
  raw_key client{};  // its public key, as in the hub's list
  raw_key server{};  // the hub's

  std::array<std::uint8_t, size> bytes() const noexcept;
  // False: it is none, or one of another version.
  static bool read(std::span<std::uint8_t const> bytes, tls_identity& read) noexcept;
};

// The hub's key as OpenSSL has it: what only depends on it is worked out once.
class tls_server_key {
 public:
  // `own`: its public half.
  tls_server_key(secret_key const& secret, raw_key const& own);
  raw_key const& own() const noexcept { return own_; }

 private:
  friend class tls_secret;
  struct free_key {
    void operator()(evp_pkey_st* key) const noexcept;
  };
  raw_key own_;
  std::unique_ptr<evp_pkey_st, free_key> key_;  // null: there was no memory, nothing is agreed on
};

// The key that both ends then have beforehand. It takes the secret halves of `drawn` and of `client`, or the
// hub's; so neither end can pose as the other, whatever keys of its own have been stolen.
class tls_secret {
 public:
  tls_secret() = default;
  tls_secret(tls_secret const&) = delete;
  tls_secret& operator=(tls_secret const&) = delete;
  ~tls_secret();

  // False: one of the public keys is none that a key can be agreed on with.
  [[nodiscard]] bool agree_as_client(tls_identity const& named, secret_key const& drawn,
                                     secret_key const& client);
  [[nodiscard]] bool agree_as_server(tls_identity const& named, tls_server_key const& server);

  std::array<std::uint8_t, 32> bytes{};

 private:
  bool derive(tls_identity const& named, std::array<std::uint8_t, 64>& shared);
};

}  // namespace yonder::transport
