// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/process_pool.hpp"

#include <dirent.h>
#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <cerrno>
#include <memory>
#include <set>
#include <system_error>
#include <vector>

#include "src/platform/poller.hpp"

namespace yonder::runtime_detail {
namespace {

process_pool_config endless() { return {.limits = {}, .command = {"sleep", "1000"}}; }

// One whose `fails_at`th add fails, as where a limit is reached.
class limited_poller final : public platform::poller {
 public:
  explicit limited_poller(int fails_at) : left_(fails_at) {}

  void add(int fd, platform::ready_handler&, std::uint64_t) override {
    if (--left_ == 0) throw std::system_error(ENOSPC, std::generic_category(), "epoll_ctl");
    watched_.insert(fd);
  }
  void add_edge(int fd, platform::ready_handler& handler, std::uint64_t token) override {
    add(fd, handler, token);
  }
  void want_write(int, platform::ready_handler&, std::uint64_t, bool) override {}
  void remove(int fd) override { watched_.erase(fd); }
  bool poll(std::int64_t) override { return false; }
  int dispatch() override { return 0; }
  void ring() noexcept override {}
  int descriptor() const noexcept override { return -1; }

  bool failed() const { return left_ <= 0; }
  bool watches_nothing() const { return watched_.empty(); }

 private:
  int left_;
  std::set<int> watched_;
};

bool has_children() {
  siginfo_t info{};
  return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD;
}

std::size_t open_descriptors() {
  std::unique_ptr<DIR, int (*)(DIR*)> const folder(::opendir("/proc/self/fd"), &::closedir);
  std::size_t count = 0;
  while (::readdir(folder.get()) != nullptr) ++count;
  return count;
}

std::vector<pool_event> events_of(process_pool& pool) {
  std::vector<pool_event> happened;
  std::vector<transport::event> frames;
  pool.take(happened, frames);
  return happened;
}

}  // namespace

TEST_CASE("a start that fails halfway leaves no process, no descriptor and nothing to watch") {
  for (int fails_at = 1;; ++fails_at) {
    limited_poller poller(fails_at);
    process_pool pool(poller, endless());
    auto const before = open_descriptors();
    pool.start({.start = 7});
    if (!poller.failed()) break;
    CAPTURE(fails_at);
    auto const happened = events_of(pool);
    REQUIRE(happened.size() == 1);
    CHECK(happened[0].what == pool_event::kind::start_failed);
    CHECK(happened[0].start == 7);
    CHECK(pool.size() == 0);
    CHECK(open_descriptors() == before);
    CHECK(poller.watches_nothing());
    CHECK_FALSE(has_children());
    REQUIRE(fails_at < 10);
  }
  CHECK_FALSE(has_children());  // the pool's end
}

TEST_CASE("a worker that does not get as far as its runtime is killed when it is given up") {
  auto const poller = platform::make_poller();
  process_pool pool(*poller, endless());
  pool.start({.start = 1});
  pool.start({.start = 2});
  pool.abandon(1);
  std::vector<pool_event> happened;
  while (happened.empty()) {
    poller->wait(-1);
    happened = events_of(pool);
  }
  CHECK(happened[0].what == pool_event::kind::start_failed);
  CHECK(happened[0].start == 1);
  CHECK(happened[0].text.find("SIGKILL") != std::string::npos);
  CHECK(pool.size() == 1);
  pool.stop();
  CHECK_FALSE(has_children());
}

TEST_CASE("where no memory can be shared workers are started all the same, and it is said once") {
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  rlimit const little{32 << 10, before.rlim_max};
  auto const poller = platform::make_poller();
  process_pool pool(*poller, endless());
  ::setrlimit(RLIMIT_FSIZE, &little);
  pool.start({.start = 1});
  pool.start({.start = 2});
  ::setrlimit(RLIMIT_FSIZE, &before);
  auto const happened = events_of(pool);
  REQUIRE(happened.size() == 1);
  CHECK(happened[0].what == pool_event::kind::notice);
  CHECK(happened[0].text.find("RLIMIT_FSIZE") != std::string::npos);
  CHECK(pool.size() == 2);
}

}  // namespace yonder::runtime_detail
