// SPDX-License-Identifier: Apache-2.0
#include "src/platform/epoll_poller.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>

#include <functional>
#include <new>
#include <set>
#include <system_error>
#include <thread>
#include <vector>

namespace yonder::testing {

namespace {

using platform::epoll_poller;
using platform::unique_fd;

struct call {
  std::uint64_t token;
  bool readable, writable;
};

struct recorder final : platform::ready_handler {
  std::vector<call> calls;
  std::function<void(std::uint64_t)> then = [](std::uint64_t) {};

  void on_ready(std::uint64_t token, bool readable, bool writable) override {
    calls.push_back({token, readable, writable});
    then(token);
  }
};

struct socket_pair {
  unique_fd near, far;
  socket_pair() {
    int fds[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) != 0)
      throw std::system_error(errno, std::generic_category(), "socketpair");
    near.reset(fds[0]);
    far.reset(fds[1]);
  }
  void fill() const { CHECK(::write(far.get(), "x", 1) == 1); }
};

constexpr std::int64_t long_ns = 20'000'000'000;

}  // namespace

TEST_CASE("a readable descriptor is told again and again, until it has been read") {
  epoll_poller poller;
  recorder handler;
  socket_pair pair;
  poller.add(pair.near.get(), handler, 7);
  CHECK(poller.wait(0) == 0);
  pair.fill();
  CHECK(poller.wait(long_ns) == 1);
  CHECK(poller.wait(long_ns) == 1);
  REQUIRE(handler.calls.size() == 2);
  CHECK(handler.calls[1].token == 7);
  CHECK(handler.calls[1].readable);
  CHECK_FALSE(handler.calls[1].writable);
  char byte;
  CHECK(::read(pair.near.get(), &byte, 1) == 1);
  CHECK(poller.wait(0) == 0);
}

TEST_CASE("writability is told only while it is wanted") {
  epoll_poller poller;
  recorder handler;
  socket_pair pair;
  poller.add(pair.near.get(), handler, 1);
  CHECK(poller.wait(0) == 0);
  poller.want_write(pair.near.get(), handler, 1, true);
  CHECK(poller.wait(long_ns) == 1);
  CHECK(handler.calls.back().writable);
  CHECK_FALSE(handler.calls.back().readable);
  poller.want_write(pair.near.get(), handler, 1, false);
  CHECK(poller.wait(0) == 0);
}

TEST_CASE("a hang-up is told as readable: reading tells the rest") {
  epoll_poller poller;
  recorder handler;
  socket_pair pair;
  poller.add(pair.near.get(), handler, 1);
  pair.far.reset();
  CHECK(poller.wait(long_ns) == 1);
  CHECK(handler.calls.back().readable);
}

TEST_CASE("the end of a pipe, of which nothing else can be told, is told as readable") {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
  unique_fd const readable(ends[0]);
  unique_fd writable(ends[1]);
  epoll_poller poller;
  recorder handler;
  poller.add(readable.get(), handler, 1);
  CHECK(poller.wait(0) == 0);
  writable.reset();
  CHECK(poller.wait(long_ns) == 1);
  CHECK(handler.calls.back().readable);
}

TEST_CASE("a handler that another one removes in the same round is not called") {
  epoll_poller poller;
  recorder handler;
  socket_pair pairs[2];
  for (std::uint64_t i = 0; i < 2; ++i) {
    poller.add(pairs[i].near.get(), handler, i);
    pairs[i].fill();
  }
  handler.then = [&](std::uint64_t token) { poller.remove(pairs[1 - token].near.get()); };
  CHECK(poller.wait(long_ns) == 2);
  CHECK(handler.calls.size() == 1);
}

TEST_CASE("a descriptor number that is used anew in the same round does not get the old one's event") {
  epoll_poller poller;
  recorder handler;
  socket_pair pairs[2];
  socket_pair quiet;
  for (std::uint64_t i = 0; i < 2; ++i) {
    poller.add(pairs[i].near.get(), handler, i);
    pairs[i].fill();
  }
  handler.then = [&](std::uint64_t token) {
    auto& other = pairs[1 - token].near;
    auto const number = other.get();
    poller.remove(number);
    REQUIRE(::dup3(quiet.near.get(), number, O_CLOEXEC) == number);
    poller.add(number, handler, 99);
  };
  poller.wait(long_ns);
  REQUIRE(handler.calls.size() == 1);
  CHECK(handler.calls[0].token != 99);
}

TEST_CASE("handlers may add many descriptors while they are called") {
  epoll_poller poller;
  recorder handler;
  std::vector<socket_pair> added(100);
  socket_pair first;
  poller.add(first.near.get(), handler, 0);
  first.fill();
  handler.then = [&](std::uint64_t token) {
    if (token != 0) return;
    poller.remove(first.near.get());
    for (auto& each : added) {
      poller.add(each.near.get(), handler, 1);
      each.fill();
    }
  };
  poller.wait(long_ns);
  std::size_t told = 0;
  while (told < added.size()) {
    REQUIRE(poller.wait(long_ns) > 0);
    for (auto& each : added) {
      char byte;
      if (each.near && ::read(each.near.get(), &byte, 1) == 1) ++told;
    }
  }
  CHECK(told == added.size());
}

TEST_CASE("a handler that throws takes nothing from anybody: edges, too, are told by the next round") {
  epoll_poller poller;
  epoll_poller outer;  // of a loop of the program's own
  recorder handler;
  recorder of_outer;
  socket_pair pairs[3];
  for (std::uint64_t i = 0; i < 3; ++i) {
    poller.add_edge(pairs[i].near.get(), handler, i);
    pairs[i].fill();
  }
  outer.add(poller.descriptor(), of_outer, 0);
  int throws = 2;
  std::set<std::uint64_t> told;
  handler.then = [&](std::uint64_t token) {
    if (told.size() == 1 && throws-- > 0) throw std::bad_alloc();
    told.insert(token);
  };
  CHECK_THROWS_AS(poller.wait(long_ns), std::bad_alloc);
  CHECK(outer.poll(long_ns));
  CHECK_THROWS_AS(poller.wait(long_ns), std::bad_alloc);
  CHECK(poller.wait(long_ns) == 2);
  CHECK(told.size() == 3);
  poller.wait(0);
  CHECK_FALSE(poller.poll(0));
}

TEST_CASE("ring() ends a wait, from another thread too, and one that has not begun") {
  epoll_poller poller;
  poller.ring();
  CHECK(poller.poll(long_ns));
  poller.dispatch();
  CHECK_FALSE(poller.poll(0));  // one wake-up ends one wait
  std::thread other([&] { poller.ring(); });
  CHECK(poller.poll(long_ns));
  other.join();
}

TEST_CASE("a wait ends when its time is over, whatever its unit") {
  epoll_poller poller;
  for (std::int64_t const timeout :
       {std::int64_t{0}, std::int64_t{1}, std::int64_t{300'000}, std::int64_t{1'000'000}})
    CHECK_FALSE(poller.poll(timeout));
}

TEST_CASE("what cannot be waited for is refused") {
  epoll_poller poller;
  recorder handler;
  CHECK_THROWS_AS(poller.add(999'999, handler, 1), std::system_error);
  poller.remove(999'999);  // of what is not there: nothing happens
}

}  // namespace yonder::testing
