// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "transports/remote.hpp"
#include "transports/zmq/address.hpp"
#include "transports/zmq/authorized_keys.hpp"
#include "transports/zmq/keys.hpp"
#include "yonder/detail/export.hpp"

// How keys come to other machines: behind an address, "tcp://host:port#TEXT", or in a file,
// "tcp://host:port#@FILE" (0600). The text holds the hub's public key, which nobody else can take the place
// of, and a secret key that its list has: a token's, with which a newcomer has a key of its own let in, once;
// or one that is used as it is. No secret is ever compared: CURVE's handshake proves them.
namespace yonder::transport {

struct handed_over {
  raw_key server{};
  secret_key secret;
  bool enrols = false;  // a token
};

// What stands behind an address ("" where nothing does), which is left without it.
YONDER_API std::string take_fragment(std::string& address);
// Of a text, or of the file that "@FILE" names. Throws setup_error, which does not quote it.
YONDER_API void read_handed_over(std::string_view fragment, handed_over& read);

struct key_terms {
  std::string name{};
  peer_rights rights{.calls = false, .works = false};
  std::chrono::seconds lifetime = std::chrono::seconds::max();  // of the key; max: it does not expire
};

// Lists a token in a hub's folder, for `within`; what comes back stands behind the hub's address. Throws
// setup_error: the folder has no keys, the name is none or taken.
YONDER_API std::string issue_token(std::filesystem::path const& folder, key_terms const& terms,
                                   std::chrono::seconds within);

// A worker's key for one start by a launcher, good for `lifetime` from now on, and no longer than
// revoke_keys() with its name. What comes back goes into a file of mode 0600 on the worker's machine, which
// starts `program --yonder-worker tcp://host:port#@FILE`. Throws as issue_token().
YONDER_API std::string issue_worker_key(std::filesystem::path const& folder, std::string const& name,
                                        std::chrono::seconds lifetime);

// Makes a key pair, and server.pub beside it, in `into`, for another machine. Or lists a public key.
YONDER_API void issue_files(std::filesystem::path const& folder, key_terms const& terms,
                            std::filesystem::path const& into);
YONDER_API void issue_listed(std::filesystem::path const& folder, key_terms const& terms, raw_key const& key);

// Takes keys and tokens of this name, or this key, from the list; how many. Who has one is cut off within two
// seconds.
YONDER_API std::size_t revoke_keys(std::filesystem::path const& folder, std::string_view name_or_key);

YONDER_API std::vector<key_entry> list_keys(std::filesystem::path const& folder);

// What the hub does with a token, and what comes of it. A key that is listed already keeps its line as it is:
// whoever names it has not proved to have it. Where that line allows all that the token would, it is done;
// where not, it is `listed`, and the token stays good.
enum class enrolment : std::uint8_t { done, refused, wrong_role, busy, listed };
enrolment enrol_key(std::filesystem::path const& list, raw_key const& token, raw_key const& key,
                    connect_role role, unix_seconds now);

// On the wire: the newcomer's, and the answer.
inline constexpr std::size_t enrolment_request_size = 4 + 1 + 32;
YONDER_API std::string enrolment_request(connect_role role, raw_key const& key);
YONDER_API bool read_enrolment_request(std::span<std::byte const> bytes, connect_role& role, raw_key& key);
YONDER_API std::string enrolment_answer(enrolment what);
YONDER_API std::optional<enrolment> read_enrolment_answer(std::string_view bytes);

// One connection by a token, to an address that stands for itself. What the hub says to `request`; nothing:
// it did not answer, nor was there a hub that has proved itself until `reached_until`, or, where there are
// other addresses to be tried (`is_last`: there are none), nobody at all.
struct enrolment_attempt {
  std::string address;
  std::chrono::steady_clock::time_point until, reached_until;
  bool is_last = true;
};
using ask_hub = std::function<std::optional<enrolment>(enrolment_attempt const& where,
                                                       handed_over const& token, std::string const& request)>;

// The newcomer: see remote_transport::admitted(). It asks each address of a name in turn, again and again, as
// its hub may not be up yet; none of them for all of `patience`. One that hears no answer keeps the pair of
// keys that it has made: the hub may have let it in, and the same line once more goes on with it.
YONDER_API connect_options enrolled(connect_options options, address_schemes const& schemes,
                                    ask_hub const& ask,
                                    std::chrono::milliseconds patience = std::chrono::seconds(10));
// Over ZeroMQ.
connect_options enrolled(connect_options options,
                         std::chrono::milliseconds patience = std::chrono::seconds(10));

}  // namespace yonder::transport
