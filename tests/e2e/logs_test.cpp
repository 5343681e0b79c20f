// SPDX-License-Identifier: Apache-2.0
// What tasks of local workers print, as their hub keeps it.
#include <doctest/doctest.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "src/core/call_orders.hpp"
#include "src/runtime/orders.hpp"
#include "tests/e2e/fixture.hpp"
#include "yonder/yonder.hpp"

namespace e2e::printed {
namespace {

int say(std::string const& text) {
  std::fputs(text.c_str(), stderr);
  return static_cast<int>(text.size());
}

int say_if_odd(int number) {
  if (number % 2 == 1) std::cout << number << std::endl;
  return number;
}

std::vector<int> say_all(std::span<int const> numbers) {
  for (int const one : numbers) std::printf("%d\n", one);
  return {numbers.begin(), numbers.end()};
}

// By whom: stdio, a system call, a thread, a process; else it prints nothing.
int print_by(int way) {
  auto const write = [](std::string_view text) { return ::write(STDOUT_FILENO, text.data(), text.size()); };
  switch (way) {
    case 1: return std::printf("by stdio\n");
    case 2: return static_cast<int>(write("by a call\n"));
    case 3: std::thread([&] { write("by a thread\n"); }).join(); return 0;
    case 4: return std::system("echo by a process");
    default: return 0;
  }
}

int close_output(int number) {
  ::close(STDOUT_FILENO);
  ::close(STDERR_FILENO);
  yonder::this_call::retire_worker();
  return number;
}

}  // namespace

// Lets a call end only when as many others are inside as it takes.
class choir {
 public:
  static constexpr unsigned concurrency = 2;
  explicit choir(int) { std::fputs("tuned\n", stderr); }
  int sing(std::string const& text, int people) {
    ++inside_;
    while (inside_ < people) std::this_thread::yield();
    std::fputs(text.c_str(), stderr);
    ++sung_;
    while (sung_ < people) std::this_thread::yield();
    return 0;
  }

 private:
  std::atomic<int> inside_{0};
  std::atomic<int> sung_{0};
};

namespace {

constexpr yonder::task<say, "e2e.printed.say"> says;
constexpr yonder::task<say_if_odd, "e2e.printed.say_if_odd"> says_if_odd;
constexpr yonder::batched<say_all, "e2e.printed.say_all"> says_all{{.max_size = 4}};
constexpr yonder::task<print_by, "e2e.printed.print_by"> prints_by;
constexpr yonder::task<close_output, "e2e.printed.close_output"> closes;

yonder::core::log_page logs_of(yonder::call_id id) {
  auto const here = yonder::detail::current_engine();
  auto const said = yonder::detail::ask_hub(*here, yonder::core::read_logs,
                                            yonder::core::encode_log_order({{id.session, id.number}, 0}));
  yonder::core::log_page page;
  REQUIRE(yonder::core::decode_log_page(std::as_bytes(std::span(said)), page));
  return page;
}

std::string text_of(yonder::call_id id) {
  std::string all;
  for (auto const& one : logs_of(id).entries) all += one.text;
  return all;
}

}  // namespace

inline constexpr yonder::service<choir(int), "e2e.printed.choir"> choirs{{.max = 1}};
inline constexpr yonder::method<&choir::sing, "e2e.printed.sing"> sing;

TEST_CASE("what a task prints is kept with its call, of tasks of any length, one behind the other") {
  if (threads()) return;  // of a worker that is a thread nothing is read
  auto one = says.spawn("one\n");
  CHECK(one.get() == 4);
  CHECK(text_of(one.id()) == "one\n");
  std::vector<yonder::call<int>> calls;
  for (int i = 0; i < 300; ++i) calls.push_back(says_if_odd.spawn(i));
  for (auto& call : calls) call.get();
  // What ran in one row with another before it was known that these print is shown with both.
  for (int i = 0; i < 300; ++i) {
    auto const text = text_of(calls[static_cast<std::size_t>(i)].id());
    CAPTURE(i);
    CAPTURE(text);
    if (i % 2 == 1) CHECK(("\n" + text).find("\n" + std::to_string(i) + "\n") != std::string::npos);
  }
  auto last = says_if_odd.spawn(301);
  last.get();
  CHECK(text_of(last.id()) == "301\n");
}

TEST_CASE("what a task prints after many that print nothing is kept, however it does that") {
  if (threads()) return;
  std::string const texts[] = {"", "by stdio\n", "by a call\n", "by a thread\n", "by a process\n"};
  for (int round = 0; round < 3; ++round)
    for (int way = 1; way <= 4; ++way) {
      for (int i = 0; i < 200; ++i) prints_by.remote(0);
      auto call = prints_by.spawn(way);
      call.get();
      CAPTURE(way);
      CHECK(text_of(call.id()) == texts[way]);
      auto silent = prints_by.spawn(0);
      silent.get();
      CHECK(text_of(silent.id()).empty());
    }
}

TEST_CASE("what a batch prints is shown with each of its calls") {
  if (threads()) return;
  std::vector<yonder::call<int>> calls;
  for (int i = 0; i < 8; ++i) calls.push_back(says_all.spawn(i));
  for (auto& call : calls) call.get();
  for (int i = 0; i < 8; ++i)
    CHECK(text_of(calls[static_cast<std::size_t>(i)].id()).find(std::to_string(i) + "\n") !=
          std::string::npos);
}

TEST_CASE("of calls that run at once in a service none shows what was printed then; of one alone it does") {
  if (threads()) return;
  auto const few = choirs(0);
  auto alone = sing.on(few).spawn("alone\n", 1);
  alone.get();
  CHECK(text_of(alone.id()) == "alone\n");
  auto const many = choirs(1);  // of another process
  auto first = sing.on(many).spawn("a duet\n", 2);
  auto second = sing.on(many).spawn("a duet\n", 2);
  first.get();
  second.get();
  CHECK(text_of(first.id()).empty());
  CHECK(text_of(second.id()).empty());
}

TEST_CASE("a worker whose task closes its output serves on") {
  if (threads()) return;
  CHECK(closes.remote(5) == 5);
  CHECK(says.remote("on") == 2);
}

}  // namespace e2e::printed
