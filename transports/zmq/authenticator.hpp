// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <zmq.hpp>

#include "transports/zmq/keys.hpp"

namespace yonder::transport {

// Decides with whom the sockets of one context may talk, by ZAP (RFC 27 of ZeroMQ), during the handshake of
// every connection: over tcp with those whose CURVE key is in the allow-list, over ipc with processes of this
// user, whichever end connects. It tells libzmq who they are, as the User-Id of what they send. Answers when
// it is pumped.
class authenticator {
 public:
  // The domain that sockets must name for their peers to be asked about at all.
  static constexpr char const* domain = "yonder";

  // Without an allow-list nobody comes in over tcp. With one, whoever has the secret key of `own` does, too.
  authenticator(zmq::context_t& context, std::optional<allow_list> allowed,
                std::optional<raw_key> own = std::nullopt);

  static std::string identity_of(raw_key const& key) { return "key " + text_of(key); }
  // Who is no key is this user.
  bool is_operator(std::string_view identity) const {
    return !identity.starts_with("key ") || (own_ && identity == identity_of(*own_));
  }

  int descriptor();
  void serve();  // answers what has been asked

  std::uint64_t refused() const noexcept { return refused_; }

 private:
  struct question;
  std::optional<std::string> identify(question const& asked);
  void answer(question const& asked);

  zmq::socket_t socket_;
  std::optional<allow_list> allowed_;
  std::optional<raw_key> own_;
  std::uint64_t refused_ = 0;
};

}  // namespace yonder::transport
