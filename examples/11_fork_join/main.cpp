// SPDX-License-Identifier: Apache-2.0
//
// Tasks that call tasks: the ways to place n queens, split by the first rows. A worker that waits for its
// calls does not count, so any depth gets through.
#include <yonder/yonder.hpp>

#include <iostream>
#include <vector>

// The column of the queen in each row so far.
using board = std::vector<int>;

bool is_free(board const& queens, int column) {
  int const row = static_cast<int>(queens.size());
  for (int above = 0; above < row; ++above) {
    int const apart = queens[static_cast<std::size_t>(above)] - column;
    if (apart == 0 || apart == row - above || apart == above - row) return false;
  }
  return true;
}

long count_ways(board const& queens, int size);
inline constexpr yonder::task<count_ways> ways;

long count_ways(board const& queens, int size) {
  constexpr std::size_t rows_apart = 2;  // below them a call costs more than it saves
  if (static_cast<int>(queens.size()) == size) return 1;
  std::vector<yonder::call<long>> forked;
  long sum = 0;
  for (int column = 0; column < size; ++column) {
    if (!is_free(queens, column)) continue;
    auto next = queens;
    next.push_back(column);
    if (queens.size() < rows_apart)
      forked.push_back(ways.spawn(next, size));  // yonder, even when this runs on a worker itself
    else
      sum += ways.local(next, size);
  }
  for (auto& call : forked) sum += call.get();
  return sum;
}

int main(int argc, char** argv) {
  yonder::runtime here(argc, argv);
  std::cout << "8 queens: " << ways.remote({}, 8) << " ways\n";
  std::cout << "9 queens: " << ways.remote({}, 9) << " ways\n";
}
