// SPDX-License-Identifier: Apache-2.0
// expect: differently; state one: yonder::task<f,
#include <yonder/task.hpp>

namespace {
int twice(int number) { return 2 * number; }
}  // namespace
constexpr yonder::task<twice> twice_task;

int main() { return twice_task.remote(1) + twice_task.spawn(2).get(); }
