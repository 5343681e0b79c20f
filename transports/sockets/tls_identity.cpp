// SPDX-License-Identifier: Apache-2.0
#include "transports/sockets/tls_identity.hpp"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <string.h>

#include <algorithm>
#include <memory>
#include <string_view>

namespace yonder::transport {

namespace {

constexpr std::uint8_t identity_version = 1;
constexpr std::size_t key_size = std::tuple_size_v<raw_key>;

// Other uses of the same keys come to other secrets.
constexpr std::string_view purpose = "yonder tls 1";

template <auto Free>
struct freed_by {
  template <class What>
  void operator()(What* what) const noexcept {
    Free(what);
  }
};
using pkey = std::unique_ptr<EVP_PKEY, freed_by<&EVP_PKEY_free>>;
using pkey_context = std::unique_ptr<EVP_PKEY_CTX, freed_by<&EVP_PKEY_CTX_free>>;
using kdf = std::unique_ptr<EVP_KDF, freed_by<&EVP_KDF_free>>;
using kdf_context = std::unique_ptr<EVP_KDF_CTX, freed_by<&EVP_KDF_CTX_free>>;

EVP_PKEY* loaded(secret_key const& secret) {
  return EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, nullptr, secret.bytes.data(), key_size);
}

// X25519 (RFC 7748). False where what comes of it does not depend on our key.
bool multiply(EVP_PKEY* own, raw_key const& theirs, std::uint8_t* shared) {
  pkey const other(EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, nullptr, theirs.data(), key_size));
  if (own == nullptr || !other) return false;
  pkey_context const with(EVP_PKEY_CTX_new(own, nullptr));
  std::size_t size = key_size;
  return with && EVP_PKEY_derive_init(with.get()) == 1 &&
         EVP_PKEY_derive_set_peer(with.get(), other.get()) == 1 &&
         EVP_PKEY_derive(with.get(), shared, &size) == 1 && size == key_size;
}

OSSL_PARAM octets(char const* name, std::span<std::uint8_t> bytes) {
  return OSSL_PARAM_construct_octet_string(name, bytes.data(), bytes.size());
}

}  // namespace

std::array<std::uint8_t, tls_identity::size> tls_identity::bytes() const noexcept {
  std::array<std::uint8_t, size> said{identity_version};
  auto* at = said.begin() + 1;
  for (auto const* const key : {&drawn, &client, &server}) at = std::copy(key->begin(), key->end(), at);
  return said;
}

bool tls_identity::read(std::span<std::uint8_t const> bytes, tls_identity& read) noexcept {
  if (bytes.size() != size || bytes.front() != identity_version) return false;
  auto at = bytes.begin() + 1;
  for (auto* const key : {&read.drawn, &read.client, &read.server}) {
    std::copy_n(at, key_size, key->begin());
    at += key_size;
  }
  return true;
}

void tls_server_key::free_key::operator()(evp_pkey_st* key) const noexcept { EVP_PKEY_free(key); }

tls_server_key::tls_server_key(secret_key const& secret, raw_key const& own)
    : own_(own), key_(loaded(secret)) {}

tls_secret::~tls_secret() { ::explicit_bzero(bytes.data(), bytes.size()); }

bool tls_secret::agree_as_client(tls_identity const& named, secret_key const& drawn,
                                 secret_key const& client) {
  std::array<std::uint8_t, 2 * key_size> shared{};
  return multiply(pkey(loaded(drawn)).get(), named.server, shared.data()) &&
         multiply(pkey(loaded(client)).get(), named.server, shared.data() + key_size) &&
         derive(named, shared);
}

bool tls_secret::agree_as_server(tls_identity const& named, tls_server_key const& server) {
  std::array<std::uint8_t, 2 * key_size> shared{};
  return multiply(server.key_.get(), named.drawn, shared.data()) &&
         multiply(server.key_.get(), named.client, shared.data() + key_size) && derive(named, shared);
}

// HKDF (RFC 5869) with SHA-256, over both products and all public keys.
bool tls_secret::derive(tls_identity const& named, std::array<std::uint8_t, 64>& shared) {
  auto context = named.bytes();
  std::array<std::uint8_t, purpose.size()> salt{};
  std::copy(purpose.begin(), purpose.end(), salt.begin());
  char digest[] = "SHA256";
  std::array<OSSL_PARAM, 5> const terms{OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
                                        octets(OSSL_KDF_PARAM_KEY, shared), octets(OSSL_KDF_PARAM_SALT, salt),
                                        octets(OSSL_KDF_PARAM_INFO, context), OSSL_PARAM_construct_end()};
  kdf const method(EVP_KDF_fetch(nullptr, "HKDF", nullptr));
  kdf_context const with(method ? EVP_KDF_CTX_new(method.get()) : nullptr);
  bool const good = with && EVP_KDF_derive(with.get(), bytes.data(), bytes.size(), terms.data()) == 1;
  ::explicit_bzero(shared.data(), shared.size());
  return good;
}

}  // namespace yonder::transport
