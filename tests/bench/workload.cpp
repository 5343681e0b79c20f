// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/workload.hpp"

#include <optional>
#include <random>

#include "tests/bench/measure.hpp"
#include "tests/bench/tasks.hpp"

namespace bench {

std::string random_text(std::size_t size) {
  std::mt19937 random(size);
  std::string text(size, '\0');
  for (char& c : text) c = static_cast<char>('a' + random() % 26);
  return text;
}

std::vector<float> random_floats(std::size_t count) {
  std::mt19937 random(static_cast<unsigned>(count));
  std::normal_distribution<float> normal;
  std::vector<float> numbers(count);
  for (float& number : numbers) number = normal(random);
  return numbers;
}

double spawn_rate(std::string const& message, std::size_t window) {
  std::vector<std::optional<yonder::call<std::string>>> calls(window);
  auto const rate = rate_of(window, [&] {
    for (auto& call : calls) {
      if (call) call->get();
      call.emplace(echo_task.spawn(message));
    }
  });
  for (auto& call : calls) call->get();
  return rate;
}

}  // namespace bench
