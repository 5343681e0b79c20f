# SPDX-License-Identifier: Apache-2.0
include(CMakePackageConfigHelpers)

set(yonder_cmake_dir "${CMAKE_INSTALL_LIBDIR}/cmake/yonder")
get_property(yonder_components GLOBAL PROPERTY YONDER_COMPONENTS)
get_property(yonder_header_components GLOBAL PROPERTY YONDER_HEADER_COMPONENTS)
get_property(yonder_optional_components GLOBAL PROPERTY YONDER_OPTIONAL_COMPONENTS)
list(APPEND yonder_header_components ${yonder_optional_components})

# Three parts: what programs load (runtime), what they are built with (development), the yonder command (tools).
foreach(component IN LISTS yonder_components yonder_header_components)
  install(TARGETS yonder_${component} EXPORT yonder_${component}
          LIBRARY COMPONENT runtime NAMELINK_COMPONENT development
          ARCHIVE COMPONENT development
          FILE_SET HEADERS COMPONENT development)
  install(EXPORT yonder_${component} FILE yonder-${component}-targets.cmake NAMESPACE yonder::
          DESTINATION "${yonder_cmake_dir}" COMPONENT development)
endforeach()

# The headers themselves are installed with core, and this one, which needs Boost.
install(FILES "${PROJECT_SOURCE_DIR}/include/yonder/boost_serialization.hpp"
        DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/yonder" COMPONENT development)
install(TARGETS yonder_headers EXPORT yonder_headers)
install(EXPORT yonder_headers FILE yonder-headers-targets.cmake NAMESPACE yonder::
        DESTINATION "${yonder_cmake_dir}" COMPONENT development)

configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/yonderConfig.cmake.in" yonderConfig.cmake
  INSTALL_DESTINATION "${yonder_cmake_dir}")
if(PROJECT_VERSION_MAJOR EQUAL 0)
  set(yonder_compatibility SameMinorVersion)
else()
  set(yonder_compatibility SameMajorVersion)
endif()
write_basic_package_version_file(yonderConfigVersion.cmake COMPATIBILITY ${yonder_compatibility})
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/yonderConfig.cmake"
              "${CMAKE_CURRENT_BINARY_DIR}/yonderConfigVersion.cmake"
              "${PROJECT_SOURCE_DIR}/cmake/YonderFindBoost.cmake"
              "${PROJECT_SOURCE_DIR}/cmake/YonderFindZmq.cmake"
        DESTINATION "${yonder_cmake_dir}" COMPONENT development)

# yonder_install_pc(<name> [REQUIRES …] [REQUIRES_PRIVATE …] [CFLAGS …] [LIBS …] [LIBS_PRIVATE …])
# With static libraries what is private to the library is linked by the program, without a --static flag. With shared ones it is no business of who
# builds with them: pkg-config would ask for its .pc files even for --cflags.
function(yonder_install_pc name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "" "REQUIRES;REQUIRES_PRIVATE;CFLAGS;LIBS;LIBS_PRIVATE")
  if(NOT BUILD_SHARED_LIBS)
    list(APPEND arg_REQUIRES ${arg_REQUIRES_PRIVATE})
    list(APPEND arg_LIBS ${arg_LIBS_PRIVATE})
  endif()
  set(yonder_pc_name ${name})
  foreach(field IN ITEMS REQUIRES CFLAGS LIBS)
    string(TOLOWER ${field} variable)
    list(JOIN arg_${field} " " yonder_pc_${variable})
  endforeach()
  cmake_path(RELATIVE_PATH CMAKE_INSTALL_PREFIX
             BASE_DIRECTORY "${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig" OUTPUT_VARIABLE yonder_pc_prefix)
  foreach(folder IN ITEMS LIBDIR INCLUDEDIR)  # an absolute one is not of the prefix
    string(TOLOWER ${folder} variable)
    set(yonder_pc_${variable} "\${prefix}")
    cmake_path(APPEND yonder_pc_${variable} "${CMAKE_INSTALL_${folder}}")
  endforeach()
  configure_file("${PROJECT_SOURCE_DIR}/cmake/yonder.pc.in" ${name}.pc @ONLY)
  install(FILES "${CMAKE_CURRENT_BINARY_DIR}/${name}.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig"
          COMPONENT development)
endfunction()

yonder_install_pc(yonder-headers CFLAGS -I\${includedir})
yonder_install_pc(yonder-core CFLAGS -I\${includedir} -DYONDER_LINKS_CORE=1 -pthread
  LIBS -L\${libdir} -lyonder_core LIBS_PRIVATE -pthread -ldl)
if(YONDER_WITH_ZMQ)
  yonder_install_pc(yonder-zmq REQUIRES yonder-core REQUIRES_PRIVATE "libzmq >= 4.3"
    CFLAGS -DYONDER_HAS_ZMQ=1 LIBS -lyonder_zmq)
endif()
if(YONDER_SOCKETS_IS_ON)
  yonder_install_pc(yonder-sockets REQUIRES yonder-zmq REQUIRES_PRIVATE "libssl >= 3" libcrypto
    CFLAGS -DYONDER_HAS_SOCKETS=1 LIBS -lyonder_sockets)
endif()
if(YONDER_WITH_ML)
  set(yonder_ml_private LIBS_PRIVATE -ldl)
  if(YONDER_CUDA_IS_ON)
    set(yonder_ml_private LIBS_PRIVATE "-L${YONDER_CUDA_LIBRARY_DIR}" -lcudart_static -lrt -ldl -pthread)
  endif()
  yonder_install_pc(yonder-ml REQUIRES yonder-core LIBS -lyonder_ml ${yonder_ml_private})
endif()
if(YONDER_BOOST_IS_THERE)
  yonder_install_pc(yonder-asio REQUIRES yonder-core)
endif()
if(YONDER_HTTP_IS_ON)
  yonder_install_pc(yonder-http REQUIRES yonder-core REQUIRES_PRIVATE "libssl >= 3" libcrypto
    CFLAGS -DYONDER_HAS_HTTP=1 LIBS -lyonder_http)
endif()
if(YONDER_LAUNCH_IS_ON)
  yonder_install_pc(yonder-launch REQUIRES yonder-core CFLAGS -DYONDER_HAS_LAUNCH=1 LIBS -lyonder_launch)
endif()
list(TRANSFORM yonder_components PREPEND "yonder-" OUTPUT_VARIABLE yonder_all_pcs)
yonder_install_pc(yonder REQUIRES ${yonder_all_pcs})
