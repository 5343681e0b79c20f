// SPDX-License-Identifier: Apache-2.0
// Plugins come before the runtime: so they do in a worker, which runs main up to there.
#include <dlfcn.h>

#include <cstdio>
#include <yonder/yonder.hpp>

int main(int argc, char** argv) {
  void* const plugin = ::dlopen(PLUGIN, RTLD_NOW);
  if (plugin == nullptr) {
    std::fprintf(stderr, "%s\n", ::dlerror());
    return 1;
  }
  auto* const run = reinterpret_cast<int (*)(int)>(::dlsym(plugin, "plugin_run"));
  yonder::runtime here(argc, argv, {.max = 1});
  return run != nullptr && run(21) == 42 ? 0 : 1;
}
