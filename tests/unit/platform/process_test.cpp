// SPDX-License-Identifier: Apache-2.0
#include "src/platform/process.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdarg>
#include <string>
#include <string_view>
#include <system_error>

#include "src/platform/fork.hpp"

namespace {
char const* accounting = nullptr;  // what the system says of how it keeps account of memory; null: as it is
bool has_memory = true;
bool others_cut = false;  // another process cuts each memory as soon as it has its size
}  // namespace

extern "C" int open(char const* name, int flags, ...) {
  if (accounting != nullptr && std::string_view(name) == "/proc/sys/vm/overcommit_memory") {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0 || ::write(ends[1], accounting, 1) != 1) return -1;
    ::close(ends[1]);
    return ends[0];
  }
  va_list more;
  va_start(more, flags);
  auto const mode = va_arg(more, mode_t);
  va_end(more);
  return static_cast<int>(::syscall(SYS_openat, AT_FDCWD, name, flags, mode));
}

extern "C" int fallocate(int fd, int mode, off_t offset, off_t size) {
  if (has_memory) return static_cast<int>(::syscall(SYS_fallocate, fd, mode, offset, size));
  errno = ENOSPC;
  return -1;
}

extern "C" int ftruncate(int fd, off_t size) noexcept {
  auto const result = ::syscall(SYS_ftruncate, fd, size);
  if (others_cut) ::syscall(SYS_ftruncate, fd, 0);
  return static_cast<int>(result);
}

namespace yonder::platform {
namespace {

// What `sh -c script` prints.
std::string output_of(std::string const& script, std::vector<int> const& inherited,
                      bool inherits_all = false) {
  std::array<int, 2> ends{};
  REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
  unique_fd const readable(ends[0]);
  unique_fd writable(ends[1]);
  auto const child = spawn({.path = "sh",
                            .arguments = {"sh", "-c", script},
                            .environment = {"YONDER_TEST_WORD=said"},
                            .output = writable.get(),
                            .inherited = inherited,
                            .inherits_all = inherits_all});
  writable.reset();
  std::string all;
  char text[256];
  for (ssize_t count = 0; (count = ::read(readable.get(), text, sizeof text)) > 0;)
    all.append(text, static_cast<std::size_t>(count));
  CHECK(child.wait().status == 0);
  return all;
}

std::string const has_descriptor = "; do if eval \"true <&$n\" 2>&-; then echo $n; fi; done";

}  // namespace

TEST_CASE("a child gets what it is given, and nothing else") {
  unique_fd const open(::fcntl(STDERR_FILENO, F_DUPFD, 9));
  unique_fd const given(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  auto const number = std::to_string(open.get());
  auto const script = "for n in 3 4 " + number + has_descriptor;
  CHECK(output_of(script, {given.get()}) == "3\n");
  CHECK(output_of("for n in " + number + has_descriptor, {}, true) == number + "\n");
  CHECK(output_of("echo $YONDER_TEST_WORD; cat", {}) == "said\n");
}

TEST_CASE("a child finds every signal as at a program's start, and is the first of its own group") {
  sigset_t blocked, before;
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGUSR1);
  ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
  auto* const handler = ::signal(SIGUSR2, SIG_IGN);
  auto const group = output_of("read -r _ _ _ _ group _ </proc/$$/stat; expr $group - $$ || true", {});
  auto const sets = output_of("sed -n 's/^Sig[BI][lg][kn]:[[:space:]]*//p' /proc/self/status", {});
  ::signal(SIGUSR2, handler);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  CHECK(group == "0\n");
  constexpr unsigned long standard = 0x7fffffff;  // the C library has two of the others to itself
  REQUIRE(sets.size() == 2 * 17);
  CHECK((std::stoul(sets.substr(0, 16), nullptr, 16) & standard) == 0);
  CHECK((std::stoul(sets.substr(17, 16), nullptr, 16) & standard) == 0);
}

TEST_CASE("descriptors are given in their order, whatever numbers they have here") {
  std::array<unique_fd, 3> given;  // most likely 3, 4 and 5, and given the other way round
  for (std::size_t i = 0; i < given.size(); ++i) {
    std::array<int, 2> ends{};
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
    given[i].reset(ends[0]);
    unique_fd const writable(ends[1]);
    char const name = static_cast<char>('a' + i);
    REQUIRE(::write(writable.get(), &name, 1) == 1);
  }
  CHECK(output_of("cat <&3; cat <&4; cat <&5", {given[2].get(), given[1].get(), given[0].get()}) == "cba");
}

TEST_CASE("how a process ended is said in words") {
  CHECK(to_string(exit_report{.status = 3}) == "exited with status 3");
  CHECK(to_string(exit_report{.signal = SIGABRT}) == "was ended by SIGABRT (signal 6)");
  CHECK(to_string(exit_report{.signal = SIGKILL}) ==
        "was ended by SIGKILL (signal 9; memory may have run out)");
  CHECK(to_string(exit_report{.known = false}) == "ended, and somebody else waited for it");
}

TEST_CASE("a program that is not there is named") {
  try {
    spawn({.path = "no-such-program", .arguments = {"no-such-program"}, .environment = {}});
    FAIL("it was started");
  } catch (std::system_error const& error) {
    CHECK(std::string(error.what()) == "'no-such-program': No such file or directory");
  }
}

TEST_CASE("an empty memory gets its size once, for ever, and can be read by who cannot write it") {
  auto const memory = empty_memory();
  auto const reopened = reopened_for_reading(memory.get());
  CHECK_FALSE(has_size(memory.get(), 0));  // it may change
  set_size(memory.get(), 1 << 20);
  set_size(memory.get(), 1 << 20);
  for (auto const* const one : {&memory, &reopened}) {
    CHECK(has_size(one->get(), 1 << 20));
    CHECK_FALSE(has_size(one->get(), 2 << 20));
    CHECK(::ftruncate(one->get(), 0) == -1);
  }
  char const written[] = "here";
  REQUIRE(::pwrite(memory.get(), written, sizeof written, 0) == sizeof written);
  char found[sizeof written] = {};
  CHECK(::pread(reopened.get(), found, sizeof found, 0) == sizeof found);
  CHECK(std::string(found) == written);
  CHECK(::pwrite(reopened.get(), written, 1, 0) == -1);
  CHECK(::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, reopened.get(), 0) == MAP_FAILED);
}

