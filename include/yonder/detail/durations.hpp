// SPDX-License-Identifier: Apache-2.0
#pragma once

// std::chrono's durations, clocks and literals. <chrono> has a calendar and time zones besides, which would
// take up to a tenth of the compiler's time for a unit with a task: whoever uses these includes it.
#if __has_include(<bits/chrono.h>)  // libstdc++ 12 and later
#include <bits/chrono.h>
#else
#include <chrono>
#endif
