#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A company that wants a function as an HTTP service with keys.
# shellcheck disable=SC1091,SC2154
source "$(dirname "$0")/persona.sh"

[ -e "$prefix/include/yonder/http.hpp" ] || lacks "this installation is without yonder::http"
copied docs/http.md http_endpoint | writes main.cpp
writes CMakeLists.txt <<'END'
cmake_minimum_required(VERSION 3.25)
project(app LANGUAGES CXX)
find_package(yonder REQUIRED COMPONENTS http)
add_executable(app main.cpp)
target_link_libraries(app PRIVATE yonder::http)
END
types "cmake -B build"
types "cmake --build build"
mkfifo address
types "build/app --yonder-serve 127.0.0.1:0 --keys keys >address 2>said & echo \$! >server"
trap 'kill "$(cat server)"; wait' EXIT
# shellcheck disable=SC2094  # another reads from where the server writes
read -r address <address
key=$(awk '$3 == "admin" { print $1 }' keys)
types "curl -sS $address/v1/tasks/get_sentiment -H 'Authorization: Bearer $key' -H 'Content-Type: application/json' -d '{\"text\": \"good job\"}'"
sees 'POSITIVE'
types "curl -sS -o refused -w '%{http_code}' $address/v1/tasks/get_sentiment -d '{\"text\": \"good job\"}'"
sees '^401'
types "curl -sS $address/openapi.json -H 'Authorization: Bearer $key'"
sees '"openapi"'
tells
