// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <vector>

#include "tests/bench/report.hpp"

namespace bench {

// One group of rows, which `./dev bench NAME` runs alone; `./dev bench dispatch` runs those of dispatch.
struct group {
  std::string_view name;
  void (*run)(report& to);
  bool of_dispatch = true;
};
inline constexpr std::string_view dispatch = "dispatch";

void measure_local(report& to);
void measure_remote(report& to);
void measure_sizes(report& to);
void measure_beside_long(report& to);
void measure_in_flight(report& to);
void measure_bulk(report& to);
void measure_growth(report& to);
void measure_peers(report& to);
void measure_zmq_ipc(report& to);
void measure_zmq_tcp(report& to);
void measure_unix_sockets(report& to);
void measure_tls(report& to);
void measure_codec(report& to);
void measure_hub(report& to);
void measure_journal(report& to);
void measure_durable_calls(report& to);  // of both
void measure_compile_time(report& to);
void measure_first_call(report& to);
#ifdef BENCH_WITH_ML
void measure_coldstart(report& to);
#endif

// The modes of this program that measure_first_call starts: they print when the first answer came.
void first_call(int argc, char** argv);
void first_raw_call();

inline constexpr group groups[]{
    {"local", measure_local},
    {"remote", measure_remote},
    {"sizes", measure_sizes},
    {"beside-long", measure_beside_long},
    {"in-flight", measure_in_flight},
    {"bulk", measure_bulk},
    {"peers", measure_peers},
    {"zmq-ipc", measure_zmq_ipc},
    {"zmq-tcp", measure_zmq_tcp},
    {"sockets-unix", measure_unix_sockets},
    {"sockets-tls", measure_tls},
    {"growth", measure_growth},
    {"codec", measure_codec},
    {"hub", measure_hub, false},
    {"journal", measure_journal, false},
    {"first-call", measure_first_call},
    {"compile", measure_compile_time},
#ifdef BENCH_WITH_ML
    {"coldstart", measure_coldstart, false},
#endif
};

}  // namespace bench
