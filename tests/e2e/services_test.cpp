// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <set>
#include <thread>

#include "src/platform/unique_fd.hpp"
#include "tests/e2e/fixture.hpp"
#include "tests/e2e/folder.hpp"
#include "yonder/yonder.hpp"

using namespace std::chrono_literals;

namespace e2e::stateful {

// Counts what it is asked for, so that its state is seen.
class tally {
 public:
  tally(int start, std::string const& unit) : count_(start), unit_(unit) {
    if (start < 0) throw std::out_of_range("a counter begins at 0 or later, not at " + std::to_string(start));
    if (unit == "crash") ::_exit(3);
  }
  std::string next(int step) { return std::to_string(count_ += step) + " " + unit_; }
  int process() const { return ::getpid(); }
  bool healthy() const { return count_ < 1000; }
  void fail() const { throw std::domain_error("as asked"); }

 private:
  int count_;
  std::string unit_;
};

// Lets a call end only when as many others are inside as it takes.
class meeting {
 public:
  static constexpr unsigned concurrency = 3;
  int meet(int people) const {
    ++inside_;
    while (inside_ < people && !yonder::this_call::stop_requested()) std::this_thread::yield();
    return inside_;
  }
  void wait() const {
    ++inside_;
    while (!yonder::this_call::stop_requested()) std::this_thread::yield();
    ++left_;
  }
  int inside() const { return inside_; }
  int left() const { return left_; }

 private:
  mutable std::atomic<int> inside_{0};
  mutable std::atomic<int> left_{0};
};

class slow_starter {
 public:
  explicit slow_starter(bool hangs) {
    while (hangs && !yonder::this_call::stop_requested()) std::this_thread::sleep_for(1ms);
  }
  int one() const noexcept { return 1; }
};

// Its destructor takes no end.
class slow_leaver {
 public:
  slow_leaver() = default;
  slow_leaver(slow_leaver const&) = delete;
  slow_leaver& operator=(slow_leaver const&) = delete;
  ~slow_leaver() {
    for (;;) std::this_thread::sleep_for(1s);
  }
  int process() const { return ::getpid(); }
};

// Takes several calls at once, and leaves no room for their threads.
class crowd {
 public:
  static constexpr unsigned concurrency = 2;
  crowd() {
    pthread_attr_t huge;
    ::pthread_attr_init(&huge);
    ::pthread_attr_setstacksize(&huge, std::size_t{1} << 60);
    ::pthread_setattr_default_np(&huge);
    ::pthread_attr_destroy(&huge);
  }
  int one() const noexcept { return 1; }
};

// Says its end through a named pipe.
class brief_one {
 public:
  explicit brief_one(std::string const& pipe) : pipe_(::open(pipe.c_str(), O_WRONLY | O_CLOEXEC)) {}
  brief_one(brief_one const&) = delete;
  brief_one& operator=(brief_one const&) = delete;
  ~brief_one() { [[maybe_unused]] auto const written = ::write(pipe_.get(), "x", 1); }
  int next() { return ++count_; }

