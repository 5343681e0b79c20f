// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

// Whom a hub lets in. Everything is done to the files in the hub's folder of keys, which it looks at while it
// runs.
namespace yonder::cli {

// `stated`, or else $YONDER_KEYS, or $XDG_CONFIG_HOME/yonder, or ~/.config/yonder.
std::string keys_folder(std::string const& stated);

struct key_order {
  std::string keys{};  // the hub's folder; empty: as keys_folder()
  std::string name{};
  std::string role = "worker";
  std::optional<std::chrono::nanoseconds> expires{};  // of the key
  std::optional<std::chrono::nanoseconds> within{};   // of the token
  std::optional<unsigned> max_jobs{}, max_gpus{};     // of a client's key
  std::string into{};                                 // a folder for a pair of keys, instead of a token
  std::string key{};                                  // a public key that is there, instead of a token
  std::string
      hub{};  // that the token is for; empty: $YONDER_HUB, or where the hub of `keys` has listened last
  bool json = false;
};

// They return exit codes, and throw transport::setup_error.
int issue_key(key_order const& order);
int list_keys(key_order const& order);
int revoke_key(key_order const& order);

// What is pasted on another machine: a token for a key of this role and name.
std::string invitation(std::string const& keys, std::string const& hub, std::string const& role,
                       std::string const& name, std::chrono::seconds within, std::chrono::seconds lifetime);

// Says to whoever issues keys of this folder where its hub listens. As far as it may be written to.
void leave_addresses(std::string const& keys, std::vector<std::string> const& addresses) noexcept;

// "worker-1", or the first number that no key has.
std::string free_key_name(std::string const& keys, std::string const& role);

// Where others reach what listens at "tcp://*:5555".
std::string seen_from_elsewhere(std::string const& address);

}  // namespace yonder::cli
