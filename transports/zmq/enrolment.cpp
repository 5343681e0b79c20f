// SPDX-License-Identifier: Apache-2.0
#include "transports/zmq/enrolment.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <vector>

#include "transports/setup_error.hpp"
#include "transports/zmq/key_file.hpp"
#include "transports/zmq/private_folder.hpp"

namespace yonder::transport {
namespace {

constexpr std::string_view alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";  // RFC 4648
constexpr char token_mark = 'E', key_mark = 'K';
constexpr std::size_t packed_size = 64, text_size = 1 + (packed_size * 8 + 5) / 6;
constexpr std::string_view magic = "YKE1";
constexpr std::chrono::milliseconds lock_patience{2'000};

std::string pack(char mark, raw_key const& server, raw_key const& secret) {
  std::array<std::uint8_t, packed_size> bytes{};
  std::copy(server.begin(), server.end(), bytes.begin());
  std::copy(secret.begin(), secret.end(), bytes.begin() + server.size());
  std::string text(1, mark);
  std::uint32_t bits = 0;
  int count = 0;
  for (auto const byte : bytes) {
    bits = bits << 8U | byte;
    for (count += 8; count >= 6; count -= 6) text += alphabet[bits >> static_cast<unsigned>(count - 6) & 63U];
  }
  text += alphabet[bits << static_cast<unsigned>(6 - count) & 63U];
  ::explicit_bzero(bytes.data(), bytes.size());
  return text;
}

bool unpack(std::string_view text, handed_over& read) {
  if (text.size() != text_size || (text.front() != token_mark && text.front() != key_mark)) return false;
  read.enrols = text.front() == token_mark;
  std::uint32_t bits = 0;
  int count = 0;
  std::size_t at = 0;
  for (auto const letter : text.substr(1)) {
    auto const value = alphabet.find(letter);
    if (value == alphabet.npos) return false;
    bits = bits << 6U | static_cast<std::uint32_t>(value);
    if ((count += 6) < 8) continue;
    count -= 8;
    auto const byte = static_cast<std::uint8_t>(bits >> static_cast<unsigned>(count));
    (at < read.server.size() ? read.server[at] : read.secret.bytes[at - read.server.size()]) = byte;
    ++at;
  }
  return (bits & ((1U << static_cast<unsigned>(count)) - 1U)) == 0;  // as it was written
}

unix_seconds unix_now() { return std::time(nullptr); }

unix_seconds after(std::chrono::seconds time) {
  return time.count() >= no_expiry - unix_now() ? no_expiry : unix_now() + time.count();
}

std::vector<key_entry> entries_of(std::filesystem::path const& file, std::string const& line) {
  return parse_keys(file, line);
}

// The lines that hold a key for which `goes` holds are taken out; how many.
template <class Goes>
std::size_t take_out(std::filesystem::path const& file, std::vector<std::string>& lines, Goes goes) {
  return std::erase_if(lines, [&](std::string const& line) {
    auto const found = entries_of(file, line);
    return !found.empty() && goes(found.front());
  });
}

[[noreturn]] void refuse_taken(std::filesystem::path const& file, std::string const& name) {
  throw setup_error(errc::bad_configuration, file.string() + ": has a key '" + name +
                                                 "' already; revoke that, or choose another name");
}

void require_name(std::string const& name) {
  if (!is_key_name(name))
    throw setup_error(
        errc::bad_configuration,
        "'" + name + "' is no name for a key: letters, digits, '.', '_', '-' and '@', at most 64");
}

// Before anything is written that nobody lists.
void require_free_name(std::filesystem::path const& file, std::string const& name) {
  require_name(name);
  for (auto const& one : parse_keys(file, read_trusted_text(file).text))
    if (one.name == name && one.expires > unix_now()) refuse_taken(file, name);
}

// What is over goes, so that keys of launchers do not add up.
void add_line(std::filesystem::path const& folder, key_entry const& entry) {
  auto const file = key_files(folder).authorized;
  require_name(entry.name);
  edit_keys(
      file,
      [&](std::vector<std::string>& lines) {
        take_out(file, lines, [](auto const& one) { return one.expires <= unix_now(); });
        for (auto const& line : lines)
          for (auto const& one : entries_of(file, line))
            if (one.name == entry.name || one.key == entry.key) refuse_taken(file, one.name);
        lines.push_back(line_of(entry));
      },
      lock_patience);
}

key_entry entry_of(key_terms const& terms, raw_key const& key) {
  return {.key = key,
          .rights = terms.rights,
          .has_role = true,
          .name = terms.name,
          .expires = after(terms.lifetime)};
}

std::string add_drawn(std::filesystem::path const& folder, char mark, key_entry entry) {
  auto const server = read_public_key(key_files(folder).server_public);
  secret_key secret;
  draw_secret(secret);
  entry.key = public_key_of(secret);
  add_line(folder, entry);
  return pack(mark, server, secret.bytes);
}

bool fits(connect_role role, peer_rights const& rights) {
  switch (role) {
    case connect_role::worker: return rights.works;
    case connect_role::boss: return rights.operates;
    default: return rights.calls;
  }
}

bool includes(peer_rights const& all, peer_rights const& some) {
  return std::all_of(std::begin(key_roles), std::end(key_roles),
                     [&](auto const& role) { return all.*(role.right) || !(some.*(role.right)); });
}

}  // namespace

std::string take_fragment(std::string& written) {
  auto const mark =
      written.starts_with("tcp://") || written.starts_with("tls://") ? written.find('#') : written.npos;
  if (mark == written.npos) return {};
  auto fragment = written.substr(mark + 1);
  written.resize(mark);
  return fragment;
}

void read_handed_over(std::string_view fragment, handed_over& read) {
  bool const is_file = fragment.starts_with('@');
  std::string text(fragment);
  if (is_file) text = read_secret_text(text.substr(1));
  auto const end = text.find_last_not_of(" \t\r\n");
  bool const good = unpack(std::string_view(text).substr(0, end + 1), read);
  ::explicit_bzero(text.data(), text.size());
  if (!good)
    throw setup_error(
        errc::bad_configuration,
        is_file ? std::string(fragment.substr(1)) +
                      ": holds no token and no key as `yonder keys issue` gives them"
                : "what follows '#' in the address is no token; take it as `yonder keys issue` printed it");
  if (!is_file && !read.enrols)
    throw setup_error(
        errc::bad_configuration,
        "a key in an address is seen by whoever lists processes; put it into a file of mode 0600 "
        "and write #@FILE");
}

std::string issue_token(std::filesystem::path const& folder, key_terms const& terms,
                        std::chrono::seconds within) {
  auto entry = entry_of(terms, {});
  entry.enrols = true;
  entry.until = std::exchange(entry.expires, after(within));
  return add_drawn(folder, token_mark, std::move(entry));
}

std::string issue_worker_key(std::filesystem::path const& folder, std::string const& name,
                             std::chrono::seconds lifetime) {
  return add_drawn(
      folder, key_mark,
      entry_of({.name = name, .rights = {.calls = false, .works = true}, .lifetime = lifetime}, {}));
}

void issue_files(std::filesystem::path const& folder, key_terms const& terms,
                 std::filesystem::path const& into) {
  auto const server = read_public_key(key_files(folder).server_public);
  make_private_folder(into);
  key_files const files(into);
  auto const& [secret_file, public_file] =
      terms.rights.operates ? std::pair(files.operator_secret, files.operator_public)
      : terms.rights.calls  ? std::pair(files.client_secret, files.client_public)
                            : std::pair(files.worker_secret, files.worker_public);
  require_free_name(key_files(folder).authorized, terms.name);
  auto const has_server = std::filesystem::exists(files.server_public);
  if (has_server && read_public_key(files.server_public) != server)
    refuse_file(files.server_public, "is another hub's key: a folder is for one hub; name another one");
  secret_key secret;
  draw_secret(secret);
  std::vector<std::filesystem::path> made;  // which must not stay if the rest fails
  try {
    write_secret_key(secret_file, secret);
    made.push_back(secret_file);
    write_new_file(public_file, 0644, text_of(public_key_of(secret)) + "\n");
    made.push_back(public_file);
    if (!has_server) {
      write_new_file(files.server_public, 0644, text_of(server) + "\n");
      made.push_back(files.server_public);
    }
    add_line(folder, entry_of(terms, public_key_of(secret)));
  } catch (...) {
    for (auto const& file : made) ::unlink(file.c_str());
    throw;
  }
}

void issue_listed(std::filesystem::path const& folder, key_terms const& terms, raw_key const& key) {
  add_line(folder, entry_of(terms, key));
}

std::size_t revoke_keys(std::filesystem::path const& folder, std::string_view name_or_key) {
  auto const file = key_files(folder).authorized;
  std::size_t count = 0;
  edit_keys(
      file,
      [&](std::vector<std::string>& lines) {
        count = take_out(file, lines, [&](auto const& one) {
          return one.name == name_or_key || text_of(one.key) == name_or_key;
        });
      },
      lock_patience);
  return count;
}

std::vector<key_entry> list_keys(std::filesystem::path const& folder) {
  auto const file = key_files(folder).authorized;
  return parse_keys(file, read_trusted_text(file).text);
}

enrolment enrol_key(std::filesystem::path const& list, raw_key const& token, raw_key const& key,
                    connect_role role, unix_seconds now) {
  struct unchanged {};
  auto outcome = enrolment::refused;
  try {
    edit_keys(list, [&](std::vector<std::string>& lines) {
      std::optional<key_entry> made, before;
      for (auto const& line : lines)
        for (auto& one : entries_of(list, line)) {
          if (one.key == token && one.enrols && now < one.expires) made = one;
          if (one.key == key) before = std::move(one);  // the last one counts
        }
      if (!made) throw unchanged{};
      outcome = enrolment::wrong_role;
      if (!fits(role, made->rights)) throw unchanged{};
      bool const is_listed = before && now < before->expires;
      outcome = enrolment::listed;
      if (is_listed && (before->enrols || !includes(before->rights, made->rights))) throw unchanged{};
      take_out(list, lines,
               [&](auto const& one) { return one.key == token || (one.key == key && !is_listed); });
      made->key = key;
      made->enrols = false;
      made->expires = std::exchange(made->until, no_expiry);
      if (!is_listed) lines.push_back(line_of(*made));
      outcome = enrolment::done;
    });
  } catch (unchanged const&) {
  } catch (setup_error const&) {
    return enrolment::busy;  // it says nothing of the token
  }
  return outcome;
}

std::string enrolment_request(connect_role role, raw_key const& key) {
  auto request = std::string(magic) + static_cast<char>(role);
  for (auto const byte : key) request += static_cast<char>(byte);
  return request;
}

bool read_enrolment_request(std::span<std::byte const> bytes, connect_role& role, raw_key& key) {
  if (bytes.size() != enrolment_request_size || std::memcmp(bytes.data(), magic.data(), magic.size()) != 0)
    return false;
  auto const stated = static_cast<std::uint8_t>(bytes[magic.size()]);
  if (stated > static_cast<std::uint8_t>(connect_role::boss)) return false;
  role = static_cast<connect_role>(stated);
  std::memcpy(key.data(), bytes.data() + magic.size() + 1, key.size());
  return true;
}

std::string enrolment_answer(enrolment what) { return std::string(magic) + static_cast<char>(what); }

std::optional<enrolment> read_enrolment_answer(std::string_view bytes) {
  if (bytes.size() != magic.size() + 1 || !bytes.starts_with(magic)) return std::nullopt;
  auto const stated = static_cast<std::uint8_t>(bytes.back());
  if (stated > static_cast<std::uint8_t>(enrolment::listed)) return std::nullopt;
  return static_cast<enrolment>(stated);
}

}  // namespace yonder::transport
