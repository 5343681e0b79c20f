// SPDX-License-Identifier: Apache-2.0
#include "src/journal/folder.hpp"

#include "src/journal/error.hpp"
#include "src/platform/descriptors.hpp"
#include "src/platform/fork.hpp"
#include "src/platform/system_call.hpp"
#include "src/platform/unique_fd.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <cstdio>
#include <utility>

namespace yonder::journal {
namespace {

using platform::retry;
using platform::unique_fd;

constexpr char const* lock_name = "lock";

[[noreturn]] void throw_errno(std::string const& what) { platform::throw_errno(what.c_str()); }

class posix_file final : public file {
 public:
  posix_file(unique_fd fd, std::string path) noexcept : fd_(std::move(fd)), path_(std::move(path)) {}

  std::size_t read(std::uint64_t offset, std::span<std::byte> to) const override {
    std::size_t done = 0;
    while (done < to.size()) {
      auto const got = retry([&] {
        return ::pread(fd_.get(), to.data() + done, to.size() - done, static_cast<off_t>(offset + done));
      });
      if (got < 0) throw_errno("cannot read " + path_);
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }
  std::size_t write(std::uint64_t offset, std::span<std::byte const> bytes) override {
    auto const put =
        retry([&] { return ::pwrite(fd_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset)); });
    if (put < 0) throw_errno("cannot write " + path_);
    return static_cast<std::size_t>(put);
  }
  void truncate(std::uint64_t size) override {
    if (retry([&] { return ::ftruncate(fd_.get(), static_cast<off_t>(size)); }) != 0)
      throw_errno("cannot truncate " + path_);
  }
  std::uint64_t size() const override {
    struct stat found {};
    if (::fstat(fd_.get(), &found) != 0) throw_errno("cannot look at " + path_);
    return static_cast<std::uint64_t>(found.st_size);
  }
  void sync() override {
    if (retry([&] { return ::fdatasync(fd_.get()); }) != 0) throw_errno("cannot sync " + path_);
  }

 private:
  unique_fd fd_;
  std::string path_;
};

class posix_folder final : public file_system {
 public:
  posix_folder(std::string path, bool change, bool alone) : path_(std::move(path)) {
    bool const made = change && ::mkdir(path_.c_str(), 0700) == 0;
    if (change && !made && errno != EEXIST) throw_errno("cannot make " + path_);
    folder_ = unique_fd(retry([&] { return ::open(path_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
    if (!folder_) throw_errno("cannot open " + path_);
    check_owner();
    if (alone) lock(change);
    if (made) sync_parent();
  }
  ~posix_folder() override {
    if (lock_) platform::close_in_no_fork(lock_.get());
  }
  posix_folder(posix_folder const&) = delete;
  posix_folder& operator=(posix_folder const&) = delete;

  std::vector<std::string> list() const override {
    std::vector<std::string> names;
    int const fd = retry([&] { return ::openat(folder_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); });
    if (fd < 0) throw_errno("cannot list " + path_);
    std::unique_ptr<DIR, int (*)(DIR*)> const open(::fdopendir(fd), &::closedir);
    if (open == nullptr) {
      ::close(fd);
      throw_errno("cannot list " + path_);
    }
    for (;;) {
      errno = 0;
      auto const* const entry = ::readdir(open.get());
      if (entry == nullptr) break;
      names.emplace_back(entry->d_name);
    }
    if (errno != 0) throw_errno("cannot list " + path_);
    return names;
  }
  std::unique_ptr<file> open(std::string const& name, access how) const override {
    int const flags = how == access::read    ? O_RDONLY
                      : how == access::write ? O_RDWR
                                             : O_RDWR | O_CREAT | O_EXCL;
    unique_fd fd(
        retry([&] { return ::openat(folder_.get(), name.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, 0600); }));
    if (!fd) throw_errno("cannot open " + this->path(name));
    fd = platform::above_standard(std::move(fd));
    if (!fd) throw_errno("cannot open " + this->path(name));
    return std::make_unique<posix_file>(std::move(fd), this->path(name));
  }
  void rename(std::string const& from, std::string const& to) override {
    if (::renameat(folder_.get(), from.c_str(), folder_.get(), to.c_str()) != 0)
      throw_errno("cannot rename " + this->path(from));
  }
  void remove(std::string const& name) override {
    if (::unlinkat(folder_.get(), name.c_str(), 0) != 0) throw_errno("cannot remove " + this->path(name));
  }
  void sync() override {
    if (retry([&] { return ::fsync(folder_.get()); }) != 0) throw_errno("cannot sync " + path_);
  }
  std::string path(std::string const& name) const override { return path_ + "/" + name; }

 private:
  // A new folder's name is on disk when its parent is.
  void sync_parent() const {
    unique_fd const parent(
        retry([&] { return ::openat(folder_.get(), "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
    if (!parent || retry([&] { return ::fsync(parent.get()); }) != 0)
      throw_errno("cannot sync the folder that holds " + path_);
  }
  // Whoever can write a record can have a function called.
  void check_owner() const {
    struct stat found {};
    if (::fstat(folder_.get(), &found) != 0) throw_errno("cannot look at " + path_);
    if (found.st_uid != ::geteuid() || (found.st_mode & 022) != 0)
      throw error(
          problem::unusable,
          "journal: " + path_ +
              " is another user's, or others may write there; make it this user's and `chmod go-w` it");
  }
  void lock(bool change) {
    auto const open = [&](int flags) {
      return unique_fd(
          retry([&] { return ::openat(folder_.get(), lock_name, flags | O_CLOEXEC | O_NOFOLLOW, 0600); }));
    };
    lock_ = open(change ? O_RDWR | O_CREAT : O_RDONLY);
    if (!lock_ && !change && errno == ENOENT) return;  // nobody has ever had it open
    if (!lock_) throw_errno("cannot open " + path(lock_name));
    lock_ = platform::above_standard(std::move(lock_));
    if (!lock_) throw_errno("cannot open " + path(lock_name));
    if (retry([&] { return ::flock(lock_.get(), (change ? LOCK_EX : LOCK_SH) | LOCK_NB); }) != 0) {
      if (errno != EWOULDBLOCK) throw_errno("cannot lock " + path(lock_name));
      throw error(problem::in_use, "journal: " + path_ + " is in use by process " + holder() +
                                       "; end that first, or name another folder");
    }
    auto const pid = std::to_string(::getpid()) + "\n";
    if (change && (::ftruncate(lock_.get(), 0) != 0 || ::pwrite(lock_.get(), pid.data(), pid.size(), 0) < 0))
      throw_errno("cannot write " + path(lock_name));
    platform::close_in_forks(lock_.get());
  }
  // For words: what the holder has written there.
  std::string holder() const {
    char text[16] = {};
    auto const size = ::pread(lock_.get(), text, sizeof text, 0);
    long pid = 0;
    if (size > 0) std::from_chars(text, text + size, pid);
    return pid > 0 ? std::to_string(pid) : "?";
  }

  std::string path_;
  unique_fd folder_;
  unique_fd lock_;
};

}  // namespace

std::unique_ptr<file_system> open_folder(std::string const& path, bool change) {
  return std::make_unique<posix_folder>(path, change, true);
}

std::unique_ptr<file_system> look_into_folder(std::string const& path) {
  return std::make_unique<posix_folder>(path, false, false);
}

}  // namespace yonder::journal
