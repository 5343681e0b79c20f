// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <zmq.hpp>

#include "transports/zmq/admission.hpp"
#include "transports/zmq/authorized_keys.hpp"
#include "transports/zmq/keys.hpp"

namespace yonder::transport {

// Decides with whom the sockets of one context may talk, by ZAP (RFC 27 of ZeroMQ), during the handshake of
// every connection: over tcp with those whose CURVE key is in the allow-list, over ipc with processes of this
// user, whichever end connects. It tells libzmq who they are, as the User-Id of what they send. Answers when
// it is pumped. How many it has refused changes nothing: a CURVE key is not guessed.
class authenticator : public admission {
 public:
  // The domain that sockets must name for their peers to be asked about at all.
  static constexpr char const* domain = "yonder";

  authenticator(zmq::context_t& context, std::optional<allow_list> allowed,
                std::optional<raw_key> own = std::nullopt);

  int descriptor();
  void serve();  // answers what has been asked

  std::uint64_t refused() const noexcept { return refused_; }

 private:
  struct question;
  std::optional<std::string> identify(question const& asked);
  void answer(question const& asked);

  zmq::socket_t socket_;
  std::uint64_t refused_ = 0;
};

}  // namespace yonder::transport
