// SPDX-License-Identifier: Apache-2.0
//
// Workers on another machine, which ssh reaches: started for the first call, gone when nothing is left to do.
// Which machines stands in a file, launch.toml, that $YONDER_LAUNCH names.
#include <yonder/yonder.hpp>

#include <chrono>
#include <iostream>
#include <thread>

using namespace std::chrono_literals;

int square(int n) { return n * n; }
inline constexpr yonder::task<square> squared;

std::size_t workers(yonder::runtime const& here) { return here.pools().front().workers; }

int main(int argc, char** argv) {
  yonder::runtime here(argc, argv, {.scaledown_window = 100ms, .bind = {"tcp://127.0.0.1:*"}});
  std::cout << workers(here) << " workers\n";
  std::cout << "12 squared is " << squared.remote(12) << "\n";
  while (workers(here) != 0) std::this_thread::sleep_for(1ms);
  std::cout << "and none is left\n";
}
