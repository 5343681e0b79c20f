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

// Of all that comes before the greeting of the other end has been heard. Ours say less than 1 KiB.
constexpr std::size_t most_early_bytes = 4096;

// Records without data that are taken; one more for each so many with data. Ours send one after 2^17.
constexpr int most_without_data = 32;
constexpr std::uint32_t data_for_one_without = 4096;

constexpr std::array<unsigned char, 2> suite{0x13, 0x01};  // TLS_AES_128_GCM_SHA256, as of the list below

// Takes all errors from OpenSSL's queue, which the program that we are part of reads, too.
std::string last_error() {
  std::array<char, 256> text{};
  ::ERR_error_string_n(::ERR_peek_last_error(), text.data(), text.size());
  ::ERR_clear_error();
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

// What a stranger may put into his first message beside what ours have there would take the hub's time (an
// identity is two multiplications) or its memory, and a second message would follow.
int look_at_hello(SSL* ssl, int* alert, void*) {
  constexpr std::size_t one_key = 2 + 2 + 2 + 32;
  constexpr std::size_t one_identity = 2 + 2 + tls_identity::size + 4 + 2 + 1 + 32;
  constexpr std::array<unsigned char, 2> group{0x00, 0x1d};  // X25519
  auto const said = [&](unsigned type) {
    unsigned char const* bytes = nullptr;
    std::size_t size = 0;
    bool const is_there = ::SSL_client_hello_get0_ext(ssl, type, &bytes, &size) == 1;
    return is_there ? std::span(bytes, size) : std::span<unsigned char const>();
  };
  auto const keys = said(TLSEXT_TYPE_key_share);
  bool const is_ours = keys.size() == one_key && std::equal(group.begin(), group.end(), keys.begin() + 2) &&
                       said(TLSEXT_TYPE_psk).size() == one_identity &&
                       said(TLSEXT_TYPE_max_fragment_length).empty();
  *alert = SSL_AD_HANDSHAKE_FAILURE;
  return is_ours ? SSL_CLIENT_HELLO_SUCCESS : SSL_CLIENT_HELLO_ERROR;
}

}  // namespace

// --- what OpenSSL reads and writes: the socket, or the spans of open() and seal()

struct tls_connection::io {
  static tls_connection& of(BIO* bio) { return *static_cast<tls_connection*>(BIO_get_data(bio)); }

  static int read(BIO* bio, char* to, std::size_t size, std::size_t* count) {
    BIO_clear_retry_flags(bio);
    auto& mine = of(bio);
    *count = 0;
    if (mine.without_data_ > most_without_data) return 0;
    if (mine.socket_ < 0) {
      *count = std::min(size, mine.sealed_in_.size());
      if (*count == 0) BIO_set_retry_read(bio);
      if (*count == 0) return 0;
      std::memcpy(to, mine.sealed_in_.data(), *count);
      mine.sealed_in_ = mine.sealed_in_.subspan(*count);
      return 1;
    }
    auto const most = std::min(size, most_early_bytes - mine.early_);
    if (most == 0) return 0;
    auto const got = platform::retry([&] { return ::recv(mine.socket_, to, most, MSG_DONTWAIT); });
    if (got < 0 && errno == EAGAIN) BIO_set_retry_read(bio);
    if (got <= 0) return 0;
    *count = static_cast<std::size_t>(got);
    return mine.admit_early({reinterpret_cast<unsigned char const*>(to), *count}) ? 1 : 0;
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

  static void look(int is_written, int, int type, void const* bytes, std::size_t, SSL* ssl, void*) {
    if (is_written == 0 && type == SSL3_RT_INNER_CONTENT_TYPE)
      transport::of(ssl)->count_record(*static_cast<unsigned char const*>(bytes));
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
  ::SSL_CTX_set_client_hello_cb(context, &look_at_hello, nullptr);
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

tls_connection::tls_connection(tls_settings const& settings, int socket, tls_server_key const& own)
    : socket_(socket), own_(&own) {
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
  ::SSL_set_msg_callback(ssl_.get(), &io::look);
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

// Any key that proves itself comes through the handshake: who is not let in is told so behind it, where the
// answer is proved to be the hub's. Who means another hub is given a key that it cannot have.
int tls_connection::find_key(unsigned char const* identity, std::size_t identity_size,
                             ssl_session_st** key) try {
  *key = nullptr;
  tls_secret secret;
  if (!tls_identity::read({identity, identity_size}, named_)) return 1;
  if (named_.server != own_->own()) {
    secret_key none;
    draw_secret(none);
    secret.bytes = none.bytes;
    return as_session(secret, key) ? 1 : 0;
  }
  if (!secret.agree_as_server(named_, *own_)) return 0;
  return as_session(secret, key) ? 1 : 0;
} catch (std::exception const&) {
  return 0;
}

bool tls_connection::has_shown_key() const noexcept { return ::SSL_session_reused(ssl_.get()) == 1; }

// --- what the other end may say

// False: it says too much. OpenSSL makes room for as much as the first message is said to have (RFC 8446, 5.1
// and 4), which its first record begins.
bool tls_connection::admit_early(std::span<unsigned char const> bytes) noexcept {
  auto const before = std::exchange(early_, early_ + bytes.size());
  if (before >= first_.size()) return true;
  std::copy_n(bytes.begin(), std::min(bytes.size(), first_.size() - before), first_.begin() + before);
  constexpr unsigned char handshake = 22;
  if (early_ < first_.size() || own_ == nullptr || first_[0] != handshake) return true;
  auto const number = [this](std::size_t at, std::size_t count) {
    std::size_t value = 0;
    for (std::size_t i = at; i < at + count; ++i) value = value << 8U | first_[i];
    return value;
  };
  auto const record = number(3, 2), message = number(6, 3);
  return record >= 4 && record <= most_early_bytes && message <= most_early_bytes;
}

void tls_connection::count_record(int kind) noexcept {
  if (kind != SSL3_RT_APPLICATION_DATA)
    ++without_data_;
  else if (++with_data_ % data_for_one_without == 0)
    without_data_ = std::max(without_data_ - 1, 0);
}

// --- over the socket

tls_connection::progress tls_connection::outcome(int result) {
  auto const error = ::SSL_get_error(ssl_.get(), result);
  if (error == SSL_ERROR_WANT_READ) return progress::wants_read;
  if (error == SSL_ERROR_WANT_WRITE) return progress::wants_write;
  trouble_ = trouble_of(::ERR_peek_error());
  ::ERR_clear_error();  // the program that we are part of has the same queue
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
  if (without_data_ > most_without_data)
    fault_ = "what comes over TLS is records without data, over and over";
  else if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_ZERO_RETURN)
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
    if (::SSL_key_update(ssl_.get(), SSL_KEY_UPDATE_NOT_REQUESTED) != 1)
      fault_ = "TLS takes no other key (" + last_error() + ")";
  }
  while (!plain.empty() && fault_.empty()) {
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
