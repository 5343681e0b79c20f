// SPDX-License-Identifier: Apache-2.0
#include <yonder/launch.hpp>
#include <yonder/yonder.hpp>

int main() {
  try {
    yonder::launch::plan_of_file("/no/such/launch.toml");
  } catch (yonder::usage_error const&) {
    return yonder::launch::plan_of({.pools = {{.by = yonder::launch::ssh{.hosts = {{.name = "near"}}}}}}) ? 0
                                                                                                          : 1;
  }
  return 1;
}
