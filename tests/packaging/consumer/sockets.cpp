// SPDX-License-Identifier: Apache-2.0
#include <yonder/yonder.hpp>

#include <cstdlib>
#include <filesystem>
#include <string>

double twice(double x) { return 2 * x; }
inline constexpr yonder::task<twice> doubled;

// A hub, and a client of it, over a socket of a folder of their own.
int main(int argc, char** argv) {
  char folder[] = "/tmp/yonder-consumer-XXXXXX";
  if (!yonder::is_worker() && ::mkdtemp(folder) == nullptr) return 1;
  double result = 0;
  {
    yonder::runtime here(argc, argv, {.max = 1, .bind = {std::string("unix://") + folder + "/hub"}});
    yonder::runtime client({.hub = here.addresses().front(), .is_current = false});
    result = doubled.on(client).remote(21);
  }
  std::filesystem::remove_all(folder);
  return result == 42 ? 0 : 1;
}
