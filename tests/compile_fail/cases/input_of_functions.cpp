// SPDX-License-Identifier: Apache-2.0
// expect: a std::function holds code, which stays behind
#include <functional>
#include <vector>
#include <yonder/task.hpp>

int run(yonder::input_stream<std::function<int()>> jobs);
inline constexpr yonder::task<run> run_task;

int use() { return run_task.remote(std::vector<std::function<int()>>()); }
