// SPDX-License-Identifier: Apache-2.0
//
// A file that knows that yonder::core is linked, beside one that does not: one registry, one set of types.
#include <yonder/yonder.hpp>

#include "tests/packaging/headers_beside_core/other.hpp"

int main() {
  yonder::runtime here({.max = 1, .in_process = true});
  bool const returns = other::twice_task.remote(21) == 42;
  bool thrown = false;
  try {
    other::call_negative();
  } catch (other::negative_error const& error) {
    thrown = error.value == -1;
  }
  return returns && thrown && other::catches_too_large() ? 0 : 1;
}
