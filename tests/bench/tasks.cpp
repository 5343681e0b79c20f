// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/tasks.hpp"

#include <chrono>
#include <thread>

namespace bench {

int plus(int a, int b) noexcept { return a + b; }
int twice(int a) { return 2 * a; }
std::string echo(std::string const& text) { return text; }
std::vector<float> echo_numbers(std::vector<float> const& numbers) { return numbers; }
std::vector<float> copy_numbers(std::span<float const> numbers) { return {numbers.begin(), numbers.end()}; }
int sleep_for(int milliseconds) {
  std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
  return milliseconds;
}

}  // namespace bench
