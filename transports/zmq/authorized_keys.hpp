// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/stat.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <limits>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "transports/remote.hpp"
#include "transports/zmq/keys.hpp"
#include "yonder/detail/export.hpp"

// The file of whom a hub lets in: a key a line, and what its owner may do there.
//
//   KEY role=worker name=gpu-box expires=2026-12-01T10:00:00Z
//
// `role` is client, worker, operator, or several with commas between them. `expires` is UTC; without it the
// key stays good. `max_jobs` and `max_gpus` bound what a client's calls have at once (peer_rights). A line
// with `enrols` is a token: whoever proves to have that key may put one of its own in the line's place, once,
// with the role and the name that stand there, and `until` as its `expires`. A key with none of these words
// is one of before there were roles: a client's and a worker's, and what follows is a comment. So is a line
// that begins with '#' and holds no key.
namespace yonder::transport {

using unix_seconds = std::int64_t;  // since 1970, UTC
inline constexpr unix_seconds no_expiry = std::numeric_limits<unix_seconds>::max();

struct key_role {
  std::string_view name;
  bool peer_rights::*right;
};
inline constexpr key_role key_roles[] = {{"client", &peer_rights::calls},
                                         {"worker", &peer_rights::works},
                                         {"operator", &peer_rights::operates}};  // which may call, too

struct key_entry {
  raw_key key{};
  peer_rights rights{.calls = false, .works = false};
  bool has_role = false;
  std::string name{};
  unix_seconds expires = no_expiry;
  bool enrols = false;
  unix_seconds until = no_expiry;
};

// "2026-12-01T10:00:00Z"
YONDER_API std::string in_utc(unix_seconds time);

// "client", "client,worker", …; false: it is none.
YONDER_API bool read_roles(std::string_view text, peer_rights& rights);
YONDER_API std::string roles_in_words(peer_rights const& rights);

// Letters, digits, '.', '_', '-' and '@', at most 64.
YONDER_API bool is_key_name(std::string_view text) noexcept;

// The line of an entry that has a role.
YONDER_API std::string line_of(key_entry const& entry);

// The entries of a file's text; `file` is named where a line is wrong (setup_error).
YONDER_API std::vector<key_entry> parse_keys(std::filesystem::path const& file, std::string_view text);

// Replaces the file by what `edit` makes of its lines, as a whole, and on disk when it returns; nobody else
// edits it meanwhile. Throws setup_error: the file cannot be used, or another process is editing it
// for longer than `patience` (errc::overloaded).
YONDER_API void edit_keys(std::filesystem::path const& file,
                          std::function<void(std::vector<std::string>& lines)> const& edit,
                          std::chrono::milliseconds patience = {});

// Who may come in, as the file says; it is read again when it has changed.
class YONDER_API allow_list {
 public:
  // Throws setup_error if the file cannot be used.
  explicit allow_list(std::filesystem::path file);

  // Null: it is not listed, or its time is over. A file that has become unusable admits nobody.
  key_entry const* find(raw_key const& key, unix_seconds now);

  struct change {
    raw_key key{};
    std::string reason{};  // why it is not admitted any more; empty: it is, but what it may do has changed
  };
  // What has become of keys since it was asked last. A file is believed when it has stood unchanged from one
  // question to the next: half of one that is being written revokes nobody, nor does one that is unusable.
  std::vector<change> changes(unix_seconds now);

  // How many keys have no role.
  std::size_t without_role() const noexcept;
  std::filesystem::path const& file() const noexcept { return file_; }

 private:
  void reload_if_changed();

  std::filesystem::path file_;
  struct ::stat seen_ {};
  std::map<raw_key, key_entry> entries_;
  struct ::stat asked_ {};                // when changes() was asked last
  std::map<raw_key, key_entry> settled_;  // who may be connected, as changes() has told of them
  unix_seconds next_expiry_ = no_expiry;  // of those
  bool told_ = false;                     // of the file as it stands
};

}  // namespace yonder::transport
