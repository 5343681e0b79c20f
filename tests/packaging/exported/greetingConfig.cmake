# SPDX-License-Identifier: Apache-2.0
include(CMakeFindDependencyMacro)
find_dependency(yonder COMPONENTS core)
include("${CMAKE_CURRENT_LIST_DIR}/greeting-targets.cmake")
