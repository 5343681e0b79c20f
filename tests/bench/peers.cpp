// SPDX-License-Identifier: Apache-2.0
//
// The peers that other targets are held against, and that this program does not measure: each is said, with
// why.
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>

#include "tests/bench/rows.hpp"

namespace bench {
namespace {

struct peer {
  char const* name;
  char const* what;  // our row
  char const* unit;
  target wanted;
  char const* probe;  // a file of it, or a program
  char const* comes;  // by
};

constexpr peer all[] = {
    {"gRPC over unix sockets", "remote() against gRPC, 64 bytes", "µs", ratio_at_most(0.6),
     "/usr/include/grpcpp/grpcpp.h", "apt-get install libgrpc++-dev protobuf-compiler-grpc"},
    {"Cap'n Proto over unix sockets", "remote() against Cap'n Proto, 64 bytes", "µs", ratio_at_most(0.6),
     "/usr/include/capnp/rpc.h", "apt-get install libcapnp-dev capnproto"},
    {"Open MPI's shared memory", "remote() on two cores against MPI's ping-pong", "µs", ratio_at_most(1.5),
     "mpirun", "apt-get install libopenmpi-dev openmpi-bin"},
    {"Ray", "METG(50 %) against Ray", "µs", ratio_at_most(0.05), "ray", "pip install ray"},
    {"Dask", "METG(50 %) against Dask", "µs", ratio_at_most(0.05), "dask", "pip install 'dask[distributed]'"},
    {"iceoryx2", "remote() on two cores against iceoryx2's two ways", "µs", ratio_at_most(1.5), "iox2",
     "cargo install iceoryx2-cli"},
};

// A path, or a program of $PATH.
bool is_here(std::string const& probe) {
  if (probe.front() == '/') return ::access(probe.c_str(), R_OK) == 0;
  char const* const path = std::getenv("PATH");
  for (std::string_view left = path != nullptr ? path : ""; !left.empty();) {
    auto const end = std::min(left.find(':'), left.size());
    if (::access((std::string(left.substr(0, end)) + "/" + probe).c_str(), X_OK) == 0) return true;
    left.remove_prefix(std::min(end + 1, left.size()));
  }
  return false;
}

}  // namespace

void measure_peers(report& to) {
  for (auto const& one : all)
    to.skip({one.what, one.unit, one.name, one.wanted},
            is_here(one.probe) ? std::string(one.name) + " is here, and this program does not measure it yet"
                               : std::string(one.name) + " is not here (" + one.comes + ")");
}

}  // namespace bench
