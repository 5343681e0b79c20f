// SPDX-License-Identifier: Apache-2.0
//
// busy_client HUB: calls without end, two at once, until it is killed.
#include "tests/e2e/tasks.hpp"

int main(int argc, char** argv) {
  yonder::runtime const here(argc, argv, {.hub = argc > 1 ? argv[1] : ""});
  for (;;) {
    std::vector<int> const sizes(64, 100'000);
    for (auto const& text : e2e::task::fill.map(sizes).window(2)) {
      if (text.size() != 100'000) return 1;
    }
  }
}
