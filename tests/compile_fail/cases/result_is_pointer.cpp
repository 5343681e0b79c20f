// SPDX-License-Identifier: Apache-2.0
// expect: a pointer means nothing in another process
#include <yonder/task.hpp>

int* find(int key);
inline constexpr yonder::task<find> find_task;

int main() { return *find_task.remote(1); }
