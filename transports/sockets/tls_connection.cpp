// SPDX-License-Identifier: Apache-2.0
#include "transports/sockets/tls_connection.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

#include "src/platform/system_call.hpp"
#include "transports/setup_error.hpp"

namespace yonder::transport {

namespace {

// What a record adds to what it holds, at most: header, kind, tag.
constexpr std::size_t record_size = std::size_t{16} << 10;
constexpr std::size_t record_overhead = 64;

// After so many records another key seals them: AES-GCM is good for some 2^24 (RFC 8446, 5.5).
constexpr std::uint64_t records_per_key = std::uint64_t{1} << 17;

constexpr std::array<unsigned char, 2> suite{0x13, 0x01};  // TLS_AES_128_GCM_SHA256, as of the list below

std::string last_error() {
  std::array<char, 256> text{};
  ::ERR_error_string_n(::ERR_peek_last_error(), text.data(), text.size());
  return text.data();
}

[[noreturn]] void refuse_setup() {
  throw setup_error(errc::bad_configuration,
                    "TLS 1.3 cannot be set up with this OpenSSL (" + last_error() + ")");
}

tls_connection* of(SSL const* ssl) { return static_cast<tls_connection*>(SSL_get_app_data(ssl)); }

tls_connection::trouble trouble_of(unsigned long error) {
  using trouble = tls_connection::trouble;
  if (ERR_GET_LIB(error) != ERR_LIB_SSL) return trouble::broken;
  switch (ERR_GET_REASON(error)) {
    case SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE: return trouble::unknown_key;
    case SSL_R_TLSV1_ALERT_DECRYPT_ERROR:
    case SSL_R_SSLV3_ALERT_ILLEGAL_PARAMETER:
    case SSL_R_SSLV3_ALERT_BAD_RECORD_MAC:
    case SSL_R_CERTIFICATE_VERIFY_FAILED: return trouble::wrong_server;
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_UNEXPECTED_MESSAGE:
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION: return trouble::not_tls;
    default: return trouble::broken;
  }
}

}  // namespace

// --- what OpenSSL reads and writes: the socket, or the spans of open() and seal()

struct tls_connection::io {
  static tls_connection& of(BIO* bio) { return *static_cast<tls_connection*>(BIO_get_data(bio)); }

  static int read(BIO* bio, char* to, std::size_t size, std::size_t* count) {
    BIO_clear_retry_flags(bio);
    auto& mine = of(bio);
    *count = 0;
    if (mine.socket_ < 0) {
      *count = std::min(size, mine.sealed_in_.size());
      if (*count == 0) BIO_set_retry_read(bio);
      if (*count == 0) return 0;
      std::memcpy(to, mine.sealed_in_.data(), *count);
      mine.sealed_in_ = mine.sealed_in_.subspan(*count);
      return 1;
    }
    auto const got = platform::retry([&] { return ::recv(mine.socket_, to, size, MSG_DONTWAIT); });
    if (got < 0 && errno == EAGAIN) BIO_set_retry_read(bio);
    if (got <= 0) return 0;
    *count = static_cast<std::size_t>(got);
    return 1;
  }

  static int write(BIO* bio, char const* from, std::size_t size, std::size_t* count) {
    BIO_clear_retry_flags(bio);
    auto& mine = of(bio);
    *count = 0;
    if (mine.socket_ < 0) {
      if (mine.sealed_out_ == nullptr || mine.sealed_out_->capacity() - mine.sealed_out_->size() < size) {
        BIO_set_retry_write(bio);
        return 0;
      }
      mine.sealed_out_->append(from, size);
      *count = size;
      return 1;
    }
    auto const put =
        platform::retry([&] { return ::send(mine.socket_, from, size, MSG_DONTWAIT | MSG_NOSIGNAL); });
    if (put < 0 && errno == EAGAIN) BIO_set_retry_write(bio);
    if (put <= 0) return 0;
    *count = static_cast<std::size_t>(put);
    return 1;
  }

  static long control(BIO*, int what, long, void*) { return what == BIO_CTRL_FLUSH ? 1 : 0; }

