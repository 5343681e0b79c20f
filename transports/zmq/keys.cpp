// SPDX-License-Identifier: Apache-2.0
#include "transports/zmq/keys.hpp"

#include "src/platform/system_call.hpp"
#include "src/platform/unique_fd.hpp"
#include "transports/setup_error.hpp"
#include "transports/zmq/key_file.hpp"
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
#include <vector>

namespace yonder::transport {

[[noreturn]] void refuse_file(std::filesystem::path const& file, std::string const& why) {
  throw setup_error(errc::bad_configuration, file.string() + ": " + why);
}

[[noreturn]] void refuse_file_errno(std::filesystem::path const& file, std::string const& what) {
  refuse_file(file, what + ": " + std::generic_category().message(errno));
}

namespace {

// A whole file of keys is a few hundred bytes; an allow-list of this size holds 25,000.
constexpr std::size_t max_file_size = std::size_t{1} << 20;

// Text of a key that is overwritten when it goes.
struct key_text {
  std::array<char, key_text_size + 1> text{};
  ~key_text() { ::explicit_bzero(text.data(), text.size()); }
};

struct opened_file {
  platform::unique_fd fd;
  struct ::stat state {};
};

// Whoever may write to a folder may put another file of this user's in the place of a list of keys. A secret
// may be in any folder: it is this user's own, and nobody else can read it.
void require_own_folder(std::filesystem::path const& file) {
  auto const folder = file.has_parent_path() ? file.parent_path() : std::filesystem::path(".");
  struct ::stat state {};
  if (::stat(folder.c_str(), &state) != 0) refuse_file_errno(folder, "cannot be examined");
  if (state.st_uid != ::geteuid() && state.st_uid != 0)
    refuse_file(folder,
                "belongs to user " + std::to_string(state.st_uid) + ", who is neither this one nor root");
  if ((state.st_mode & 022) != 0 && (state.st_mode & S_ISVTX) == 0)
    refuse_file(folder, "can be written by other users; run: chmod go-w " + folder.string());
}

opened_file open_file(std::filesystem::path const& file) {
  constexpr int flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  opened_file opened{platform::unique_fd(platform::retry([&] { return ::open(file.c_str(), flags); })), {}};
  if (!opened.fd && errno == ENOENT)
    refuse_file(
        file,
        "is not there; on the hub's machine `yonder keys issue NAME` prints a line that has this one let "
        "in, and `yonder keygen FOLDER` makes the keys of a hub");
  if (!opened.fd) refuse_file_errno(file, "cannot be opened");
  if (::fstat(opened.fd.get(), &opened.state) != 0) refuse_file_errno(file, "cannot be examined");
  if (!S_ISREG(opened.state.st_mode)) refuse_file(file, "is not a file");
  if (static_cast<std::size_t>(opened.state.st_size) > max_file_size)
    refuse_file(file, "is too large for a file of keys");
  return opened;
}

void require_secret(std::filesystem::path const& file, struct ::stat const& state) {
  if (state.st_uid != ::geteuid())
    refuse_file(file, "belongs to user " + std::to_string(state.st_uid) + ", not to this one (" +
                          std::to_string(::geteuid()) + "): a secret key must be this user's own");
  if ((state.st_mode & 077) != 0)
    refuse_file(file, "is open to other users; run: chmod 600 " + file.string());
}

void require_trusted(std::filesystem::path const& file, struct ::stat const& state) {
  if (state.st_uid != ::geteuid() && state.st_uid != 0)
    refuse_file(file,
                "belongs to user " + std::to_string(state.st_uid) + ", who is neither this one nor root");
  if ((state.st_mode & 022) != 0)
    refuse_file(file, "can be written by other users; run: chmod go-w " + file.string());
}

// Fills `to` with at most its size; returns how much there was.
std::size_t read_some(std::filesystem::path const& file, int fd, char* to, std::size_t size) {
  std::size_t done = 0;
  while (done < size) {
    auto const count = platform::retry([&] { return ::read(fd, to + done, size - done); });
    if (count < 0) refuse_file_errno(file, "cannot be read");
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
    refuse_file(file, "holds no key: 40 characters of Z85, as `yonder keygen` writes them");
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

void write_all(std::filesystem::path const& file, int fd, std::string_view text) {
  while (!text.empty()) {
    auto const count = platform::retry([&] { return ::write(fd, text.data(), text.size()); });
    if (count < 0) refuse_file_errno(file, "cannot be written");
    text.remove_prefix(static_cast<std::size_t>(count));
  }
}

// The parts one after the other, so that no secret is copied. Half a file is not left there.
void write_new(std::filesystem::path const& file, mode_t mode,
               std::initializer_list<std::string_view> parts) {
  constexpr int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
  platform::unique_fd const fd(platform::retry([&] { return ::open(file.c_str(), flags, mode); }));
  if (!fd) refuse_file_errno(file, "cannot be created");
  try {
    for (auto const part : parts) write_all(file, fd.get(), part);
    if (::fchmod(fd.get(), mode) != 0 || platform::retry([&] { return ::fsync(fd.get()); }) != 0)
      refuse_file_errno(file, "cannot be written");
  } catch (...) {
    ::unlink(file.c_str());
    throw;
  }
}

}  // namespace

file_text read_trusted_text(std::filesystem::path const& file) {
  auto const opened = open_file(file);
  require_trusted(file, opened.state);
  require_own_folder(file);
  file_text read{std::string(max_file_size, '\0'), opened.state};
  read.text.resize(read_some(file, opened.fd.get(), read.text.data(), read.text.size()));
  return read;
}

std::string read_secret_text(std::filesystem::path const& file) {
  auto const opened = open_file(file);
  require_secret(file, opened.state);
  std::string text(static_cast<std::size_t>(opened.state.st_size), '\0');
  text.resize(read_some(file, opened.fd.get(), text.data(), text.size()));
  return text;
}

// A new account has no ~/.config.
void make_parent_folders(std::filesystem::path const& folder) {
  auto const parent = folder.parent_path();
  std::error_code unknown;
  if (parent.empty() || std::filesystem::exists(parent, unknown)) return;
  make_parent_folders(parent);
  if (::mkdir(parent.c_str(), 0700) != 0 && errno != EEXIST) refuse_file_errno(parent, "cannot be created");
}

void write_new_file(std::filesystem::path const& file, mode_t mode, std::string_view text) {
  write_new(file, mode, {text});
}

key_files::key_files(std::filesystem::path const& folder)
    : server_secret(folder / "server.key"),
      server_public(folder / "server.pub"),
      client_secret(folder / "client.key"),
      client_public(folder / "client.pub"),
      worker_secret(folder / "worker.key"),
      worker_public(folder / "worker.pub"),
      operator_secret(folder / "operator.key"),
      operator_public(folder / "operator.pub"),
      authorized(folder / "authorized_keys") {}

void keygen(std::filesystem::path const& folder) {
  make_parent_folders(folder);
  make_private_folder(folder);
  key_files const files(folder);
  for (auto const& file : {files.server_secret, files.server_public, files.client_secret, files.client_public,
                           files.authorized}) {
    struct ::stat state {};
    if (::lstat(file.c_str(), &state) == 0)
      refuse_file(file,
                  "exists already, and keys are never replaced: name another folder, or move it away first");
  }
  key_pair server, client;
  draw(server);
  draw(client);
  // All of them, or none: with some of them there neither keygen nor a hub goes on. A hub looks for its
  // secret.
  std::vector<std::filesystem::path> made;
  auto const write = [&made](std::filesystem::path const& file, mode_t mode,
                             std::initializer_list<std::string_view> parts) {
    write_new(file, mode, parts);
    made.push_back(file);
  };
  try {
    write(files.server_public, 0644, {view(server.public_half), "\n"});
    write(files.client_secret, 0600, {view(client.secret_half), "\n"});
    write(files.client_public, 0644, {view(client.public_half), "\n"});
    write(files.authorized, 0600,
          {"# Whom this hub lets in: one public key a line, and its owner's role. It is read again when it "
           "changes.\n",
           view(client.public_half), " role=client,worker name=client.pub\n"});
    write(files.server_secret, 0600, {view(server.secret_half), "\n"});
  } catch (...) {
    for (auto const& file : made) ::unlink(file.c_str());
    throw;
  }
}

void decode_key(std::string_view what, std::string_view text, raw_key& key) {
  key_text copy;
  if (text.size() == key_text_size) std::memcpy(copy.text.data(), text.data(), text.size());
  if (text.size() != key_text_size || !decode(copy.text.data(), key))
    throw setup_error(errc::bad_configuration, std::string(what) + " is no key: 40 characters of Z85");
}

drawn_key draw_key() {
  key_pair drawn;
  draw(drawn);
  return {std::string(view(drawn.public_half)), std::string(view(drawn.secret_half))};
}

secret_key::~secret_key() { ::explicit_bzero(bytes.data(), bytes.size()); }

void read_secret_key(std::filesystem::path const& file, secret_key& key) {
  auto const opened = open_file(file);
  require_secret(file, opened.state);
  read_key(file, opened, key.bytes);
}

void draw_secret(secret_key& key) {
  key_pair drawn;
  draw(drawn);
  decode(drawn.secret_half.text.data(), key.bytes);
}

void write_secret_key(std::filesystem::path const& file, secret_key const& key) {
  key_text text;
  zmq_z85_encode(text.text.data(), key.bytes.data(), key.bytes.size());
  write_new(file, 0600, {view(text), "\n"});
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

bool read_key_text(std::string_view text, raw_key& key) {
  return text.size() == key_text_size && decode(std::string(text).c_str(), key);
}

}  // namespace yonder::transport
