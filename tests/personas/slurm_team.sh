#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A team with a SLURM cluster, that wants workers in allocations, as many as there is work for.
# shellcheck disable=SC1091,SC2154,SC2094
source "$(dirname "$0")/persona.sh"

[ -e "$prefix/include/yonder/launch.hpp" ] || lacks "this installation is without yonder::launch"
# The team's cluster, which stands in for one: this machine as two nodes of two GPUs.
source "$here/../e2e/slurm/cluster.sh"
cluster_starts "$folder/.cluster"

writes main.cpp <<'END_OF_FILE'
#include <yonder/launch.hpp>
#include <yonder/yonder.hpp>

#include <cstdio>
#include <cstdlib>
#include <string>

std::string where(int) { return std::getenv("SLURM_JOB_ID"); }
inline constexpr yonder::task<where> placed;

int main(int argc, char** argv) {
  yonder::runtime here(argc, argv, {.bind = {"tcp://127.0.0.1:*"}});
  std::printf("in job %s\n", placed.remote(0).c_str());
}
END_OF_FILE
writes CMakeLists.txt <<'END_OF_FILE'
cmake_minimum_required(VERSION 3.25)
project(app LANGUAGES CXX)
find_package(yonder REQUIRED COMPONENTS zmq launch)
add_executable(app main.cpp)
target_link_libraries(app PRIVATE yonder::core yonder::zmq yonder::launch)
END_OF_FILE
writes launch.toml <<'END_OF_FILE'
[pools.default]
launcher = "slurm"
gres = "gpu:2"
time = "30m"
max = 4
END_OF_FILE
types "cmake -B build"
types "cmake --build build"
types "yonder keygen keys"
types "YONDER_KEYS=keys YONDER_LAUNCH=launch.toml build/app"
sees 'in job [0-9]+'
waits_for "the queue to be empty" queue_is_empty
tells