  static BIO_METHOD const* method() {
    static BIO_METHOD* const made = [] {
      auto* const one = ::BIO_meth_new(::BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "yonder");
      if (one == nullptr) refuse_setup();
      ::BIO_meth_set_read_ex(one, &read);
      ::BIO_meth_set_write_ex(one, &write);
      ::BIO_meth_set_ctrl(one, &control);
      return one;
    }();
    return made;
  }

  static int use_key(SSL* ssl, EVP_MD const*, unsigned char const** identity, std::size_t* identity_size,
                     SSL_SESSION** key) {
    return transport::of(ssl)->use_key(key, identity, identity_size);
  }
  static int find_key(SSL* ssl, unsigned char const* identity, std::size_t identity_size, SSL_SESSION** key) {
    return transport::of(ssl)->find_key(identity, identity_size, key);
  }
};

// --- set up

void tls_settings::free_context::operator()(ssl_ctx_st* context) const noexcept { ::SSL_CTX_free(context); }

tls_settings::tls_settings() : context_(::SSL_CTX_new(::TLS_method())) {
  auto* const context = context_.get();
  if (context == nullptr || SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) != 1 ||
      SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) != 1 ||
      ::SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256") != 1 ||
      SSL_CTX_set1_groups_list(context, "X25519") != 1 || ::SSL_CTX_set_num_tickets(context, 0) != 1)
    refuse_setup();
  ::SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  // A server that would rather show a certificate is not the one whose key we have.
  ::SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

void tls_connection::free_connection::operator()(ssl_st* connection) const noexcept {
  ::SSL_free(connection);
}

tls_connection::tls_connection(tls_settings const& settings, int socket, connect_keys const& keys)
    : socket_(socket), keys_(&keys) {
  begin(settings);
  ::SSL_set_psk_use_session_callback(ssl_.get(), &io::use_key);
  ::SSL_set_connect_state(ssl_.get());
}

tls_connection::tls_connection(tls_settings const& settings, int socket, admission& allowed,
                               secret_key const& secret, raw_key const& own)
    : socket_(socket), allowed_(&allowed), secret_(&secret), own_(&own) {
  begin(settings);
  ::SSL_set_psk_find_session_callback(ssl_.get(), &io::find_key);
  ::SSL_set_verify(ssl_.get(), SSL_VERIFY_NONE, nullptr);  // no certificate is asked for
  ::SSL_set_accept_state(ssl_.get());
}

tls_connection::~tls_connection() = default;

void tls_connection::begin(tls_settings const& settings) {
  ssl_.reset(::SSL_new(settings.get()));
  auto* const bio = ssl_ ? ::BIO_new(io::method()) : nullptr;
  if (bio == nullptr) throw std::bad_alloc();
  ::BIO_set_data(bio, this);
  ::BIO_set_init(bio, 1);
  ::SSL_set_bio(ssl_.get(), bio, bio);
  SSL_set_app_data(ssl_.get(), this);
}

// --- the keys; nothing is thrown through OpenSSL

bool tls_connection::as_session(tls_secret const& secret, ssl_session_st** key) {
  auto const* const cipher = ::SSL_CIPHER_find(ssl_.get(), suite.data());
  auto* const made = cipher != nullptr ? ::SSL_SESSION_new() : nullptr;
  if (made == nullptr) return false;
  if (::SSL_SESSION_set1_master_key(made, secret.bytes.data(), secret.bytes.size()) != 1 ||
      ::SSL_SESSION_set_cipher(made, cipher) != 1 ||
      ::SSL_SESSION_set_protocol_version(made, TLS1_3_VERSION) != 1) {
    ::SSL_SESSION_free(made);
    return false;
  }
  *key = made;
  return true;
}

int tls_connection::use_key(ssl_session_st** key, unsigned char const** identity,
                            std::size_t* identity_size) try {
  *key = nullptr;
  secret_key drawn;
  draw_secret(drawn);
  named_.drawn = public_key_of(drawn);
  named_.client = public_key_of(keys_->own);
  named_.server = keys_->server;
  tls_secret secret;
  if (!secret.agree_as_client(named_, drawn, keys_->own) || !as_session(secret, key)) return 0;
  said_ = named_.bytes();
  *identity = said_.data();
  *identity_size = said_.size();
  return 1;
} catch (std::exception const&) {
  return 0;
}

