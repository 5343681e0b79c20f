// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "transports/local/stream_cipher.hpp"
#include "transports/sockets/tls_identity.hpp"
#include "transports/zmq/connect_keys.hpp"

struct ssl_st;
struct ssl_ctx_st;
struct ssl_session_st;

namespace yonder::transport {

// What the TLS connections of one endpoint have in common: version 1.3 alone, keys that are known beforehand
// and no certificates, no session that is resumed, and no early data.
class tls_settings {
 public:
  tls_settings();  // throws setup_error: this OpenSSL cannot do so
  ssl_ctx_st* get() const noexcept { return context_.get(); }

 private:
  struct free_context {
    void operator()(ssl_ctx_st* context) const noexcept;
  };
  std::unique_ptr<ssl_ctx_st, free_context> context_;
};

// One connection over TLS. It begins over a socket, which it reads and writes itself: no more than what
// belongs to the handshake and to what is read then, and 4 KiB in all. From the first open() or seal() on it
// has no socket any more. Both ends have proved who they are once the handshake is done.
//
// Of a client's first message only what ours say is gone into: one identity, and one key of X25519. Whoever
// goes on to send records without data, such as updates of its key, is ended.
class tls_connection final : public stream_cipher {
 public:
  // Of the end that connects. `keys` outlives the handshake, as `own` below does.
  tls_connection(tls_settings const& settings, int socket, connect_keys const& keys);
  // Of the other end, to which any key may come: whether it is let in is for whoever asks client().
  tls_connection(tls_settings const& settings, int socket, tls_server_key const& own);
  ~tls_connection() override;
  tls_connection(tls_connection const&) = delete;
  tls_connection& operator=(tls_connection const&) = delete;

  enum class progress : std::uint8_t { done, wants_read, wants_write, failed };
  progress shake_hands();
  // Until all of it is written, or filled; with what is left of it.
  progress write(std::span<std::byte const>& bytes);
  progress read(std::span<std::byte>& room);

  // Of the handshake that has failed.
  enum class trouble : std::uint8_t { broken, wrong_server, not_tls };
  trouble what_failed() const noexcept { return trouble_; }
  // Of a server: whether the first message of client() was made with its key. It may be one that somebody has
  // recorded, until the handshake is done.
  bool has_shown_key() const noexcept;
  raw_key const& client() const noexcept { return named_.client; }

  std::size_t open(std::span<std::byte const>& bytes, std::span<std::byte> room) override;
  bool seal(std::span<std::byte const> plain, byte_buffer& to) override;
  std::string const& fault() const noexcept override { return fault_; }

 private:
  struct io;
  void begin(tls_settings const& settings);
  progress outcome(int result);
  int use_key(ssl_session_st** key, unsigned char const** identity, std::size_t* identity_size);
  int find_key(unsigned char const* identity, std::size_t identity_size, ssl_session_st** key);
  bool as_session(tls_secret const& secret, ssl_session_st** key);
  bool admit_early(std::span<unsigned char const> bytes) noexcept;
  void count_record(int kind) noexcept;

  struct free_connection {
    void operator()(ssl_st* connection) const noexcept;
  };

  int socket_;                           // -1: of open() and seal() now
  connect_keys const* keys_ = nullptr;   // of one that connects
  tls_server_key const* own_ = nullptr;  // of the other one
  tls_identity named_;
  std::array<std::uint8_t, tls_identity::size> said_{};
  std::span<std::byte const> sealed_in_;
  byte_buffer* sealed_out_ = nullptr;
  std::uint64_t records_ = 0;  // that were sealed by the present key
  std::size_t early_ = 0;      // bytes that were read over the socket
  std::array<unsigned char, 9> first_{};
  std::uint32_t with_data_ = 0;  // records that were opened
  int without_data_ = 0;         // the same, less those that are made up for by many with data
  trouble trouble_ = trouble::broken;
  std::string fault_;
  std::unique_ptr<ssl_st, free_connection> ssl_;  // calls this one's members: ends first
};

}  // namespace yonder::transport
