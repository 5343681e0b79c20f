// SPDX-License-Identifier: Apache-2.0
#include "src/http/keys.hpp"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <new>
#include <system_error>
#include <utility>

#include "src/platform/stderr_writer.hpp"
#include "src/platform/system_call.hpp"
#include "src/platform/unique_fd.hpp"
#include "yonder/error.hpp"

namespace yonder::http {
namespace {

constexpr std::size_t max_file_size = std::size_t{1} << 20;
constexpr std::size_t least_key_size = 16;

[[noreturn]] void refuse(std::filesystem::path const& file, std::string const& why) {
  yonder::detail::throw_error({.code = errc::bad_configuration, .message = file.string() + ": " + why});
}
[[noreturn]] void refuse_errno(std::filesystem::path const& file, std::string const& what) {
  refuse(file, what + ": " + std::generic_category().message(errno));
}

}  // namespace

std::string drawn_secret() {
  std::array<unsigned char, 32> bytes{};
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1)
    yonder::detail::throw_error(
        {.code = errc::bad_configuration, .message = "OpenSSL gives no random numbers for a key"});
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (auto const byte : bytes) (text += digits[byte >> 4U]) += digits[byte & 15U];
  return text;
}

namespace {

void make_file(std::filesystem::path const& file) {
  std::error_code error;
  if (!file.parent_path().empty() && !std::filesystem::exists(file.parent_path(), error)) {
    std::filesystem::create_directories(file.parent_path(), error);
    if (!error) std::filesystem::permissions(file.parent_path(), std::filesystem::perms::owner_all, error);
  }
  constexpr int flags = O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW;
  platform::unique_fd const fd(platform::retry([&] { return ::open(file.c_str(), flags, 0600); }));
  if (!fd) refuse_errno(file, "is not there and cannot be created");
  auto const text =
      "# Who may call tasks over HTTP, one a line: KEY NAME and call:TASK, call:*, metrics or admin.\nyk_" +
      drawn_secret() + " owner admin\n";
  auto const written = platform::retry([&] { return ::write(fd.get(), text.data(), text.size()); });
  if (written != static_cast<ssize_t>(text.size())) refuse_errno(file, "cannot be written");
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  constexpr std::string_view space = " \t\r";
  while (true) {
    auto const begin = line.find_first_not_of(space);
    if (begin == line.npos) return words;
    auto const end = std::min(line.find_first_of(space, begin), line.size());
    words.push_back(line.substr(begin, end - begin));
    line.remove_prefix(end);
  }
}

bool is_same_file(struct ::stat const& a, struct ::stat const& b) noexcept {
  return a.st_ino == b.st_ino && a.st_dev == b.st_dev && a.st_size == b.st_size &&
         a.st_mtim.tv_sec == b.st_mtim.tv_sec && a.st_mtim.tv_nsec == b.st_mtim.tv_nsec &&
         a.st_mode == b.st_mode && a.st_uid == b.st_uid;
}

}  // namespace

namespace {

// What EVP_sha256() stands for is looked up anew with each digest, which takes longer than the digest of a
// key.
EVP_MD const* sha256() {
#if OPENSSL_VERSION_NUMBER >= 0x30000000L
  static EVP_MD* const fetched = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  if (fetched != nullptr) return fetched;
#endif
  return EVP_sha256();
}

}  // namespace

digest digest_of(std::string_view text) {
  digest result{};
  EVP_Digest(text.data(), text.size(), result.data(), nullptr, sha256(), nullptr);
  return result;
}

