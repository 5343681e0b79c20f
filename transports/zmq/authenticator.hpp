// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>
#include <zmq.hpp>

#include "transports/zmq/authorized_keys.hpp"
#include "transports/zmq/enrolment.hpp"
#include "transports/zmq/keys.hpp"

namespace yonder::transport {

// Decides with whom the sockets of one context may talk, by ZAP (RFC 27 of ZeroMQ), during the handshake of
// every connection: over tcp with those whose CURVE key is in the allow-list, over ipc with processes of this
// user, whichever end connects. It tells libzmq who they are, as the User-Id of what they send. Answers when
// it is pumped. How many it has refused changes nothing: a CURVE key is not guessed.
class authenticator {
 public:
  // The domain that sockets must name for their peers to be asked about at all.
  static constexpr char const* domain = "yonder";

  // Without an allow-list nobody comes in over tcp. With one, whoever has the secret key of `own` does, too.
  authenticator(zmq::context_t& context, std::optional<allow_list> allowed,
                std::optional<raw_key> own = std::nullopt);

  static std::string identity_of(raw_key const& key) { return std::string(key_prefix) + text_of(key); }

  // Nothing: it may not come in any more. Who is no key is this user, who may do all.
  std::optional<peer_rights> rights_of(std::string_view identity);

  // Whether the identity is a token's, and what it may do is nothing but enrol().
  bool is_token(std::string_view identity);
  // Puts a newcomer's key in the place of its token.
  enrolment enrol(std::string_view identity, raw_key const& key, connect_role role);

  struct change {
    std::string identity{};
    std::string reason{};  // as allow_list::change has it
  };
  // Since it was asked last.
  std::vector<change> changes();
  std::size_t keys_without_role() const noexcept { return allowed_ ? allowed_->without_role() : 0; }

  // Beside those of the allow-list, as a worker's of this start.
  void admit(raw_key const& key, std::uint64_t start) { issued_.insert_or_assign(key, start); }
  void withdraw(raw_key const& key) { issued_.erase(key); }

  int descriptor();
  void serve();  // answers what has been asked

  std::uint64_t refused() const noexcept { return refused_; }

 private:
  static constexpr std::string_view key_prefix = "key ";

  struct question;
  std::optional<std::string> identify(question const& asked);
  key_entry const* listed(std::string_view identity);
  void answer(question const& asked);

  zmq::socket_t socket_;
  std::optional<allow_list> allowed_;
  std::optional<raw_key> own_;
  std::map<raw_key, std::uint64_t> issued_;
  std::map<raw_key, int> wrong_tries_;  // of tokens, to use them for another role
  std::uint64_t refused_ = 0;
};

}  // namespace yonder::transport
