// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/extern_task/tasks.hpp"

YONDER_INSTANTIATE_TASK(shop::cheaper_task);
YONDER_INSTANTIATE_TASK(shop::unused_task);
YONDER_INSTANTIATE_TASK(shop::next_task);

namespace shop {

offer cheaper(offer const& one, double by) { return {one.product, one.price - by}; }
void unused(int) {}

}  // namespace shop
