// SPDX-License-Identifier: Apache-2.0
//
// Many calls at once: lazy, in order or as they come, errors thrown or collected.
#include <yonder/yonder.hpp>

#include <iostream>
#include <numeric>
#include <stdexcept>
#include <tuple>
#include <vector>

int square(int n) { return n * n; }
int add(int a, int b) { return a + b; }
int only_even(int n) {
  if (n % 2 != 0) throw std::invalid_argument(std::to_string(n) + " is odd");
  return n;
}

inline constexpr yonder::task<square> squares{{.retries = 3}};  // also when a worker dies
inline constexpr yonder::task<add> sums;
inline constexpr yonder::task<only_even> evens;

int main(int argc, char** argv) {
  yonder::runtime here(argc, argv);

  std::vector<int> numbers(1000);
  std::iota(numbers.begin(), numbers.end(), 1);

  long total = 0;
  for (int const n : squares.map(numbers).progress())
    total += n;  // in the order of the input; on a terminal with a bar
  std::cout << "sum of squares: " << total << "\n";

  auto as_they_come = squares.map(numbers).unordered().window(64);
  for (auto i = as_they_come.begin(); i != as_they_come.end(); ++i)
    if (*i != square(numbers[i.index()])) return 1;

  std::vector<std::tuple<int, int>> const pairs{{1, 2}, {3, 4}};
  for (int const sum : sums.starmap(pairs)) std::cout << "sum: " << sum << "\n";

  for (auto& result : evens.map(std::vector{1, 2, 3}).on_error(yonder::on_error::collect))
    std::cout << (result ? std::to_string(*result) : result.error().details().message) << "\n";
}
