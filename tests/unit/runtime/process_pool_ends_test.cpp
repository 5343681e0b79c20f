// SPDX-License-Identifier: Apache-2.0
//
// How workers end that are shell scripts: descriptor 3 is their socket, 5 the one by which their tasks call.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "src/platform/poller.hpp"
#include "src/platform/unique_fd.hpp"
#include "src/runtime/process_pool.hpp"

namespace yonder::runtime_detail {
namespace {

namespace fs = std::filesystem;
using pool_events = std::vector<pool_event>;
using frame_events = std::vector<transport::event>;

// A folder, where $0 of a script is a frame as it is sent, $1 is not there yet, and $2 is a FIFO.
class script_folder {
 public:
  script_folder() {
    std::string name = (fs::temp_directory_path() / "yonder-pool-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
    std::ofstream(path_ / "frame") << wire();
    REQUIRE(::mkfifo((path_ / "fifo").c_str(), 0600) == 0);
  }
  ~script_folder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  script_folder(script_folder const&) = delete;
  script_folder& operator=(script_folder const&) = delete;

  process_pool_config runs(std::string const& script) const {
    return {.limits = {},
            .command = {"/bin/sh", "-c", script, path_ / "frame", path_ / "made", path_ / "fifo"}};
  }
  bool made() const { return fs::exists(path_ / "made"); }
  platform::unique_fd open_fifo(int how) const {
    return platform::unique_fd(::open((path_ / "fifo").c_str(), how | O_CLOEXEC));
  }

 private:
  static std::string wire() {
    std::array<int, 2> ends{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
    platform::unique_fd const other(ends[1]);
    auto const poller = platform::make_poller();
    transport::local_endpoint end(*poller);
    auto const to = end.add(platform::unique_fd(ends[0]));
    core::frame message;
    message.head.type = core::frame_type::heartbeat;
    REQUIRE(end.send(to, message) == transport::send_status::sent);
    end.flush();
    std::array<char, 4096> bytes{};
    auto const count = ::recv(other.get(), bytes.data(), bytes.size(), 0);
    REQUIRE(count > 0);
    return {bytes.data(), static_cast<std::size_t>(count)};
  }

  fs::path path_;
};

// Tells nothing by itself, and of processes only where it is asked to.
class silent_poller final : public platform::poller {
 public:
  void add(int fd, platform::ready_handler& handler, std::uint64_t token) override {
    watched_.push_back({fd, &handler, token});
  }
  void add_edge(int fd, platform::ready_handler& handler, std::uint64_t token) override {
    add(fd, handler, token);
  }
  void want_write(int, platform::ready_handler&, std::uint64_t, bool) override {}
  void remove(int fd) override {
    std::erase_if(watched_, [&](auto const& one) { return one.fd == fd; });
  }
  bool poll(std::int64_t) override { return false; }
  int dispatch() override { return 0; }
  void ring() noexcept override {}
  int descriptor() const noexcept override { return -1; }

  void tell_of_ends() {
    for (auto const& one : std::vector(watched_))
      if (fs::read_symlink("/proc/self/fd/" + std::to_string(one.fd)).string().find("pidfd") !=
          std::string::npos)
        one.handler->on_ready(one.token, true, false);
  }

 private:
  struct watched {
    int fd;
    platform::ready_handler* handler;
    std::uint64_t token;
  };
  std::vector<watched> watched_;
};

// What is told of one that ends before anything of it was read.
void run_to_its_end(process_pool_config config, pool_events& happened, frame_events& frames) {
  silent_poller poller;
  process_pool pool(poller, std::move(config));
  pool.start({.start = 1});
  siginfo_t info{};
  REQUIRE(::waitid(P_ALL, 0, &info, WEXITED | WNOWAIT) == 0);
  poller.tell_of_ends();
  pool.take(happened, frames);
  CHECK(pool.size() == 0);
}

// Until it has told of something.
void turn(platform::poller& poller, process_pool& pool, pool_events& happened, frame_events& frames) {
  for (auto const before = happened.size() + frames.size(); happened.size() + frames.size() == before;) {
    poller.wait(-1);
    pool.take(happened, frames);
  }
}

// What is written to stderr meanwhile goes nowhere.
class muted_stderr {
 public:
  muted_stderr() {
    platform::unique_fd const nothing(::open("/dev/null", O_WRONLY | O_CLOEXEC));
    ::dup2(nothing.get(), STDERR_FILENO);
  }
  ~muted_stderr() { ::dup2(before_.get(), STDERR_FILENO); }
  muted_stderr(muted_stderr const&) = delete;
  muted_stderr& operator=(muted_stderr const&) = delete;

 private:
  platform::unique_fd before_{::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)};
};

}  // namespace

TEST_CASE("what a worker wrote just before its end is told with it") {
  script_folder const folder;
  pool_events happened;
  frame_events frames;
  run_to_its_end(folder.runs("echo last words; exit 3"), happened, frames);
  REQUIRE(happened.size() == 1);
  CHECK(happened[0].what == pool_event::kind::start_failed);
  CHECK(happened[0].loss.stderr_tail == "last words\n");
}

TEST_CASE("what a worker and its tasks sent just before its end comes before it") {
  script_folder const folder;
  pool_events happened;
  frame_events frames;
  run_to_its_end(folder.runs("cat \"$0\" >&3; cat \"$0\" >&5"), happened, frames);
  REQUIRE(frames.size() == 2);
  CHECK(frames[0].peer != frames[1].peer);
  std::erase_if(happened, [](auto const& one) { return one.what == pool_event::kind::notice; });
  REQUIRE(happened.size() == 4);
  CHECK(happened[0].what == pool_event::kind::connected);
  CHECK(happened[1].what == pool_event::kind::connected);
  CHECK(happened[2].what == pool_event::kind::lost);
  CHECK(happened[2].peer == frames[1].peer);
  CHECK(happened[3].what == pool_event::kind::lost);
  CHECK(happened[3].peer == frames[0].peer);
}

TEST_CASE("the end does not wait for a worker that has not said anything yet") {
  script_folder const folder;
  auto const poller = platform::make_poller();
  process_pool pool(*poller, folder.runs("echo > \"$2\"; cat <&3; : > \"$1\""));
  pool.start({.start = 1});
  char line = 0;
  REQUIRE(::read(folder.open_fifo(O_RDONLY).get(), &line, 1) == 1);
  pool.stop();
  CHECK_FALSE(folder.made());
}

TEST_CASE("a worker has the time of its service for its end, and what it prints then is read") {
  script_folder const folder;
  {
    muted_stderr const quiet;
    auto const poller = platform::make_poller();
    process_pool pool(*poller, folder.runs("cat \"$0\" >&3; cat <&3; head -c 200000 /dev/zero; sleep 1.5; "
                                           ": > \"$1\""));
    pool.start({.start = 1, .exit_timeout = 15 * core::second});
    pool_events happened;
    frame_events frames;
    while (frames.empty()) turn(*poller, pool, happened, frames);
    pool.stop();
  }
  CHECK(folder.made());
}

TEST_CASE("of two workers that have not started only the one that is given up is killed") {
  script_folder const folder;
  auto const fifo = folder.open_fifo(O_RDWR);
  auto const poller = platform::make_poller();
  process_pool pool(*poller, folder.runs("read line < \"$2\"; exit 5"));
  pool.start({.start = 1});
  pool.start({.start = 2});
  pool.abandon(1);
  pool_events happened;
  frame_events frames;
  turn(*poller, pool, happened, frames);
  CHECK(happened[0].start == 1);
  CHECK(happened[0].text.find("SIGKILL") != std::string::npos);
  REQUIRE(::write(fifo.get(), "\n", 1) == 1);
  while (happened.size() < 2) turn(*poller, pool, happened, frames);
  CHECK(happened[1].start == 2);
  CHECK(happened[1].text.find("SIGKILL") == std::string::npos);
}

TEST_CASE("a fork keeps a descriptor that has the number of an earlier worker's socket") {
  script_folder const folder;
  auto const poller = platform::make_poller();
  process_pool pool(*poller, folder.runs("cat <&3"));
  pool.start({.start = 1});
  pool.stop();
  std::array<platform::unique_fd, 32> later;
  for (auto& one : later) one = platform::unique_fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  auto const fork = ::fork();
  if (fork == 0) {
    for (auto const& one : later)
      if (::fcntl(one.get(), F_GETFD) < 0) ::_exit(1);
    ::_exit(0);
  }
  int status = -1;
  REQUIRE(::waitpid(fork, &status, 0) == fork);
  CHECK(status == 0);
}

}  // namespace yonder::runtime_detail