TEST_CASE("a memory that another process cuts before its size is sealed is refused, in words") {
  auto const memory = empty_memory();
  others_cut = true;
  CHECK_THROWS_WITH_AS(set_size(memory.get(), 1 << 20),
                       doctest::Contains("another process has changed the memory's size"), std::system_error);
  others_cut = false;
  CHECK_THROWS_AS(set_size(memory.get(), 1 << 20), std::system_error);  // it stays so, for ever
}

// Else whoever touches it first ends by SIGBUS.
TEST_CASE(
    "where the system keeps account of memory, shared memory that it has none for is refused, in words") {
  constexpr std::size_t size = 1 << 20;
  auto const bytes_of = [](unique_fd const& memory) {
    struct stat about {};
    REQUIRE(::fstat(memory.get(), &about) == 0);
    return static_cast<std::size_t>(about.st_blocks) * 512;
  };
  accounting = "0";
  CHECK(bytes_of(sealed_memory(size)) == 0);
  accounting = "2";
  CHECK(bytes_of(sealed_memory(size)) == size);
  CHECK(bytes_of(anonymous_memory(size)) == size);
  CHECK_THROWS_AS(set_size(empty_memory().get(), size), std::system_error);
  has_memory = false;
  std::string said;
  try {
    sealed_memory(size);
  } catch (std::system_error const& error) {
    said = error.what();
  }
  has_memory = true;
  accounting = nullptr;
  CHECK(
      said ==
      "fallocate, because the system has promised all of its memory (vm.overcommit_memory): No space left on "
      "device");
}

TEST_CASE("a child's end is seen, and how it came") {
  auto const child = spawn({.path = "sleep", .arguments = {"sleep", "1000"}, .environment = {}});
  child.kill(SIGTERM);
  pollfd end{child.handle(), POLLIN, 0};
  CHECK(::poll(&end, 1, -1) == 1);
  CHECK(child.wait().signal == SIGTERM);
}

}  // namespace yonder::platform
