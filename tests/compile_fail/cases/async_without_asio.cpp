// SPDX-License-Identifier: Apache-2.0
// expect: async: include <yonder/asio.hpp>, and link yonder::asio
#include <yonder/task.hpp>

int length(int number);
inline constexpr yonder::task<length> length_task;

int main() {
  length_task.async(1, [](int) {});
}
