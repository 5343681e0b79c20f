# SPDX-License-Identifier: Apache-2.0

find_package(Threads REQUIRED)
find_package(cereal 1.3 REQUIRED)
if(YONDER_WITH_ZMQ)
  include(YonderFindZmq)
  # cppzmq is one header; its own config drags in a second definition of libzmq.
  find_path(YONDER_CPPZMQ_INCLUDE_DIR zmq.hpp REQUIRED)
  mark_as_advanced(YONDER_CPPZMQ_INCLUDE_DIR)
  add_library(yonder_cppzmq INTERFACE)
  target_include_directories(yonder_cppzmq SYSTEM INTERFACE "${YONDER_CPPZMQ_INCLUDE_DIR}")
endif()
