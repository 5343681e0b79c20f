// SPDX-License-Identifier: Apache-2.0
// expect: for call to
// told: double
#include <string>
#include <yonder/task.hpp>

int length(std::string const& text);
inline constexpr yonder::task<length> length_task;

int main() { return length_task.remote(1.5); }
