# SPDX-License-Identifier: Apache-2.0
include(CMakePackageConfigHelpers)

set(yonder_cmake_dir "${CMAKE_INSTALL_LIBDIR}/cmake/yonder")
get_property(yonder_components GLOBAL PROPERTY YONDER_COMPONENTS)

foreach(component IN LISTS yonder_components)
  install(TARGETS yonder_${component} EXPORT yonder_${component} COMPONENT ${component}
          FILE_SET HEADERS COMPONENT ${component})
  install(EXPORT yonder_${component} FILE yonder-${component}-targets.cmake NAMESPACE yonder::
          DESTINATION "${yonder_cmake_dir}" COMPONENT ${component})
endforeach()

configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/yonderConfig.cmake.in" yonderConfig.cmake
  INSTALL_DESTINATION "${yonder_cmake_dir}")
write_basic_package_version_file(yonderConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/yonderConfig.cmake"
              "${CMAKE_CURRENT_BINARY_DIR}/yonderConfigVersion.cmake"
              "${PROJECT_SOURCE_DIR}/cmake/YonderFindZmq.cmake"
        DESTINATION "${yonder_cmake_dir}" COMPONENT core)
