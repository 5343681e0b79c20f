// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "yonder/detail/export.hpp"

#include <array>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

// CURVE keys (RFC 26 of ZeroMQ): Z85 text, one a file.
namespace yonder::transport {

using raw_key = std::array<std::uint8_t, 32>;
inline constexpr std::size_t key_text_size = 40;

// The files of a folder of keys.
struct YONDER_API key_files {
  explicit key_files(std::filesystem::path const& folder);

  std::filesystem::path server_secret;  // server.key: stays on the hub's machine
  std::filesystem::path server_public;  // server.pub: for everybody who connects
  std::filesystem::path client_secret;  // client.key: for those who connect
  std::filesystem::path client_public;  // client.pub
  std::filesystem::path worker_secret;  // worker.key: for those who work, where they do not have client.key
  std::filesystem::path worker_public;
  std::filesystem::path operator_secret;  // operator.key: for operators who do not have server.key
  std::filesystem::path operator_public;
  std::filesystem::path authorized;  // authorized_keys: whom the hub lets in
};

// Makes a pair of keys for a hub and one for its clients, and the list that lets these in. Creates the folder
// (0700) if need be, and never replaces a file. Throws setup_error.
YONDER_API void keygen(std::filesystem::path const& folder);

// A secret that leaves no trace in freed memory.
class YONDER_API secret_key {
 public:
  secret_key() = default;
  secret_key(secret_key const&) = delete;
  secret_key& operator=(secret_key const&) = delete;
  ~secret_key();

  raw_key bytes{};
};

// Refuses, by setup_error, a file that others can read, or that belongs to somebody else.
YONDER_API void read_secret_key(std::filesystem::path const& file, secret_key& key);

// Refuses, by setup_error, a file that others could have written.
YONDER_API raw_key read_public_key(std::filesystem::path const& file);

YONDER_API raw_key public_key_of(secret_key const& key);

// A pair's secret half; public_key_of() gives the other. Throws setup_error: libzmq has no CURVE.
YONDER_API void draw_secret(secret_key& key);
// A file of its own (0600), which must not be there.
YONDER_API void write_secret_key(std::filesystem::path const& file, secret_key const& key);

// From its Z85; throws setup_error, which does not quote it. `what`: whose key it is.
YONDER_API void decode_key(std::string_view what, std::string_view text, raw_key& key);

// A fresh pair, as Z85.
struct drawn_key {
  std::string own_public;
  std::string secret;
};
YONDER_API drawn_key draw_key();

// Z85. Of public keys only: the text lingers in memory.
YONDER_API std::string text_of(raw_key const& key);
// False: it is no key.
YONDER_API bool read_key_text(std::string_view text, raw_key& key);

}  // namespace yonder::transport
