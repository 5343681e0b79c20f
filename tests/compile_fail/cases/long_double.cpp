// SPDX-License-Identifier: Apache-2.0
// expect: long double and 128-bit integers have no fixed form; send double or std::int64_t
#include <yonder/task.hpp>

long double root(long double number);
inline constexpr yonder::task<root> root_task;

int main() { return root_task.remote(2) > root_task.spawn(3).get(); }
