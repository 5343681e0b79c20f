// SPDX-License-Identifier: Apache-2.0
// expect: spawn
#include <string>
#include <yonder/task.hpp>

int length(std::string const& text);
inline constexpr yonder::task<length> length_task;

int main() { return length_task.spawn(1.5).get(); }
