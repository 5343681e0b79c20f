// SPDX-License-Identifier: Apache-2.0
// expect: a view has no owner after decoding
#include <string_view>
#include <yonder/task.hpp>

std::string_view title(int page);
inline constexpr yonder::task<title> title_task;

int main() { return static_cast<int>(title_task.remote(1).size() + title_task.spawn(2).get().size()); }
