# SPDX-License-Identifier: Apache-2.0
#
# Defines Boost::headers where Boost 1.74 or later is. CMake's module is asked, which looks for Boost's own package first, and reads BOOST_ROOT; that
# CMake 3.30 and later would rather be without it is no business of the project that uses us. Installed beside yonderConfig.cmake, which includes it too.

if(NOT TARGET Boost::headers)
  if(POLICY CMP0167 AND EXISTS "${CMAKE_ROOT}/Modules/FindBoost.cmake")
    cmake_policy(SET CMP0167 OLD)  # until the end of this file
  endif()
  find_package(Boost 1.74 QUIET)
endif()
