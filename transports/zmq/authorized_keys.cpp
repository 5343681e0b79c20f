// SPDX-License-Identifier: Apache-2.0
#include "transports/zmq/authorized_keys.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <ctime>
#include <optional>
#include <system_error>

#include "src/platform/system_call.hpp"
#include "src/platform/unique_fd.hpp"
#include "transports/setup_error.hpp"
#include "transports/zmq/key_file.hpp"
#include "transports/zmq/private_folder.hpp"

namespace yonder::transport {
namespace {

constexpr std::size_t max_name_size = 64;

std::vector<std::string_view> parts_of(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> parts;
  while (true) {
    auto const begin = text.find_first_not_of(separators);
    if (begin == text.npos) return parts;
    auto const end = std::min(text.find_first_of(separators, begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    text.remove_prefix(end);
  }
}

std::optional<unix_seconds> read_time(std::string_view text) {
  std::string const stated(text);
  std::tm parts{};
  if (std::sscanf(stated.c_str(), "%4d-%2d-%2dT%2d:%2d:%2d", &parts.tm_year, &parts.tm_mon, &parts.tm_mday,
                  &parts.tm_hour, &parts.tm_min, &parts.tm_sec) != 6)
    return std::nullopt;
  parts.tm_year -= 1900;
  --parts.tm_mon;
  auto const time = ::timegm(&parts);
  if (in_utc(time) != text) return std::nullopt;  // the 32nd, say
  return time;
}

// The words behind a key.
class line_reader {
 public:
  line_reader(std::filesystem::path const& file, std::size_t number) : file_(file), number_(number) {}

  [[noreturn]] void refuse(std::string const& why) const {
    refuse_file(file_, "line " + std::to_string(number_) + " " + why);
  }

  void read(std::vector<std::string_view> const& words, key_entry& entry) const {
    entry.has_role =
        std::any_of(words.begin(), words.end(), [](auto word) { return word.starts_with("role="); });
    if (!entry.has_role) {
      entry.rights = {};
      if (!words.empty() && is_key_name(words.front())) entry.name = words.front();
      return;
    }
    for (auto const word : words) take(word, entry);
  }

 private:
  void take(std::string_view word, key_entry& entry) const {
    if (word == "enrols")
      entry.enrols = true;
    else if (word.starts_with("role="))
      take_role(word.substr(5), entry);
    else if (word.starts_with("name="))
      take_name(word.substr(5), entry);
    else if (word.starts_with("expires="))
      entry.expires = time_of(word.substr(8));
    else if (word.starts_with("until="))
      entry.until = time_of(word.substr(6));
    else if (word.starts_with("max_jobs="))
      entry.rights.max_jobs = number_of(word.substr(9));
    else if (word.starts_with("max_gpus="))
      entry.rights.max_gpus = number_of(word.substr(9));
    else
      refuse("says '" + std::string(word) +
             "', which is none of role=, name=, expires=, until=, max_jobs=, max_gpus= and enrols");
  }
  void take_role(std::string_view text, key_entry& entry) const {
    peer_rights said;
    if (!read_roles(text, said))
      refuse("has the role '" + std::string(text) + "'; there are client, worker and operator");
    entry.rights.calls = said.calls;
    entry.rights.works = said.works;
    entry.rights.operates = said.operates;
  }
  void take_name(std::string_view text, key_entry& entry) const {
    if (!is_key_name(text)) refuse("has a name that is none: letters, digits, '.', '_', '-' and '@'");
    entry.name = text;
  }
  unix_seconds time_of(std::string_view text) const {
    auto const time = read_time(text);
    if (!time) refuse("says '" + std::string(text) + "', which is no time as 2026-12-01T10:00:00Z is");
    return *time;
  }
  std::uint32_t number_of(std::string_view text) const {
    std::uint32_t number = 0;
    auto const* const end = text.data() + text.size();
    auto const read = std::from_chars(text.data(), end, number);
    if (read.ec != std::errc() || read.ptr != end || number == 0)
      refuse("says '" + std::string(text) + "', which is no number from 1 on");
    return number;
  }

  std::filesystem::path const& file_;
  std::size_t number_;
};

bool same_version(struct ::stat const& a, struct ::stat const& b) {
  return a.st_ino == b.st_ino && a.st_dev == b.st_dev && a.st_size == b.st_size && a.st_mode == b.st_mode &&
         a.st_uid == b.st_uid && a.st_mtim.tv_sec == b.st_mtim.tv_sec &&
         a.st_mtim.tv_nsec == b.st_mtim.tv_nsec && a.st_ctim.tv_sec == b.st_ctim.tv_sec &&
         a.st_ctim.tv_nsec == b.st_ctim.tv_nsec;
}

// Whoever edits the file holds it.
platform::unique_fd lock_folder(std::filesystem::path const& file, std::chrono::milliseconds patience) {
  auto held = hold_folder(file.parent_path(), patience);
  if (!held) throw setup_error(errc::overloaded, file.string() + ": is being changed just now; try again");
  return held;
}

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    auto const end = std::min(text.find('\n'), text.size());
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

}  // namespace

std::string in_utc(unix_seconds time) {
  std::time_t const stated = time;
  std::tm parts{};
  std::array<char, 32> text{};
  if (::gmtime_r(&stated, &parts) == nullptr) return {};
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

bool read_roles(std::string_view text, peer_rights& rights) {
  rights = {.calls = false, .works = false, .operates = false};
  auto const stated = parts_of(text, ",");
  for (auto const one : stated) {
    auto const* const found = std::find_if(std::begin(key_roles), std::end(key_roles),
                                           [one](auto const& role) { return role.name == one; });
    if (found == std::end(key_roles)) return false;
    rights.*(found->right) = true;
  }
  rights.calls = rights.calls || rights.operates;
  return !stated.empty();
}

std::string roles_in_words(peer_rights const& rights) {
  std::string text;
  for (auto const& role : key_roles)
    if (rights.*(role.right) && !(rights.operates && role.right == &peer_rights::calls))
      text += (text.empty() ? "" : ",") + std::string(role.name);
  return text;
}

bool is_key_name(std::string_view text) noexcept {
  constexpr std::string_view allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-@";
  return !text.empty() && text.size() <= max_name_size && text.find_first_not_of(allowed) == text.npos;
}

std::string line_of(key_entry const& entry) {
  auto line = text_of(entry.key) + " role=" + roles_in_words(entry.rights);
  if (!entry.name.empty()) line += " name=" + entry.name;
  if (entry.rights.max_jobs != 0) line += " max_jobs=" + std::to_string(entry.rights.max_jobs);
  if (entry.rights.max_gpus != 0) line += " max_gpus=" + std::to_string(entry.rights.max_gpus);
  if (entry.enrols) line += " enrols";
  if (entry.expires != no_expiry) line += " expires=" + in_utc(entry.expires);
  if (entry.until != no_expiry) line += " until=" + in_utc(entry.until);
  return line;
}

std::vector<key_entry> parse_keys(std::filesystem::path const& file, std::string_view text) {
  std::vector<key_entry> entries;
  std::size_t number = 0;
  for (auto const& line : lines_of(text)) {
    ++number;
    auto words = parts_of(line, " \t\r");
    if (words.empty()) continue;
    line_reader const reader(file, number);
    key_entry entry;
    // '#' may begin a key, too: a line is a comment if its first word is no key.
    if (read_key_text(words.front(), entry.key)) {
      words.erase(words.begin());
      reader.read(words, entry);
      entries.push_back(std::move(entry));
    } else if (words.front().front() != '#') {
      reader.refuse("holds no public key (40 characters of Z85) and is no comment");
    }
  }
  return entries;
}

void edit_keys(std::filesystem::path const& file,
               std::function<void(std::vector<std::string>& lines)> const& edit,
               std::chrono::milliseconds patience) {
  auto const held = lock_folder(file, patience);
  auto lines = lines_of(read_trusted_text(file).text);
  edit(lines);
  std::string text;
  for (auto const& line : lines) text += line + "\n";
  parse_keys(file, text);
  auto const fresh = file.string() + ".new";
  ::unlink(fresh.c_str());  // of one who was interrupted
  write_new_file(fresh, 0600, text);
  if (::rename(fresh.c_str(), file.c_str()) != 0) refuse_file_errno(file, "cannot be replaced");
  if (platform::retry([&] { return ::fsync(held.get()); }) != 0) refuse_file_errno(file, "cannot be written");
}

allow_list::allow_list(std::filesystem::path file) : file_(std::move(file)) { reload_if_changed(); }

key_entry const* allow_list::find(raw_key const& key, unix_seconds now) {
  try {
    reload_if_changed();
  } catch (setup_error const&) {
    seen_ = {};
    entries_.clear();
  }
  auto const found = entries_.find(key);
  if (found == entries_.end() || now >= found->second.expires) return nullptr;
  auto const& entry = found->second;
  if (!entry.enrols && settled_.try_emplace(key, entry).second)
    next_expiry_ = std::min(next_expiry_, entry.expires);
  return &entry;
}

std::vector<allow_list::change> allow_list::changes(unix_seconds now) {
  std::vector<change> seen;
  try {
    reload_if_changed();
  } catch (setup_error const&) {
    seen_ = asked_ = {};
    return seen;
  }
  auto const stood = same_version(seen_, std::exchange(asked_, seen_));
  if (!stood || (told_ && now < next_expiry_)) return seen;
  auto current = entries_;
  std::erase_if(current, [now](auto const& one) { return one.second.enrols || one.second.expires <= now; });
  for (auto const& [key, before] : settled_) {
    auto const found = current.find(key);
    if (found == current.end())
      seen.push_back({key, now < before.expires ? "its key was revoked" : "its key has expired"});
    else if (found->second.rights != before.rights)
      seen.push_back({key, {}});
  }
  settled_ = std::move(current);
  next_expiry_ = no_expiry;
  for (auto const& [key, entry] : settled_) next_expiry_ = std::min(next_expiry_, entry.expires);
  told_ = true;
  return seen;
}

std::size_t allow_list::without_role() const noexcept {
  return static_cast<std::size_t>(
      std::count_if(entries_.begin(), entries_.end(), [](auto const& one) { return !one.second.has_role; }));
}

void allow_list::reload_if_changed() {
  struct ::stat now {};
  if (::stat(file_.c_str(), &now) == 0 && same_version(now, seen_)) return;
  auto const read = read_trusted_text(file_);
  std::map<raw_key, key_entry> entries;
  for (auto& entry : parse_keys(file_, read.text)) entries.insert_or_assign(entry.key, std::move(entry));
  entries_ = std::move(entries);
  seen_ = read.state;
  told_ = false;
}

}  // namespace yonder::transport
