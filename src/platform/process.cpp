// SPDX-License-Identifier: Apache-2.0
#include "src/platform/process.hpp"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <system_error>

#include "src/platform/descriptors.hpp"
#include "src/platform/system_call.hpp"
#include "src/platform/thread.hpp"

namespace yonder::platform {
namespace {

void check(int error, char const* what) {
  if (error != 0) throw std::system_error(error, std::generic_category(), what);
}

class file_actions {
 public:
  file_actions() { check(::posix_spawn_file_actions_init(&actions_), "posix_spawn_file_actions_init"); }
  ~file_actions() { ::posix_spawn_file_actions_destroy(&actions_); }
  file_actions(file_actions const&) = delete;
  file_actions& operator=(file_actions const&) = delete;

  void duplicate(int from, int to) {
    check(::posix_spawn_file_actions_adddup2(&actions_, from, to), "posix_spawn_file_actions_adddup2");
  }
  void close(int fd) {
    check(::posix_spawn_file_actions_addclose(&actions_, fd), "posix_spawn_file_actions_addclose");
  }
  void close_from(int first);
  posix_spawn_file_actions_t const* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

// Whether a child of posix_spawn can close all that it was not given, whatever other threads open meanwhile.
bool child_closes_all() noexcept {
#ifdef SYS_close_range
  if (::syscall(SYS_close_range, ~0U, ~0U, 0U) == 0) return true;
#endif
  return ::access("/proc/self/fd", X_OK) == 0;  // of which the C library then makes do
}

void file_actions::close_from(int first) {
#if defined(__GLIBC_PREREQ) && __GLIBC_PREREQ(2, 34)
  if (child_closes_all()) {
    check(::posix_spawn_file_actions_addclosefrom_np(&actions_, first),
          "posix_spawn_file_actions_addclosefrom_np");
    return;
  }
#endif
  for (int const fd : inheritable_descriptors(first)) close(fd);
}

class attributes {
 public:
  attributes() {
    check(::posix_spawnattr_init(&attributes_), "posix_spawnattr_init");
    sigset_t none;
    sigset_t all;
    ::sigemptyset(&none);
    ::sigfillset(&all);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setsigdefault(&attributes_, &all);
    ::posix_spawnattr_setpgroup(&attributes_, 0);
    constexpr short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP;
    check(::posix_spawnattr_setflags(&attributes_, flags), "posix_spawnattr_setflags");
  }
  ~attributes() { ::posix_spawnattr_destroy(&attributes_); }
  attributes(attributes const&) = delete;
  attributes& operator=(attributes const&) = delete;
  posix_spawnattr_t const* get() const { return &attributes_; }

 private:
  posix_spawnattr_t attributes_{};
};

// A duplicate above the numbers that the child's descriptors will take, so that no dup2 overwrites a source.
unique_fd lifted(int fd, std::size_t above) {
  unique_fd copy(::fcntl(fd, F_DUPFD_CLOEXEC, static_cast<int>(above)));
  if (copy.get() < 0) throw_errno("fcntl(F_DUPFD_CLOEXEC)");
  return copy;
}

std::vector<char*> pointers(std::vector<std::string> const& strings) {
  std::vector<char*> result;
  result.reserve(strings.size() + 1);
  for (auto const& text : strings) result.push_back(const_cast<char*>(text.c_str()));
  return result;
}

std::vector<char*> environment_of(spawn_request const& request) {
  auto result = pointers(request.environment);
  for (char** variable = environ; variable != nullptr && *variable != nullptr; ++variable)
    result.push_back(*variable);
  result.push_back(nullptr);
  return result;
}

// The calling thread runs on these cores only, and so does what it starts, as long as this lives.
class confined_thread {
 public:
  explicit confined_thread(std::vector<std::uint32_t> const& cores) {
    if (cores.empty()) return;
    std::size_t const most =
        1 + std::max<std::size_t>(CPU_SETSIZE * 64, *std::max_element(cores.begin(), cores.end()));
    size_ = CPU_ALLOC_SIZE(most);
    before_.resize(size_);
    std::vector<unsigned char> wanted(size_);
    auto* const set = reinterpret_cast<cpu_set_t*>(wanted.data());
    for (auto const core : cores) CPU_SET_S(core, size_, set);
    if (::sched_getaffinity(0, size_, reinterpret_cast<cpu_set_t*>(before_.data())) != 0)
      throw_errno("sched_getaffinity");
    if (::sched_setaffinity(0, size_, set) != 0) throw_errno("sched_setaffinity, to the cores of a worker");
    is_confined_ = true;
  }
  ~confined_thread() {
    if (is_confined_) ::sched_setaffinity(0, size_, reinterpret_cast<cpu_set_t*>(before_.data()));
  }
  confined_thread(confined_thread const&) = delete;
  confined_thread& operator=(confined_thread const&) = delete;

