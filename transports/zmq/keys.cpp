// SPDX-License-Identifier: Apache-2.0
#include "transports/zmq/keys.hpp"

#include "src/platform/system_call.hpp"
#include "src/platform/unique_fd.hpp"
#include "transports/setup_error.hpp"
#include "transports/zmq/private_folder.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <initializer_list>
#include <system_error>
#include <utility>

namespace yonder::transport {

namespace {

// A whole file of keys is a few hundred bytes; an allow-list of this size holds 25,000.
constexpr std::size_t max_file_size = std::size_t{1} << 20;

[[noreturn]] void refuse(std::filesystem::path const& file, std::string const& why) {
  throw setup_error(errc::bad_configuration, file.string() + ": " + why);
}

[[noreturn]] void refuse_errno(std::filesystem::path const& file, std::string const& what) {
  refuse(file, what + ": " + std::generic_category().message(errno));
}

// Text of a key that is overwritten when it goes.
struct key_text {
  std::array<char, key_text_size + 1> text{};
  ~key_text() { ::explicit_bzero(text.data(), text.size()); }
};

struct opened_file {
  platform::unique_fd fd;
  struct ::stat state {};
};

opened_file open_file(std::filesystem::path const& file) {
  constexpr int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  opened_file opened{platform::unique_fd(platform::retry([&] { return ::open(file.c_str(), flags); })), {}};
  if (!opened.fd && errno == ENOENT)
    refuse(file, "is not there; `yonder keygen FOLDER` makes the keys of a hub and of those who connect");
  if (!opened.fd) refuse_errno(file, "cannot be opened");
  if (::fstat(opened.fd.get(), &opened.state) != 0) refuse_errno(file, "cannot be examined");
  if (!S_ISREG(opened.state.st_mode)) refuse(file, "is not a file");
  if (static_cast<std::size_t>(opened.state.st_size) > max_file_size)
    refuse(file, "is too large for a file of keys");
  return opened;
}

void require_secret(std::filesystem::path const& file, struct ::stat const& state) {
  if (state.st_uid != ::geteuid())
    refuse(file, "belongs to user " + std::to_string(state.st_uid) + ", not to this one (" +
                     std::to_string(::geteuid()) + "): a secret key must be this user's own");
  if ((state.st_mode & 077) != 0) refuse(file, "is open to other users; run: chmod 600 " + file.string());
}

void require_trusted(std::filesystem::path const& file, struct ::stat const& state) {
  if (state.st_uid != ::geteuid() && state.st_uid != 0)
    refuse(file, "belongs to user " + std::to_string(state.st_uid) + ", who is neither this one nor root");
  if ((state.st_mode & 022) != 0)
    refuse(file, "can be written by other users; run: chmod go-w " + file.string());
}

// Fills `to` with at most its size; returns how much there was.
std::size_t read_some(std::filesystem::path const& file, int fd, char* to, std::size_t size) {
  std::size_t done = 0;
  while (done < size) {
    auto const count = platform::retry([&] { return ::read(fd, to + done, size - done); });
    if (count < 0) refuse_errno(file, "cannot be read");
    if (count == 0) break;
    done += static_cast<std::size_t>(count);
  }
  return done;
}

bool decode(char const* text, raw_key& key) {
  return std::strlen(text) == key_text_size && zmq_z85_decode(key.data(), text) != nullptr;
}

// The one key that a file begins with.
void read_key(std::filesystem::path const& file, opened_file const& opened, raw_key& key) {
  key_text text;
  if (read_some(file, opened.fd.get(), text.text.data(), key_text_size) != key_text_size ||
      !decode(text.text.data(), key))
    refuse(file, "holds no key: 40 characters of Z85, as `yonder keygen` writes them");
}

std::string_view first_word(std::string_view line) {
  auto const begin = line.find_first_not_of(" \t\r");
  if (begin == std::string_view::npos) return {};
  return line.substr(begin, line.find_first_of(" \t\r", begin) - begin);
}

// '#' may begin a key, too: a line is a comment if its first word is no key.
void add_key(std::filesystem::path const& file, std::string_view line, std::size_t number,
             std::set<raw_key>& keys) {
  auto const word = first_word(line);
  raw_key key{};
  if (word.size() == key_text_size && decode(std::string(word).c_str(), key)) {
    keys.insert(key);
  } else if (!word.empty() && word.front() != '#') {
    refuse(file, "line " + std::to_string(number) +
                     " holds no public key (40 characters of Z85) and is no comment");
  }
}

std::set<raw_key> parse_keys(std::filesystem::path const& file, std::string_view text) {
  std::set<raw_key> keys;
  for (std::size_t number = 1; !text.empty(); ++number) {
    auto const end = std::min(text.find('\n'), text.size());
    add_key(file, text.substr(0, end), number, keys);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return keys;
}

bool same_version(struct ::stat const& a, struct ::stat const& b) {
  return a.st_ino == b.st_ino && a.st_dev == b.st_dev && a.st_size == b.st_size && a.st_mode == b.st_mode &&
         a.st_uid == b.st_uid && a.st_mtim.tv_sec == b.st_mtim.tv_sec &&
         a.st_mtim.tv_nsec == b.st_mtim.tv_nsec && a.st_ctim.tv_sec == b.st_ctim.tv_sec &&
         a.st_ctim.tv_nsec == b.st_ctim.tv_nsec;
}

void write_all(std::filesystem::path const& file, int fd, std::string_view text) {
  while (!text.empty()) {
    auto const count = platform::retry([&] { return ::write(fd, text.data(), text.size()); });
    if (count < 0) refuse_errno(file, "cannot be written");
    text.remove_prefix(static_cast<std::size_t>(count));
  }
}

void write_new(std::filesystem::path const& file, mode_t mode,
               std::initializer_list<std::string_view> lines) {
  constexpr int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
  platform::unique_fd const fd(platform::retry([&] { return ::open(file.c_str(), flags, mode); }));
  if (!fd) refuse_errno(file, "cannot be created");
  for (auto const line : lines) {
    write_all(file, fd.get(), line);
    write_all(file, fd.get(), "\n");
  }
  if (::fchmod(fd.get(), mode) != 0 || platform::retry([&] { return ::fsync(fd.get()); }) != 0)
    refuse_errno(file, "cannot be written");
}

struct key_pair {
  key_text public_half;
  key_text secret_half;
};

void draw(key_pair& keys) {
  if (zmq_curve_keypair(keys.public_half.text.data(), keys.secret_half.text.data()) != 0)
    throw setup_error(
        errc::bad_configuration,
        std::string("keys cannot be made: this libzmq has no CURVE (") + zmq_strerror(zmq_errno()) + ")");
}

std::string_view view(key_text const& key) { return {key.text.data(), key_text_size}; }

// A new account has no ~/.config; what cannot be made shows when the folder itself is.
void make_parents(std::filesystem::path const& folder) {
  auto const parent = folder.parent_path();
  std::error_code unknown;
  if (parent.empty() || std::filesystem::exists(parent, unknown)) return;
  make_parents(parent);
  static_cast<void>(::mkdir(parent.c_str(), 0700));
}

}  // namespace

key_files::key_files(std::filesystem::path const& folder)
    : server_secret(folder / "server.key"),
      server_public(folder / "server.pub"),
      client_secret(folder / "client.key"),
      client_public(folder / "client.pub"),
      authorized(folder / "authorized_keys") {}

void keygen(std::filesystem::path const& folder) {
  make_parents(folder);
  make_private_folder(folder);
  key_files const files(folder);
  for (auto const& file : {files.server_secret, files.server_public, files.client_secret, files.client_public,
                           files.authorized}) {
    struct ::stat state {};
    if (::lstat(file.c_str(), &state) == 0)
      refuse(file, "exists already, and keys are never replaced: name another folder, or move it away first");
  }
  key_pair server, client;
  draw(server);
  draw(client);
  write_new(files.server_secret, 0600, {view(server.secret_half)});
  write_new(files.server_public, 0644, {view(server.public_half)});
  write_new(files.client_secret, 0600, {view(client.secret_half)});
  write_new(files.client_public, 0644, {view(client.public_half)});
  write_new(files.authorized, 0600,
            {"# Whom this hub lets in: one public key a line. It is read again when it changes.",
             std::string(view(client.public_half)) + " client.pub"});
}

secret_key::~secret_key() { ::explicit_bzero(bytes.data(), bytes.size()); }

void read_secret_key(std::filesystem::path const& file, secret_key& key) {
  auto const opened = open_file(file);
  require_secret(file, opened.state);
  read_key(file, opened, key.bytes);
}

raw_key read_public_key(std::filesystem::path const& file) {
  auto const opened = open_file(file);
  require_trusted(file, opened.state);
  raw_key key{};
  read_key(file, opened, key);
  return key;
}

raw_key public_key_of(secret_key const& key) {
  key_text secret_half, public_half;
  raw_key result{};
  if (zmq_z85_encode(secret_half.text.data(), key.bytes.data(), key.bytes.size()) == nullptr ||
      zmq_curve_public(public_half.text.data(), secret_half.text.data()) != 0 ||
      !decode(public_half.text.data(), result))
    throw setup_error(errc::bad_configuration, "this libzmq has no CURVE, which tcp needs");
  return result;
}

std::string text_of(raw_key const& key) {
  std::array<char, key_text_size + 1> text{};
  zmq_z85_encode(text.data(), key.data(), key.size());
  return text.data();
}

allow_list::allow_list(std::filesystem::path file) : file_(std::move(file)) { reload_if_changed(); }

bool allow_list::admits(raw_key const& key) {
  try {
    reload_if_changed();
  } catch (setup_error const&) {
    seen_ = {};
    keys_.clear();
  }
  return keys_.count(key) != 0;
}

void allow_list::reload_if_changed() {
  struct ::stat now {};
  if (::stat(file_.c_str(), &now) == 0 && same_version(now, seen_)) return;
  auto const opened = open_file(file_);
  require_trusted(file_, opened.state);
  std::string text(max_file_size, '\0');
  text.resize(read_some(file_, opened.fd.get(), text.data(), text.size()));
  keys_ = parse_keys(file_, text);
  seen_ = opened.state;
}

}  // namespace yonder::transport
