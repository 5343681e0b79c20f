// SPDX-License-Identifier: Apache-2.0
//
// Loaded before the C library (LD_PRELOAD): a wall clock that somebody else sets. YONDER_CLOCK: a file with
// what it is ahead (i64 ns) and how often it was set (u32). A timer of that clock is ready when it was set,
// as one with TFD_TIMER_CANCEL_ON_SET is.
#include <dlfcn.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include <atomic>

namespace {

struct face {
  std::atomic<int64_t> ahead;
  std::atomic<uint32_t> set;
};

template <class Function>
Function* real(char const* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

face* open_face() {
  auto const* const path = ::getenv("YONDER_CLOCK");
  if (path == nullptr) return nullptr;
  int const file = ::open(path, O_RDWR | O_CLOEXEC);
  if (file < 0) return nullptr;
  void* const memory = ::mmap(nullptr, sizeof(face), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  ::close(file);
  return memory == MAP_FAILED ? nullptr : static_cast<face*>(memory);
}

face* shown() {
  static face* const it = open_face();
  return it;
}

using clock_gettime_function = int(clockid_t, timespec*);

int read_clock(clockid_t which, timespec* time) {
  static auto* const next = real<clock_gettime_function>("clock_gettime");
  int const result = next(which, time);
  if (result != 0 || which != CLOCK_REALTIME || shown() == nullptr) return result;
  constexpr int64_t second = 1'000'000'000;
  auto const now = time->tv_sec * second + time->tv_nsec + shown()->ahead.load();
  time->tv_sec = now / second;
  time->tv_nsec = now % second;
  return 0;
}

void* tell(void* argument) {
  auto const to = static_cast<int>(reinterpret_cast<intptr_t>(argument));
  for (auto seen = shown()->set.load();; seen = shown()->set.load()) {
    ::syscall(SYS_futex, &shown()->set, FUTEX_WAIT, seen, nullptr, nullptr, 0);
    if (shown()->set.load() == seen) continue;
    uint64_t const one = 1;
    (void)!::write(to, &one, sizeof one);
  }
}

std::atomic<int> timer{-1};

}  // namespace

extern "C" {

int clock_gettime(clockid_t which, timespec* time) noexcept { return read_clock(which, time); }

int gettimeofday(timeval* time, void*) noexcept {
  timespec now{};
  if (read_clock(CLOCK_REALTIME, &now) != 0) return -1;
  time->tv_sec = now.tv_sec;
  time->tv_usec = now.tv_nsec / 1000;
  return 0;
}

time_t time(time_t* to) noexcept {
  timespec now{};
  read_clock(CLOCK_REALTIME, &now);
  if (to != nullptr) *to = now.tv_sec;
  return now.tv_sec;
}

int timerfd_create(int which, int flags) noexcept {
  if (which != CLOCK_REALTIME || shown() == nullptr)
    return real<int(int, int)>("timerfd_create")(which, flags);
  int const made = ::eventfd(0, EFD_CLOEXEC | ((flags & TFD_NONBLOCK) != 0 ? EFD_NONBLOCK : 0));
  timer.store(made);
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t teller;
  if (::pthread_create(&teller, nullptr, tell, reinterpret_cast<void*>(static_cast<intptr_t>(made))) == 0)
    ::pthread_detach(teller);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return made;
}

int timerfd_settime(int fd, int flags, itimerspec const* next, itimerspec* before) noexcept {
  if (fd >= 0 && fd == timer.load()) return 0;
  return real<int(int, int, itimerspec const*, itimerspec*)>("timerfd_settime")(fd, flags, next, before);
}
}
