// SPDX-License-Identifier: Apache-2.0
//
// A hub that starts its workers as $YONDER_LAUNCH says, and their program.
// launching_hub once: a call that says in which process it runs; then waits until no worker is left.
// launching_hub alone: the same, of a hub that nobody can come into.
// launching_hub serve [IPC]: such a call, and then it is a hub until SIGTERM or SIGHUP; by that address its
// operator comes in.
// launching_hub sizes: a call of a service; then a line for each pool: its name, up to '-', and its numbers.
// launching_hub told: a call that says which $YONDER_TEST_WORDS its worker has.
// launching_hub again: three such calls, each when the pool has just let its only worker go.
// launching_hub stay N FOLDER: N calls that leave a file each, named by their process, and do not end.
// launching_hub crash: a call that says something and ends its process; and another one, which does not.
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "yonder/launch.hpp"
#include "yonder/yonder.hpp"

using namespace std::chrono_literals;

int run() { return ::getpid(); }
inline constexpr yonder::task<run> running;

int stay(std::string const& folder) {
  std::ofstream(folder + "/worker." + std::to_string(::getpid()));
  std::this_thread::sleep_for(1h);
  return 0;
}
inline constexpr yonder::task<stay> staying;

int crash() {
  std::cerr << "the last words of a worker" << std::endl;
  std::abort();
}
inline constexpr yonder::task<crash> crashing;

std::string told() {
  char const* const words = std::getenv("YONDER_TEST_WORDS");
  return words == nullptr ? "nothing" : words;
}
inline constexpr yonder::task<told> telling;

class Counter {
 public:
  int where() const { return ::getpid(); }
};
inline constexpr yonder::service<Counter()> counter;
inline constexpr yonder::method<&Counter::where> where;

int main(int argc, char** argv) {
  sigset_t endings;  // of here.serve()
  ::sigemptyset(&endings);
  for (int const each : {SIGTERM, SIGHUP}) ::sigaddset(&endings, each);
  ::pthread_sigmask(SIG_BLOCK, &endings, nullptr);
  auto const log = [](std::string_view line) { std::cout << "log: " << line << std::endl; };
  std::string what = argc > 1 ? argv[1] : "";
  std::vector<std::string> bind{"tcp://127.0.0.1:*"};
  if (what == "alone" || what == "sizes") bind.clear();
  if (what == "alone") what = "once";
  if (what == "serve" && argc > 2) bind.emplace_back(argv[2]);
  yonder::runtime here(argc, argv, {.scaledown_window = 200ms, .bind = std::move(bind), .log = log});
  try {
    if (what == "once" || what == "serve") std::cout << "ran in " << running.remote() << std::endl;
    for (int i = 0; what == "again" && i < 3; ++i) {
      while (here.pools().front().workers != 0) std::this_thread::sleep_for(1ms);
      running.remote();
    }
    if (what == "told") {
      auto const words = telling.remote();  // and whatever is logged meanwhile is before it
      std::cout << "told " << words << std::endl;
    }
    if (what == "sizes") {
      where.on(counter()).remote();
      for (auto const& one : here.pools())
        std::cout << one.name.substr(0, one.name.find('-')) << " " << one.min << " " << one.max << " "
                  << one.buffer << " " << one.scaledown_window / 1ms << std::endl;
    }
    if (what == "crash") try {
        crashing.remote();
      } catch (yonder::error const& error) {
        std::cout << "failed: " << error.what() << std::endl;
        std::cout << "ran in " << running.remote() << std::endl;
      }
    std::vector<yonder::call<int>> calls;
    for (int i = 0; what == "stay" && i < std::atoi(argv[2]); ++i) calls.push_back(staying.spawn(argv[3]));
    for (auto& one : calls) one.get();
  } catch (yonder::error const& error) {
    std::cout << "failed: " << error.what() << std::endl;
  }
  if (what == "serve") here.serve();
  while (what == "once" && here.pools().front().workers != 0) std::this_thread::sleep_for(1ms);
  std::cout << "over" << std::endl;
}
