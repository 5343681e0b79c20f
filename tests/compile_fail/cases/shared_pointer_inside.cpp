// SPDX-License-Identifier: Apache-2.0
// expect: a shared_ptr or weak_ptr cannot be shared with another process
#include <memory>
#include <yonder/task.hpp>

struct Node {
  std::shared_ptr<int> value;
  void serialize(auto& ar) { ar(value); }
};
int load(Node const& node);
inline constexpr yonder::task<load> load_task;

int main() { return load_task.remote(Node{}) + load_task.spawn(Node{}).get(); }