 private:
  yonder::platform::unique_fd pipe_;
  int count_ = 0;
};

inline constexpr yonder::service<tally(int, std::string)> count{{.max = 1}};
inline constexpr yonder::method<&tally::next> next;
inline constexpr yonder::method<&tally::process> process_of;
inline constexpr yonder::method<&tally::fail> fail_of;

inline constexpr yonder::service<brief_one(std::string), "e2e.brief"> brief_ones{{.scaledown_window = 0ns}};
inline constexpr yonder::method<&brief_one::next> next_of_brief;

inline constexpr yonder::service<meeting(), "e2e.meeting"> meetings{{.max = 1}};
inline constexpr yonder::method<&meeting::meet> meet{{.timeout = 30s}};
inline constexpr yonder::method<&meeting::wait> wait_in;
inline constexpr yonder::method<&meeting::inside> inside_of;
inline constexpr yonder::method<&meeting::left> left_of;

inline constexpr yonder::service<crowd(), "e2e.crowd"> crowds{{.max = 1}};
inline constexpr yonder::method<&crowd::one> one_of_crowd;

inline constexpr yonder::service<slow_leaver()> leavers{
    {.max = 1, .scaledown_window = 0ns, .exit_timeout = 50ms}};
inline constexpr yonder::method<&slow_leaver::process> left_by;

inline constexpr yonder::service<slow_starter(bool)> slow{{.max = 1, .enter_timeout = 50ms}};
inline constexpr yonder::method<&slow_starter::one> one_of;

TEST_CASE("a service's object lives on a worker, and each set of parameters has workers of its own") {
  auto const cats = count(10, "cats");
  auto const dogs = count(0, "dogs");
  CHECK(next.on(cats).remote(1) == "11 cats");
  CHECK(next.on(cats).remote(1) == "12 cats");
  CHECK(next.on(dogs).remote(5) == "5 dogs");
  CHECK(next.on(count(10, "cats")).remote(2) == "14 cats");  // the same parameters, the same pool
  if (!threads()) {
    CHECK(process_of.on(cats).remote() != process_of.on(dogs).remote());
    CHECK(process_of.on(cats).remote() != ::getpid());
  }
}

TEST_CASE("a method has every verb of a task") {
  auto const sheep = count(0, "sheep");
  auto const more = next.on(sheep);
  CHECK(more.local(2) == "2 sheep");  // an object of this process
  CHECK(more.local(2) == "4 sheep");
  CHECK(more.remote(1) == "1 sheep");
  CHECK(*more.try_remote(1) == "2 sheep");
  CHECK(more.spawn(1).get() == "3 sheep");
  std::vector<std::string> all;
  for (auto& one : more.map(std::vector{1, 1})) all.push_back(one);
  CHECK(all == std::vector<std::string>{"4 sheep", "5 sheep"});
  CHECK(more.with({.placement = yonder::placement::local})(1) == "5 sheep");
  CHECK_THROWS_WITH_AS(fail_of.on(sheep).remote(), "as asked", std::domain_error);
  CHECK(more.remote(1) == "6 sheep");  // what failed did the object no harm
}

TEST_CASE("an instance that was moved from is refused, in words") {
  auto sheep = count(0, "sheep");
  auto const kept = std::move(sheep);
  // NOLINTNEXTLINE(bugprone-use-after-move)
  auto const none = next.on(sheep);
  auto const refused = failure_of([&] { none.remote(1); });
  CHECK(refused.code == yonder::errc::already_read);
  CHECK(refused.message == "this instance of a service was moved from: use the one that it was moved to");
  CHECK_THROWS_AS(none.local(1), yonder::usage_error);
  CHECK_THROWS_AS((void)none.spawn(1), yonder::usage_error);
  CHECK(next.on(kept).local(1) == "1 sheep");
}

TEST_CASE("a constructor that throws, or that ends its process, is a failed start with its text") {
  auto const thrown = failure_of([] { next.on(count(-1, "x")).remote(1); });
  CHECK(thrown.code == yonder::errc::worker_start_failed);
  CHECK(thrown.message.find("std::out_of_range: a counter begins at 0 or later, not at -1") !=
        std::string::npos);
  CHECK(thrown.message.find("e2e::stateful::tally") != std::string::npos);
  if (!threads()) {
    auto const crashed = failure_of([] { next.on(count(0, "crash")).remote(1); });
    CHECK(crashed.code == yonder::errc::worker_start_failed);
    CHECK(crashed.message.find("status 3 while it made its service 'e2e::stateful::tally'") !=
          std::string::npos);
  }
  CHECK(next.on(count(1, "mice")).remote(1) == "2 mice");
}

TEST_CASE("a constructor that hangs is ended after its enter_timeout") {
  auto const hung = failure_of([] { one_of.on(slow(true)).remote(); });
  CHECK(hung.code == yonder::errc::worker_start_failed);
  CHECK(hung.message.find("took longer than 50 ms to make its service 'e2e::stateful::slow_starter'") !=
        std::string::npos);
  CHECK(one_of.on(slow(false)).remote() == 1);
}

TEST_CASE("a destructor that hangs is ended after its exit_timeout" * doctest::skip(threads())) {
  watched_process const gone(left_by.on(leavers()).remote());
  CHECK(gone.ends_within(10s));
  CHECK(left_by.on(leavers()).remote() > 0);
}

TEST_CASE("a service whose worker gets no threads for its calls is a failed start with that text" *
          doctest::skip(threads())) {
  auto const refused = failure_of([] { one_of_crowd.on(crowds()).remote(); });
  CHECK(refused.code == yonder::errc::worker_start_failed);
  CHECK(refused.message.find("its service 'e2e.crowd' was not made: std::system_error") != std::string::npos);
}

TEST_CASE("one object takes as many calls at once as its class says, and a cancel reaches its own") {
  auto const room = meetings();
  auto first = meet.on(room).spawn(3);
  auto second = meet.on(room).spawn(3);
  CHECK(meet.on(room).remote(3) == 3);  // none of them ends before all are there
  CHECK(first.get() == 3);
  CHECK(second.get() == 3);
  auto waits = wait_in.on(room).spawn();
  auto stays = wait_in.on(room).spawn();
  while (inside_of.on(room).remote() != 5) std::this_thread::yield();
  waits.cancel();
  while (left_of.on(room).remote() != 1) std::this_thread::yield();
  CHECK_FALSE(stays.ready());
  stays.cancel();
  while (left_of.on(room).remote() != 2) std::this_thread::yield();
}

TEST_CASE("a worker whose service is no longer healthy is replaced") {
  auto const birds = count(0, "birds");
  CHECK(next.on(birds).remote(999) == "999 birds");
  CHECK(next.on(birds).remote(1) == "1000 birds");
  CHECK(next.on(birds).remote(1) == "1 birds");
}

TEST_CASE("bounds that contradict each other are refused where the instance is made") {
  constexpr yonder::service<tally(int, std::string)> wrong{{.min = 3, .max = 2}};
  auto const refused = failure_of([&] { (void)wrong(1, "x"); });
  CHECK(refused.code == yonder::errc::bad_configuration);
  CHECK(refused.message == "at most 2 workers are wanted, and at least 3; let max be no less than min");
}

TEST_CASE("a service is gone after its window, and made anew by the next call") {
  folder const place;
  auto const pipe = place / "ends";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  yonder::platform::unique_fd const ends(
      ::open(pipe.c_str(), O_RDWR | O_CLOEXEC));  // both: none waits for the other
  yonder::runtime own({.max = 1, .in_process = threads()});
  auto const more = next_of_brief.on(brief_ones(pipe)).on(own);
  CHECK(more.remote() == 1);
  char said = 0;
  CHECK(::read(ends.get(), &said, 1) == 1);
  CHECK(more.remote() == 1);
}

}  // namespace e2e::stateful
