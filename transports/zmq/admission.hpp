// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "transports/remote.hpp"
#include "transports/zmq/authorized_keys.hpp"
#include "transports/zmq/enrolment.hpp"
#include "transports/zmq/keys.hpp"
#include "yonder/detail/export.hpp"

namespace yonder::transport {

// Whom a hub lets in, and as what: the keys of its list, the one of its own, and those that were issued for
// one start. Who they are is text (event::identity). That they have the key is proved by the transport.
class YONDER_API admission {
 public:
  // Without a list nobody comes in by a key. With one, whoever has the secret key of `own` does, too.
  explicit admission(std::optional<allow_list> allowed, std::optional<raw_key> own = std::nullopt);

  static std::string identity_of(raw_key const& key) { return std::string(key_prefix) + text_of(key); }
  // Of a process of this user, whom the kernel names; 0: it is of another namespace, and nobody in
  // particular.
  static std::string identity_of_process(std::int64_t process);

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
  bool has_list() const noexcept { return allowed_.has_value(); }
  // What whoever runs the hub should know of the list: sentences.
  std::vector<std::string> warnings() const;

  // Beside those of the list, as a worker's of this start.
  void admit(raw_key const& key, std::uint64_t start) { issued_.insert_or_assign(key, start); }
  void withdraw(raw_key const& key) { issued_.erase(key); }

 private:
  static constexpr std::string_view key_prefix = "key ";

  key_entry const* listed(std::string_view identity);

  std::optional<allow_list> allowed_;
  std::optional<raw_key> own_;
  std::map<raw_key, std::uint64_t> issued_;
  std::map<raw_key, int> wrong_tries_;  // of tokens, to use them for another role
};

}  // namespace yonder::transport
