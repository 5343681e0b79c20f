# SPDX-License-Identifier: Apache-2.0
#
# Defines yonder_dependency::zmq, from libzmq's own CMake package where there is one, else from pkg-config
# (Debian and Ubuntu ship no ZeroMQConfig.cmake). Installed beside yonderConfig.cmake, which includes it too.

if(NOT TARGET yonder_dependency::zmq)
  if(NOT TARGET libzmq AND NOT TARGET libzmq-static)
    find_package(ZeroMQ 4.3 CONFIG QUIET)
  endif()
  if(TARGET libzmq)
    set(yonder_zmq_target libzmq)
  elseif(TARGET libzmq-static)
    set(yonder_zmq_target libzmq-static)
  else()
    find_package(PkgConfig QUIET)
    if(PkgConfig_FOUND)
      pkg_check_modules(YONDER_LIBZMQ QUIET IMPORTED_TARGET libzmq>=4.3)
    endif()
    set(yonder_zmq_target PkgConfig::YONDER_LIBZMQ)
  endif()
  if(TARGET ${yonder_zmq_target})
    add_library(yonder_dependency::zmq INTERFACE IMPORTED)
    target_link_libraries(yonder_dependency::zmq INTERFACE ${yonder_zmq_target})
  elseif(NOT CMAKE_FIND_PACKAGE_NAME STREQUAL "yonder")
    message(FATAL_ERROR "yonder::zmq needs libzmq 4.3 or later: neither ZeroMQConfig.cmake nor libzmq.pc was "
                        "found. Install libzmq3-dev, or configure with -DYONDER_WITH_ZMQ=OFF.")
  endif()
endif()
