// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <linux/futex.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <string>
#include <system_error>

#include "src/platform/unique_fd.hpp"

namespace faults {

using counter = std::atomic<std::uint32_t>;

// What a row shares with the tasks that it calls, in whatever process: who has begun, how often, and who may
// go on. Memory, by a file, so that nothing of it is lost with a process.
class board {
 public:
  struct slot {
    counter entered;                    // how often its task was begun
    counter left;                       // and how often it was about to return
    counter open;                       // not 0: those that wait go on
    std::atomic<std::int32_t> process;  // that has begun it last
  };
  static constexpr std::size_t slots = 65'536;

  // Opens it; makes it where it is not there.
  explicit board(std::string path) : path_(std::move(path)) {
    yonder::platform::unique_fd const file(::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
    if (!file || ::ftruncate(file.get(), sizeof(slot) * slots) != 0) fail();
    memory_ = ::mmap(nullptr, sizeof(slot) * slots, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0);
    if (memory_ == MAP_FAILED) fail();
  }
  ~board() { ::munmap(memory_, sizeof(slot) * slots); }
  board(board const&) = delete;
  board& operator=(board const&) = delete;

  std::string const& path() const noexcept { return path_; }
  slot& operator[](std::size_t i) const noexcept { return static_cast<slot*>(memory_)[i]; }

  // One more; how many that makes.
  static std::uint32_t add(counter& to) noexcept {
    auto const made = to.fetch_add(1) + 1;
    ::syscall(SYS_futex, &to, FUTEX_WAKE, 1 << 30, nullptr, nullptr, 0);
    return made;
  }
  // Waits, in any process, until it is at least `wanted`; false: it was not within `limit`.
  static bool reaches(counter const& what, std::uint32_t wanted, std::chrono::nanoseconds limit) noexcept {
    auto const end = std::chrono::steady_clock::now() + limit;
    for (;;) {
      auto const seen = what.load();
      if (seen >= wanted) return true;
      std::chrono::nanoseconds const left = end - std::chrono::steady_clock::now();
      if (left.count() <= 0) return false;
      timespec const time{left.count() / 1'000'000'000, left.count() % 1'000'000'000};
      ::syscall(SYS_futex, &what, FUTEX_WAIT, seen, &time, nullptr, 0);
    }
  }

 private:
  [[noreturn]] void fail() const { throw std::system_error(errno, std::generic_category(), path_); }

  std::string path_;
  void* memory_ = nullptr;
};

}  // namespace faults
