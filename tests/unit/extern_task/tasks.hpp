// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "yonder/extern_task.hpp"

// Tasks that many units include and one instantiates.
namespace shop {

struct offer {
  std::string product;
  double price = 0;
  template <class Archive>
  void serialize(Archive& ar) {
    ar(product, price);
  }
};

offer cheaper(offer const& one, double by);
void unused(int a);

inline constexpr yonder::task<cheaper> cheaper_task;
inline constexpr yonder::task<unused> unused_task;
inline constexpr auto next = [](int a) { return a + 1; };
inline constexpr yonder::task<&next> next_task;

}  // namespace shop

YONDER_EXTERN_TASK(shop::cheaper_task);
YONDER_EXTERN_TASK(shop::unused_task);
YONDER_EXTERN_TASK(shop::next_task);
