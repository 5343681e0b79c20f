// SPDX-License-Identifier: Apache-2.0
//
// `bench_metrics CALLS`: so many calls one after another, of which metrics.py counts the instructions.
#include <cstdlib>
#include <string>

#include "yonder/yonder.hpp"

namespace {

std::string echo_text(std::string const& text) { return text; }
inline constexpr yonder::task<echo_text, "echo"> echoed;

}  // namespace

int main(int argc, char** argv) {
  yonder::runtime here(argc, argv, {.max = 1, .scaledown_window = std::chrono::minutes(5)});
  auto const calls = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 1;
  std::string const text(64, 'x');
  for (auto i = calls; i != 0; --i)
    if (echoed.remote(text) != text) return EXIT_FAILURE;
  return EXIT_SUCCESS;
}
