// SPDX-License-Identifier: Apache-2.0
//
// CPU time of the compiler at -O0, for the units beside this file. CPU time, because it hardly depends on
// what else the machine does.
#include <stdexcept>
#include <string>

#include "tests/bench/measure.hpp"
#include "tests/bench/rows.hpp"

namespace bench {
namespace {

double compile_time(std::string const& unit) {
  auto const run =
      run_program({BENCH_COMPILER, "-std=c++20", "-O0", "-I" BENCH_INCLUDE, "-I" BENCH_CEREAL_INCLUDE,
                   "-DYONDER_LINKS_CORE=1", "-c", BENCH_UNITS "/" + unit, "-o", "/dev/null"});
  if (run.status != 0) throw std::runtime_error("the compiler fails on " + unit);
  return static_cast<double>(run.cpu_time);
}

}  // namespace

void measure_compile_time(report& to) {
  auto const one_task = [] { return compile_time("one_task.cpp"); };
  to.add({"a unit with one task, -O0", "s", "cereal both ways once", ratio_at_most(1.2)},
         compare(one_task, [] { return compile_time("cereal_both_ways.cpp"); }), 1e9);
  to.add({"a unit with 30 tasks instantiated elsewhere, -O0", "s", "one task", ratio_at_most(1.2)},
         compare([] { return compile_time("thirty_tasks.cpp"); }, one_task), 1e9);
}

}  // namespace bench
