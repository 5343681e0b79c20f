#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The author of a library, whose users never hear of Yonder.
# shellcheck disable=SC1091,SC2154,SC2094
source "$(dirname "$0")/persona.sh"

writes counting.hpp <<'END'
#pragma once
#include <string>
int count_words(std::string const& text);
END
writes counting.cpp <<'END'
#include "counting.hpp"
#include <sstream>
#include <yonder/yonder.hpp>
namespace counting {
int count(std::string const& text) {
  std::istringstream words(text);
  int number = 0;
  for (std::string word; words >> word;) ++number;
  return number;
}
inline constexpr yonder::task<count> counting_task;
}  // namespace counting
int count_words(std::string const& text) {
  yonder::runtime own({.max = 1, .worker_command = {COUNTING_WORKER}, .is_current = false});
  return counting::counting_task.on(own).remote(text);
}
END
writes worker.cpp <<'END'
#include <yonder/yonder.hpp>
int main(int argc, char** argv) { yonder::runtime here(argc, argv); }
END
writes users.cpp <<'END'
#include <iostream>
#include "counting.hpp"
int main() { std::cout << count_words("to be or not to be") << "\n"; }
END
writes CMakeLists.txt <<'END'
cmake_minimum_required(VERSION 3.25)
project(counting LANGUAGES CXX)
find_package(yonder REQUIRED COMPONENTS core)
add_library(counting OBJECT counting.cpp)
target_link_libraries(counting PUBLIC yonder::core)
add_executable(counting_worker worker.cpp)
target_link_libraries(counting_worker PRIVATE counting)
target_compile_definitions(counting PRIVATE COUNTING_WORKER="$<TARGET_FILE:counting_worker>")
add_executable(users users.cpp)
target_link_libraries(users PRIVATE counting)
END
types "cmake -B build"
types "cmake --build build"
types "build/users"
sees '^6$'
tells