digest digest_of(std::vector<std::string_view> const& parts) {
  digest result{};
  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> const state(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  if (!state || EVP_DigestInit_ex(state.get(), sha256(), nullptr) != 1) throw std::bad_alloc();
  for (auto const part : parts) EVP_DigestUpdate(state.get(), part.data(), part.size());
  EVP_DigestFinal_ex(state.get(), result.data(), nullptr);
  return result;
}

bool credential::may_call(std::string_view task) const {
  return admin || every_task || std::find(tasks.begin(), tasks.end(), task) != tasks.end();
}

bool credential::has_rights_of(credential const& other) const {
  return name == other.name && (admin || !other.admin) && (admin || metrics || !other.metrics) &&
         (admin || every_task || !other.every_task) &&
         std::all_of(other.tasks.begin(), other.tasks.end(),
                     [this](auto const& task) { return may_call(task); });
}

key_file::key_file(std::filesystem::path file) : file_(std::move(file)) {
  std::error_code error;
  if (!std::filesystem::exists(file_, error)) {
    make_file(file_);
    made_ = true;
  }
  read();
}

void key_file::look(std::chrono::steady_clock::time_point now) {
  if (now - looked_ < std::chrono::seconds(1)) return;
  looked_ = now;
  struct ::stat state {};
  if (::stat(file_.c_str(), &state) == 0 && is_same_file(state, seen_)) return;
  try {
    read();
    if (!std::exchange(fault_, {}).empty())
      platform::stderr_writer().write("yonder: the keys of " + file_.string() + " are let in again\n");
  } catch (usage_error const& error) {
    entries_.clear();
    seen_ = {};
    if (std::exchange(fault_, error.what()) != error.what())
      platform::stderr_writer().write("yonder: no key is let in, " + fault_ + "\n");
  }
}

bool key_file::is_usable(std::chrono::steady_clock::time_point now) {
  look(now);
  return fault_.empty();
}

credential_ref key_file::find(digest const& wanted, std::chrono::steady_clock::time_point now) {
  look(now);
  credential_ref found;
  for (auto const& one : entries_)
    if (CRYPTO_memcmp(one->secret.data(), wanted.data(), wanted.size()) == 0) found = one;
  return found;
}

void key_file::read() {
  platform::unique_fd const fd(
      platform::retry([&] { return ::open(file_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY); }));
  if (!fd) refuse_errno(file_, "cannot be opened");
  struct ::stat state {};
  if (::fstat(fd.get(), &state) != 0) refuse_errno(file_, "cannot be examined");
  if (!S_ISREG(state.st_mode)) refuse(file_, "is not a file");
  if (state.st_uid != ::geteuid())
    refuse(file_, "belongs to user " + std::to_string(state.st_uid) +
                      ", not to this one: keys must be this user's own");
  if ((state.st_mode & 077U) != 0) refuse(file_, "is open to other users; run: chmod 600 " + file_.string());
  if (static_cast<std::size_t>(state.st_size) > max_file_size)
    refuse(file_, "is too large for a file of keys");
  std::string text(static_cast<std::size_t>(state.st_size), '\0');
  for (std::size_t done = 0; done < text.size();) {
    auto const count =
        platform::retry([&] { return ::read(fd.get(), text.data() + done, text.size() - done); });
    if (count < 0) refuse_errno(file_, "cannot be read");
    if (count == 0) break;
    done += static_cast<std::size_t>(count);
  }
  std::vector<credential_ref> entries;
  std::string_view rest = text;
  for (std::size_t number = 1; !rest.empty(); ++number) {
    auto const end = std::min(rest.find('\n'), rest.size());
    auto const line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (auto const first = line.find_first_not_of(" \t\r"); first != line.npos && line[first] != '#')
      entries.push_back(parse(file_, line, number));
  }
  OPENSSL_cleanse(text.data(), text.size());
  if (entries.empty()) refuse(file_, "holds no key; remove it, and one is made");
  entries_ = std::move(entries);
  seen_ = state;
}

credential_ref key_file::parse(std::filesystem::path const& file, std::string_view line, std::size_t number) {
  auto const wrong = [&](std::string const& why) {
    refuse(file, "line " + std::to_string(number) + " " + why);
  };
  auto const words = words_of(line);
  if (words.size() < 3) wrong("is not KEY NAME and what it allows: call:TASK, call:*, metrics or admin");
  if (words[0].size() < least_key_size)
    wrong("has a key of fewer than " + std::to_string(least_key_size) + " characters");
  credential owner{.name = std::string(words[1])};
  for (std::size_t i = 2; i < words.size(); ++i) {
    if (words[i] == "admin")
      owner.admin = true;
    else if (words[i] == "metrics")
      owner.metrics = true;
    else if (words[i] == "call:*")
      owner.every_task = true;
    else if (words[i].starts_with("call:") && words[i].size() > 5)
      owner.tasks.emplace_back(words[i].substr(5));
    else
      wrong("allows '" + std::string(words[i]) + "', which is none of call:TASK, call:*, metrics and admin");
  }
  owner.secret = digest_of(words[0]);
  return std::make_shared<credential const>(std::move(owner));
}

}  // namespace yonder::http