 private:
  std::size_t size_ = 0;
  std::vector<unsigned char> before_;
  bool is_confined_ = false;
};

// Zero, or the error.
int wait_for(idtype_t what, int which, int how, siginfo_t& info) noexcept {
  while (::waitid(what, static_cast<id_t>(which), &info, how) != 0)
    if (errno != EINTR) return errno;
  return 0;
}

// Readable once the process has ended, which a thread waits for; it leaves the rest to whoever reaps.
unique_fd end_of(pid_t pid) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw_errno("pipe2");
  auto readable = above_standard(unique_fd(ends[0]));
  auto writable = above_standard(unique_fd(ends[1]));
  if (!readable || !writable) throw_errno("fcntl(F_DUPFD_CLOEXEC)");
  auto const closed_then = std::make_shared<unique_fd>(std::move(writable));
  start_thread("yonder-child", [pid, closed_then] {
    siginfo_t info{};
    wait_for(P_PID, pid, WEXITED | WNOWAIT, info);
    closed_then->reset();
  }).detach();
  return readable;
}

}  // namespace

child_process::child_process(pid_t pid)
    : pid_(pid), handle_(above_standard(unique_fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))))) {
  if (handle_) return;
  is_pidfd_ = false;
  handle_ = end_of(pid);
}

void child_process::kill(int signal) const noexcept {
  // By the handle, so that a process that reuses the number is never hit.
  if (is_pidfd_ && ::syscall(SYS_pidfd_send_signal, handle_.get(), signal, nullptr, 0) == 0) return;
  if (!is_pidfd_ || errno != ESRCH) ::kill(pid_, signal);
}

exit_report child_process::wait() const {
  // When SIGCHLD is ignored or the child is reaped elsewhere this either reports or says ECHILD.
  siginfo_t info{};
  int error = EINVAL;  // also of a kernel that has pidfds, and cannot wait for them
  if (is_pidfd_) error = wait_for(static_cast<idtype_t>(P_PIDFD), handle_.get(), WEXITED, info);
  if (error == EINVAL) error = wait_for(P_PID, pid_, WEXITED, info);
  if (error != 0) return {.known = false};
  if (info.si_code == CLD_EXITED) return {.status = info.si_status};
  return {.signal = info.si_status};
}

bool child_process::is_stopped() const noexcept {
  constexpr int how = WSTOPPED | WNOHANG | WNOWAIT;
  siginfo_t info{};
  int error = EINVAL;
  if (is_pidfd_) error = wait_for(static_cast<idtype_t>(P_PIDFD), handle_.get(), how, info);
  if (error == EINVAL) error = wait_for(P_PID, pid_, how, info);
  return error == 0 && info.si_pid == pid_;
}

child_process spawn(spawn_request const& request) {
  constexpr int first_inherited = 3;
  auto const above = static_cast<std::size_t>(first_inherited) + request.inherited.size();
  std::vector<unique_fd> sources;
  file_actions actions;
  unique_fd nothing;
  if (request.input < 0) nothing = open_nothing(O_RDONLY);
  if (request.input < 0 && !nothing) throw_errno("/dev/null");
  sources.push_back(lifted(request.input < 0 ? nothing.get() : request.input, above));
  actions.duplicate(sources.back().get(), STDIN_FILENO);
  if (request.output >= 0) {
    sources.push_back(lifted(request.output, above));
    actions.duplicate(sources.back().get(), STDOUT_FILENO);
    actions.duplicate(sources.back().get(), STDERR_FILENO);
  }
  if (request.errors >= 0) {
    sources.push_back(lifted(request.errors, above));
    actions.duplicate(sources.back().get(), STDERR_FILENO);
  }
  int target = first_inherited;
  for (int const fd : request.inherited) {
    sources.push_back(lifted(fd, above));
    actions.duplicate(sources.back().get(), target++);
  }
  if (!request.inherits_all) actions.close_from(target);

  auto arguments = pointers(request.arguments);
  arguments.push_back(nullptr);
  auto environment = environment_of(request);
  attributes const how;
  pid_t pid = -1;
  confined_thread const confined(request.cores);
  check(::posix_spawnp(&pid, request.path.c_str(), actions.get(), how.get(), arguments.data(),
                       environment.data()),
        ("'" + request.path + "'").c_str());
  try {
    return child_process(pid);
  } catch (...) {
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    throw;
  }
}

std::string process_name(pid_t pid) {
  char host[256] = "";
  ::gethostname(host, sizeof host - 1);
  return std::string(host) + ":" + std::to_string(pid);
}

std::int64_t now() noexcept {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC, &time);
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

std::uint64_t random_number() {
  std::uint64_t number = 0;
  while (::getrandom(&number, sizeof number, 0) != sizeof number) {
    if (errno != EINTR) throw_errno("getrandom");
  }
  return number;
}

