// SPDX-License-Identifier: Apache-2.0
// Tasks of one parameter that is a template: its arguments need not travel.
#include <memory_resource>
#include <set>
#include <vector>
#include <yonder/task.hpp>

template <class T, class Tag>
struct strong {
  T value{};
  void serialize(auto& ar) { ar(value); }
};
using user_id = strong<int, struct user_tag>;
struct by_remainder {
  int by = 10;
  bool operator()(int a, int b) const { return a % by < b % by; }
};

int next(user_id id);
int count(std::set<int, by_remainder> numbers);
int sum(std::pmr::vector<int> const& numbers);
inline constexpr yonder::task<next> next_task;
inline constexpr yonder::task<count> count_task;
inline constexpr yonder::task<sum> sum_task;

int main() { return next_task.remote({1}) + count_task.remote({1, 2}) + sum_task.remote({1, 2}); }
