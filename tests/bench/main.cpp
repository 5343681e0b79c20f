// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include "tests/bench/raw_socket.hpp"
#include "tests/bench/rows.hpp"
#include "yonder/yonder.hpp"

namespace {

struct command {
  std::vector<std::string_view> names;
  std::string json;
};

[[noreturn]] void explain() {
  std::fputs("usage: bench [NAME…] [--json FILE]\nnames:", stderr);
  for (auto const& each : bench::groups) std::fprintf(stderr, " %s", each.name.data());
  std::fprintf(stderr, "; %s: those of calls", bench::dispatch.data());
  std::fputs("\n", stderr);
  std::exit(2);
}

command read_command(int argc, char** argv) {
  command asked;
  for (int i = 1; i < argc; ++i) {
    std::string_view const argument = argv[i];
    auto const named = [&](auto& each) { return each.name == argument; };
    if (argument == "--json" && i + 1 < argc)
      asked.json = argv[++i];
    else if (std::any_of(std::begin(bench::groups), std::end(bench::groups), named) ||
             argument == bench::dispatch)
      asked.names.push_back(argument);
    else
      explain();
  }
  return asked;
}

bool is_asked_for(bench::group const& one, std::vector<std::string_view> const& names) {
  auto const is_named = [&](std::string_view name) {
    return std::count(names.begin(), names.end(), name) != 0;
  };
  return names.empty() || is_named(one.name) || (one.of_dispatch && is_named(bench::dispatch));
}

void run(command const& asked) {
  bench::report results;
  bench::print_heading();
  for (auto const& each : bench::groups)
    if (is_asked_for(each, asked.names)) {
      results.begin_group(each.name);
      each.run(results);
    }
  if (!asked.json.empty()) results.write_json(asked.json);
}

}  // namespace

int main(int argc, char** argv) try {
  if (yonder::is_worker()) yonder::runtime const here(argc, argv);
  std::string_view const mode = argc > 1 ? argv[1] : "";
  if (mode == "--first-call")
    bench::first_call(argc, argv);
  else if (mode == "--first-raw-call")
    bench::first_raw_call();
  else if (mode == "--raw-echo")
    bench::serve_raw_socket(STDIN_FILENO);
  else
    run(read_command(argc, argv));
  return EXIT_SUCCESS;
} catch (std::exception const& error) {
  std::fprintf(stderr, "bench: %s\n", error.what());
  return EXIT_FAILURE;
}
