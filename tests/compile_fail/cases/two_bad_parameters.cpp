// SPDX-License-Identifier: Apache-2.0
// expect: a pointer means nothing in another process
#include <memory>
#include <yonder/task.hpp>

long copy(int const* from, std::shared_ptr<int> to);
inline constexpr yonder::task<copy> copy_task;

int main() { return static_cast<int>(copy_task.remote(nullptr, nullptr)); }
