// SPDX-License-Identifier: Apache-2.0
//
// Loaded before the C library (LD_PRELOAD): what a disk does to the files of one folder, at the operation
// that is named. YONDER_DISK_FOLDER: the folder. YONDER_DISK_FAULT: "kill N": the process ends; "power N": of
// what was not synced some is there, some is not, some in part, and the process ends; "eio N", "enospc N",
// "erofs N": operations fail so from then on. N: writes, syncs, truncations and removals before.
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>
#include <random>
#include <string>
#include <vector>

namespace {

template <class Function>
Function* real(char const* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

using pwrite_function = ssize_t(int, void const*, size_t, off_t);
using sync_function = int(int);
using truncate_function = int(int, off_t);
using unlink_function = int(int, char const*, int);

struct unsynced_write {
  int fd = -1;  // of its file, to write there again
  std::string path;
  off_t offset = 0;
  std::size_t size = 0;
  std::string before;     // what was there
  off_t size_before = 0;  // of the file
};

class disk {
 public:
  disk() {
    auto const* const folder = ::getenv("YONDER_DISK_FOLDER");
    auto const* const fault = ::getenv("YONDER_DISK_FAULT");
    char kind[16] = {};
    if (folder == nullptr || fault == nullptr || ::sscanf(fault, "%15s %lu", kind, &left_) != 2) return;
    folder_ = folder;
    kind_ = kind;
  }

  std::recursive_mutex& mutex() { return mutex_; }

  // Of a file of the folder; empty: it is another one.
  std::string path_of(int fd) const {
    if (folder_.empty()) return {};
    char text[4096];
    auto const size = ::readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), text, sizeof text);
    std::string path(text, size < 0 ? 0 : static_cast<std::size_t>(size));
    return path.compare(0, folder_.size(), folder_) == 0 ? path : std::string();
  }

  // Before an operation; what it fails with, or 0.
  int begin(bool writes) {
    if (left_ != 0) {
      --left_;
      return 0;
    }
    if (kind_ == "power") lose_power();
    if (kind_ == "power" || kind_ == "kill") ::raise(SIGKILL);
    if (kind_ == "eio") return writes ? 0 : EIO;
    return kind_ == "enospc" ? ENOSPC : EROFS;
  }

  void note_write(int fd, std::string const& path, off_t offset, std::size_t size) {
    if (kind_ != "power") return;
    struct stat found {};
    ::fstat(fd, &found);
    unsynced_write one{fd, path, offset, size, {}, found.st_size};
    if (offset < found.st_size) {
      one.before.resize(std::min<std::size_t>(size, static_cast<std::size_t>(found.st_size - offset)));
      (void)!::pread(fd, one.before.data(), one.before.size(), offset);
    }
    unsynced_.push_back(std::move(one));
  }
  void note_sync(std::string const& path) {
    unsynced_.erase(
        std::remove_if(unsynced_.begin(), unsynced_.end(), [&](auto const& one) { return one.path == path; }),
        unsynced_.end());
  }

 private:
  void lose_power() {
    auto* const write = real<pwrite_function>("pwrite64");
    auto* const truncate = real<truncate_function>("ftruncate64");
    for (auto one = unsynced_.rbegin(); one != unsynced_.rend(); ++one) {
      std::size_t const kept = draw() % 3 == 0 ? one->size : draw() % 2 == 0 ? 0 : draw() % (one->size + 1);
      std::string lost(one->size - kept, '\0');
      if (kept < one->before.size())
        std::copy(one->before.begin() + static_cast<long>(kept), one->before.end(), lost.begin());
      if (!lost.empty())
        (void)!write(one->fd, lost.data(), lost.size(), one->offset + static_cast<off_t>(kept));
    }
    for (auto const& one : unsynced_) {  // the first of a file knows how long it was
      struct stat found {};
      ::fstat(one.fd, &found);
      auto const more = found.st_size - one.size_before;
      if (more > 0 && draw() % 2 == 0)
        (void)!truncate(one.fd,
                        one.size_before + static_cast<off_t>(draw() % static_cast<std::uint64_t>(more + 1)));
    }
  }
  std::uint64_t draw() { return random_(); }

  std::string folder_;
  std::string kind_;
  unsigned long left_ = 0;
  std::recursive_mutex mutex_;
  std::vector<unsynced_write> unsynced_;
  std::mt19937_64 random_{std::random_device()()};
};

disk& the_disk() {
  static auto* const one = new disk;
  return *one;
}

template <class Work>
auto on_disk(int fd, bool writes, Work work) -> decltype(work(std::string())) {
  auto const path = the_disk().path_of(fd);
  if (path.empty()) return work(path);
  std::lock_guard const lock(the_disk().mutex());
  if (int const why = the_disk().begin(writes); why != 0) {
    errno = why;
    return -1;
  }
  return work(path);
}

ssize_t write_at(int fd, void const* bytes, size_t size, off_t offset) {
  return on_disk(fd, true, [&](std::string const& path) -> ssize_t {
    if (!path.empty()) the_disk().note_write(fd, path, offset, size);
    return real<pwrite_function>("pwrite64")(fd, bytes, size, offset);
  });
}

int sync_with(char const* name, int fd) {
  return on_disk(fd, false, [&](std::string const& path) -> int {
    auto const done = real<sync_function>(name)(fd);
    if (!path.empty()) the_disk().note_sync(path);
    return done;
  });
}

}  // namespace

extern "C" {

__attribute__((visibility("default"))) ssize_t pwrite(int fd, void const* bytes, size_t size, off_t offset) {
  return write_at(fd, bytes, size, offset);
}
__attribute__((visibility("default"))) ssize_t pwrite64(int fd, void const* bytes, size_t size,
                                                        off_t offset) {
  return write_at(fd, bytes, size, offset);
}
__attribute__((visibility("default"))) int fdatasync(int fd) { return sync_with("fdatasync", fd); }
__attribute__((visibility("default"))) int fsync(int fd) { return sync_with("fsync", fd); }
__attribute__((visibility("default"))) int ftruncate(int fd, off_t size) {
  return on_disk(fd, true,
                 [&](std::string const&) { return real<truncate_function>("ftruncate64")(fd, size); });
}
__attribute__((visibility("default"))) int ftruncate64(int fd, off_t size) {
  return on_disk(fd, true,
                 [&](std::string const&) { return real<truncate_function>("ftruncate64")(fd, size); });
}
__attribute__((visibility("default"))) int unlinkat(int folder, char const* name, int flags) {
  return on_disk(folder, true,
                 [&](std::string const&) { return real<unlink_function>("unlinkat")(folder, name, flags); });
}

}  // extern "C"
