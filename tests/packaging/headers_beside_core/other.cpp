// SPDX-License-Identifier: Apache-2.0
#include "tests/packaging/headers_beside_core/other.hpp"

#ifdef YONDER_LINKS_CORE
#error "this file is compiled as one of a program of include/ alone"
#endif

namespace other {

int twice(int number) {
  if (number >= 0) return 2 * number;
  negative_error error("negative");
  error.value = number;
  throw error;
}

void call_negative() { twice_task.remote(-1); }

// What the library throws is caught here.
bool catches_too_large() {
  yonder::runtime small({.max = 1, .in_process = true, .max_call_bytes = 1});
  try {
    twice_task.on(small).remote(1);
  } catch (yonder::too_large const& error) {
    return error.code() == yonder::errc::too_large;
  }
  return false;
}

}  // namespace other
