// SPDX-License-Identifier: Apache-2.0
#include <cstdio>
#include <string>

#include "tasks.hpp"

int main() {
  yonder::runtime whole({.max = 1, .worker_command = {WHOLE}});
  if (call_twice(whole) != 42) return 1;
  yonder::runtime partly({.max = 1, .worker_command = {PARTLY}});
  try {
    call_twice(partly);
  } catch (yonder::error const& error) {
    std::string const words = error.what();
    std::puts(words.c_str());
    return words.find("link a static library that holds tasks whole") != std::string::npos ? 0 : 2;
  }
  return 3;
}
