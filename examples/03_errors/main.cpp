// SPDX-License-Identifier: Apache-2.0
//
// What a task throws comes back as if it had run here; what can go wrong on the way has a type of its own.
#include <yonder/yonder.hpp>

#include <chrono>
#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <string>
#include <thread>

using namespace std::chrono_literals;

double divide(double a, double b) {
  if (b == 0) throw std::domain_error("division by zero");
  return a / b;
}
int crash() { std::abort(); }
int sleep_well() {
  while (!yonder::this_call::stop_requested()) std::this_thread::sleep_for(1ms);
  return 0;
}

inline constexpr yonder::task<divide> division;
inline constexpr yonder::task<crash> crashing;
inline constexpr yonder::task<sleep_well> sleeping{{.deadline = 50ms}};

int main(int argc, char** argv) {
  yonder::runtime here(argc, argv);

  try {
    division.remote(1, 0);
  } catch (std::domain_error const& e) {  // the type that the task threw
    std::cout << "domain_error: " << e.what() << "\n";
  }

  try {
    crashing.remote();
  } catch (yonder::worker_lost const& e) {  // one attempt is lost, this process goes on
    std::cout << "worker_lost by signal " << e.details().signal << "\n";
  }

  try {
    sleeping.remote();
  } catch (yonder::deadline_exceeded const&) {
    std::cout << "deadline_exceeded\n";
  }

  auto const result = division.try_remote(1, 4);  // the error as a value
  std::cout << (result ? "value " + std::to_string(*result) : result.error().what()) << "\n";
}
