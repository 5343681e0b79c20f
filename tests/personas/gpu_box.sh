#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# An engineer with one machine, which may have a GPU: a model's answer, here and on a worker. (Where no GPU is, the CPU stands in.)
# shellcheck disable=SC1091,SC2154,SC2094
source "$(dirname "$0")/persona.sh"

copied README.md first_lines | writes main.cpp
writes CMakeLists.txt <<'END'
cmake_minimum_required(VERSION 3.25)
project(app LANGUAGES CXX)
find_package(yonder REQUIRED)
add_executable(app main.cpp)
target_link_libraries(app PRIVATE yonder::yonder)
END
types "cmake -B build -DCMAKE_CXX_FLAGS='-DYONDER_DEMO_MODEL=\\\"$here/../../models/sentiment-tiny\\\"'"
types "cmake --build build"
types "build/app"
sees '^POSITIVE'
[ "$(grep -c '^POSITIVE' last)" -eq 2 ] || sees 'POSITIVE.*POSITIVE' # one answer from here, one from a worker
tells
