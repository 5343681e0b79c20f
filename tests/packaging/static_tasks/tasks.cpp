// SPDX-License-Identifier: Apache-2.0
#include "tasks.hpp"

int twice(int number) { return 2 * number; }
inline constexpr yonder::task<twice> doubling;

int call_twice(yonder::runtime& where) { return doubling.on(where).remote(21); }
