// SPDX-License-Identifier: Apache-2.0
#include <stdexcept>
#include <yonder/yonder.hpp>

namespace plugin {

struct refused : std::runtime_error {
  using std::runtime_error::runtime_error;
};
int twice(int number) {
  if (number < 0) throw refused("a negative number");
  return 2 * number;
}
inline constexpr yonder::task<twice> doubling;
inline constexpr yonder::exception_registration<refused> refused_travels;

}  // namespace plugin

extern "C" int plugin_run(int number) {
  try {
    plugin::doubling.remote(-1);
    return -1;
  } catch (plugin::refused const&) {
    return plugin::doubling.remote(number);
  }
}
