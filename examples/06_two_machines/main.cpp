// SPDX-License-Identifier: Apache-2.0
//
// The program of 02_remote needs no change to run on two machines: a hub and workers are started beside it,
// and the environment says where. run.sh plays both machines on one.
#include <unistd.h>
#include <yonder/yonder.hpp>

#include <iostream>
#include <string>

std::string host() {
  char name[256] = "";
  ::gethostname(name, sizeof name - 1);
  return name;
}

std::string work(int n) { return std::to_string(n) + " squared is " + std::to_string(n * n); }

inline constexpr yonder::task<host> where;
inline constexpr yonder::task<work> squared;

int main(int argc, char** argv) {
  yonder::runtime here(argc, argv);  // a worker where it is started with --yonder-worker ENDPOINT
  try {
    std::cout << squared.with({.deadline = std::chrono::seconds(20)}).remote(12) << "\n";
    std::cout << "from " << host() << " to " << where.remote() << " and back\n";
  } catch (yonder::error const& e) {
    std::cerr << e.what() << "\n";
    return 1;
  }
}
