// SPDX-License-Identifier: Apache-2.0
// expect: a pointer means nothing in another process
#include <yonder/task.hpp>

int length(char const* text);
inline constexpr yonder::task<length> length_task;

int main() { return length_task.remote("text") + length_task("text"); }
