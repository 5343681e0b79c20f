// SPDX-License-Identifier: Apache-2.0
// expect: a shared_ptr or weak_ptr cannot be shared with another process
#include <memory>
#include <yonder/task.hpp>

int load(std::shared_ptr<int> value);
inline constexpr yonder::task<load> load_task;

int main() { return load_task.remote(nullptr) + load_task.spawn(std::make_shared<int>(1)).get(); }
