// SPDX-License-Identifier: Apache-2.0
//
// bench_elastic CYCLES: a pool of none, a call, its answer, and a pool of none again, so many times. Prints
// for each the microseconds until the answer, and when it was asked (microseconds since 1970); then how many
// were answered. Workers are started as $YONDER_LAUNCH says, or are processes of this machine. bench_elastic
// --spawn COUNT: what a bare posix_spawn of this program takes until that has ended.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <string_view>
#include <thread>

#include "tests/bench/measure.hpp"
#include "yonder/launch.hpp"
#include "yonder/yonder.hpp"

namespace {

using namespace std::chrono_literals;

int next(int number) { return number + 1; }
constexpr yonder::task<next, "bench_elastic::next"> asked;

long long wall_microseconds() {
  auto const now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

long long microseconds_since(std::int64_t begin) { return (bench::now() - begin) / 1'000; }

void spawn_bare(int count) {
  for (int i = 0; i < count; ++i) {
    auto const run = bench::run_program({bench::own_path(), "--nothing"});
    std::cout << microseconds_since(run.started) << std::endl;
  }
  std::cout << count << " answered" << std::endl;
}

void cycle(yonder::runtime& here, int cycles) {
  int answered = 0;
  for (int i = 0; i < cycles; ++i) {
    auto const asked_at = wall_microseconds();
    auto const begin = bench::now();
    try {
      answered += asked.on(here).remote(i) == i + 1 ? 1 : 0;
    } catch (yonder::error const& error) {
      std::cerr << "lost: " << error.what() << std::endl;
    }
    std::cout << microseconds_since(begin) << ' ' << asked_at << std::endl;
    while (here.pools().front().workers != 0) std::this_thread::sleep_for(1ms);
  }
  std::cout << answered << " answered" << std::endl;
}

}  // namespace

int main(int argc, char** argv) {
  std::string_view const first = argc > 1 ? argv[1] : "";
  if (first == "--nothing") return 0;
  if (first == "--spawn") return spawn_bare(std::atoi(argv[2])), 0;
  yonder::runtime_options options{.scaledown_window = 0ms};
  if (std::getenv("YONDER_LAUNCH") != nullptr) options.bind = {"tcp://127.0.0.1:*"};
  yonder::runtime here(argc, argv, options);
  cycle(here, std::atoi(argv[1]));
}
