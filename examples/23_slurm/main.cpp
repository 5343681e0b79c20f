// SPDX-License-Identifier: Apache-2.0
//
// Workers in jobs of SLURM: submitted for the first call, each with a GPU of its own, over when nothing is
// left to do.
#include <yonder/launch.hpp>
#include <yonder/yonder.hpp>

#include <chrono>
#include <iostream>
#include <thread>

using namespace std::chrono_literals;

int square(int n) { return n * n; }
inline constexpr yonder::task<square, "square"> squared{
    {.timeout = 60s}};  // it runs where as much time is left

std::size_t workers(yonder::runtime const& here) { return here.pools().front().workers; }

int main(int argc, char** argv) {
  yonder::launch::slurm const jobs{.gres = "gpu:2", .time = 10min, .interval = 1s};  // two workers each
  yonder::runtime here(
      argc, argv,
      {.bind = {"tcp://0.0.0.0:*"},
       .launch = yonder::launch::plan_of(
           {.address = argc > 1 ? argv[1] : "", .pools = {{.by = jobs, .max = 4, .scaledown_window = 1s}}})});
  std::cout << workers(here) << " workers\n";
  int sum = 0;
  for (int one : squared.map(std::vector{3, 4})) sum += one;
  std::cout << "3 and 4 squared are " << sum << "\n";
  while (workers(here) != 0) std::this_thread::sleep_for(10ms);
  std::cout << "and none is left\n";
}