// Whom nobody knows is told so by what TLS does without a key: there is no certificate, and the handshake
// ends. Who means another hub is given a key that it cannot have, and told that it has a wrong one.
int tls_connection::find_key(unsigned char const* identity, std::size_t identity_size,
                             ssl_session_st** key) try {
  // One of each first message: looking at all that a stranger may put into it takes the hub's time. There are
  // two where the first offers another group than ours.
  constexpr int most = 2;
  *key = nullptr;
  if (++identities_ > most) return 0;
  tls_secret secret;
  if (!tls_identity::read({identity, identity_size}, named_)) return 1;
  if (named_.server != *own_) {
    secret_key none;
    draw_secret(none);
    secret.bytes = none.bytes;
    return as_session(secret, key) ? 1 : 0;
  }
  if (!allowed_->rights_of(admission::identity_of(named_.client))) return 1;
  if (!secret.agree_as_server(named_, *secret_)) return 0;
  return as_session(secret, key) ? 1 : 0;
} catch (std::exception const&) {
  return 0;
}

// --- over the socket

tls_connection::progress tls_connection::outcome(int result) {
  auto const error = ::SSL_get_error(ssl_.get(), result);
  if (error == SSL_ERROR_WANT_READ) return progress::wants_read;
  if (error == SSL_ERROR_WANT_WRITE) return progress::wants_write;
  trouble_ = trouble_of(::ERR_peek_error());
  return progress::failed;
}

tls_connection::progress tls_connection::shake_hands() {
  ::ERR_clear_error();
  auto const result = ::SSL_do_handshake(ssl_.get());
  if (result != 1) return outcome(result);
  if (::SSL_session_reused(ssl_.get()) == 1) return progress::done;
  trouble_ = trouble::wrong_server;  // not by the key that is known beforehand
  return progress::failed;
}

tls_connection::progress tls_connection::write(std::span<std::byte const>& bytes) {
  while (!bytes.empty()) {
    ::ERR_clear_error();
    std::size_t count = 0;
    auto const result = ::SSL_write_ex(ssl_.get(), bytes.data(), bytes.size(), &count);
    if (result != 1) return outcome(result);
    bytes = bytes.subspan(count);
  }
  return progress::done;
}

tls_connection::progress tls_connection::read(std::span<std::byte>& room) {
  while (!room.empty()) {
    ::ERR_clear_error();
    std::size_t count = 0;
    auto const result = ::SSL_read_ex(ssl_.get(), room.data(), room.size(), &count);
    if (result != 1) return outcome(result);
    room = room.subspan(count);
  }
  return progress::done;
}

// --- over memory

std::size_t tls_connection::open(std::span<std::byte const>& bytes, std::span<std::byte> room) {
  socket_ = -1;
  // OpenSSL takes no more than it needs: without new bytes there is what is left of a record, or nothing.
  if (bytes.empty() && ::SSL_pending(ssl_.get()) == 0) return 0;
  ::ERR_clear_error();
  sealed_in_ = bytes;
  std::size_t count = 0;
  auto const result = ::SSL_read_ex(ssl_.get(), room.data(), room.size(), &count);
  bytes = std::exchange(sealed_in_, {});
  if (result == 1) return count;
  auto const error = ::SSL_get_error(ssl_.get(), result);
  if (error == SSL_ERROR_ZERO_RETURN) bytes = {};  // the other end is done; its connection ends, too
  if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_ZERO_RETURN)
    fault_ = "what came over TLS is damaged, or asks for what is not done here (" + last_error() + ")";
  return 0;
}

bool tls_connection::seal(std::span<std::byte const> plain, byte_buffer& to) {
  socket_ = -1;
  to.reserve(to.size() + plain.size() + (2 + plain.size() / record_size) * record_overhead);
  sealed_out_ = &to;
  records_ += 1 + plain.size() / record_size;
  if (records_ > records_per_key) {
    records_ = 0;
    ::SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_NOT_REQUESTED);
  }
  while (!plain.empty()) {
    ::ERR_clear_error();
    std::size_t count = 0;
    if (::SSL_write_ex(ssl_.get(), plain.data(), plain.size(), &count) != 1) {
      fault_ = "TLS seals nothing any more (" + last_error() + ")";
      break;
    }
    plain = plain.subspan(count);
  }
  sealed_out_ = nullptr;
  return fault_.empty();
}

}  // namespace yonder::transport
