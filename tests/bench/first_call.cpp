// SPDX-License-Identifier: Apache-2.0
//
// From the start of a program until its first answer from a process that it started.
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <stdexcept>
#include <string>

#include "tests/bench/raw_socket.hpp"
#include "tests/bench/rows.hpp"
#include "tests/bench/tasks.hpp"

namespace bench {
namespace {

constexpr int starts = 9;  // in a round

// The median over some starts, in ns.
double time_to_first_answer(std::string const& mode) {
  std::vector<double> times;
  for (int i = 0; i < starts; ++i) {
    auto const run = run_program({own_path(), mode});
    if (run.status != 0) throw std::runtime_error("this program failed with " + mode);
    times.push_back(static_cast<double>(std::stoll(run.output) - run.started));
  }
  return median(times);
}

void print_now() { std::printf("%lld\n", static_cast<long long>(now())); }

}  // namespace

void first_call(int argc, char** argv) {
  yonder::runtime const here(argc, argv);
  twice_task.remote(21);
  print_now();
}

void first_raw_call() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) throw std::runtime_error("socketpair");
  program const child({own_path(), "--raw-echo"}, ends[1]);
  int value = 21;
  if (::write(ends[0], &value, sizeof value) != sizeof value || ::read(ends[0], &value, sizeof value) <= 0)
    throw std::runtime_error("the child does not answer");
  print_now();
}

void measure_first_call(report& to) {
  pinned const here;
  to.add({"first call from nothing, p50", "ms", "spawn, raw socketpair", at_most(5)},
         compare([] { return time_to_first_answer("--first-call"); },
                 [] { return time_to_first_answer("--first-raw-call"); }),
         1e6);
}

}  // namespace bench