namespace {

// Zero, or the error. Past RLIMIT_FSIZE the kernel adds a signal that would end the program.
int resize(int fd, std::size_t size) noexcept {
  sigset_t too_large;
  sigset_t before;
  ::sigemptyset(&too_large);
  ::sigaddset(&too_large, SIGXFSZ);
  ::pthread_sigmask(SIG_BLOCK, &too_large, &before);
  int const error = ::ftruncate(fd, static_cast<off_t>(size)) == 0 ? 0 : errno;
  timespec const at_once{0, 0};
  if (error == EFBIG && !::sigismember(&before, SIGXFSZ)) ::sigtimedwait(&too_large, nullptr, &at_once);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return error;
}

// Whether the system keeps account of all memory that it has promised (vm.overcommit_memory = 2). A page of
// shared memory that it then has none for ends whoever touches it first, by SIGBUS.
bool may_refuse_pages() noexcept {
  unique_fd const file(::open("/proc/sys/vm/overcommit_memory", O_RDONLY | O_CLOEXEC));
  char mode = '2';
  [[maybe_unused]] auto const count = ::read(file.get(), &mode, 1);
  return mode == '2';
}

// So that what there is no memory for is refused here, in words. Elsewhere pages come when they are touched:
// to take them at once costs a quarter of a millisecond for each MiB.
void take_pages(int fd, std::size_t size) {
  if (!may_refuse_pages()) return;
  if (retry([&] { return ::fallocate(fd, 0, 0, static_cast<off_t>(size)); }) == 0) return;
  if (errno == EOPNOTSUPP || errno == ENOSYS || errno == EPERM) return;  // a sandbox
  throw_errno("fallocate, because the system has promised all of its memory (vm.overcommit_memory)");
}

unique_fd make_memory(std::size_t size, unsigned flags) {
  auto memory = above_standard(unique_fd(::memfd_create("yonder", MFD_CLOEXEC | flags)));
  if (memory.get() < 0) throw_errno("memfd_create");
  check(resize(memory.get(), size), "ftruncate, which RLIMIT_FSIZE (ulimit -f) bounds");
  take_pages(memory.get(), size);
  return memory;
}

}  // namespace

unique_fd anonymous_memory(std::size_t size) { return make_memory(size, 0); }

unique_fd sealed_memory(std::size_t size) {
  auto memory = make_memory(size, MFD_ALLOW_SEALING);
  if (::fcntl(memory.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) != 0) throw_errno("fcntl(F_ADD_SEALS)");
  return memory;
}

unique_fd empty_memory() {
  auto memory = above_standard(unique_fd(::memfd_create("yonder", MFD_CLOEXEC | MFD_ALLOW_SEALING)));
  if (!memory) throw_errno("memfd_create");
  return memory;
}

void set_size(int memory, std::size_t size) {
  if (has_size(memory, size)) return;
  if (may_refuse_pages())
    throw std::system_error(ENOMEM, std::generic_category(), "vm.overcommit_memory keeps account of memory");
  check(resize(memory, size), "ftruncate, which RLIMIT_FSIZE (ulimit -f) bounds");
  if (::fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
    throw_errno("fcntl(F_ADD_SEALS)");
  if (!has_size(memory, size))  // until it was sealed, whoever has a descriptor could change it
    throw std::system_error(EINVAL, std::generic_category(), "another process has changed the memory's size");
}

bool has_size(int memory, std::size_t size) noexcept {
  struct stat about {};
  int const seals = ::fcntl(memory, F_GET_SEALS);
  constexpr int needed = F_SEAL_SHRINK | F_SEAL_GROW;
  return seals >= 0 && (seals & needed) == needed && ::fstat(memory, &about) == 0 &&
         static_cast<std::size_t>(about.st_size) == size;
}

unique_fd reopened_for_reading(int memory) {
  auto const path = "/proc/self/fd/" + std::to_string(memory);
  unique_fd reopened(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!reopened) reopened = unique_fd(::fcntl(memory, F_DUPFD_CLOEXEC, 3));
  reopened = above_standard(std::move(reopened));
  if (!reopened) throw_errno("fcntl(F_DUPFD_CLOEXEC)");
  return reopened;
}

std::string to_string(exit_report const& how) {
  if (!how.known) return "ended, and somebody else waited for it";
  if (how.signal != 0) return "was ended by " + signal_name(how.signal);
  return "exited with status " + std::to_string(how.status);
}

std::string signal_name(int signal) {
  char const* const name = ::sigabbrev_np(signal);
  auto number = "signal " + std::to_string(signal);
  if (signal == SIGKILL) number += "; memory may have run out";  // the system's way then
  return name != nullptr ? std::string("SIG") + name + " (" + number + ")" : number;
}

}  // namespace yonder::platform
