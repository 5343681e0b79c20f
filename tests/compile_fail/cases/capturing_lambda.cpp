// SPDX-License-Identifier: Apache-2.0
// expect: what a lambda captures stays behind; pass it as an argument
#include <yonder/task.hpp>

constexpr auto shift = [by = 1](int number) { return number + by; };
inline constexpr yonder::task<&shift> shift_task;

int main() { return shift_task.remote(1) + shift_task.spawn(2).get(); }
