// SPDX-License-Identifier: Apache-2.0
// expect: differently; state one: yonder::task<f,
#include <yonder/task.hpp>

constexpr yonder::task<[](int number) { return 2 * number; }> twice;

int main() { return twice.remote(1) + twice.spawn(2).get(); }
