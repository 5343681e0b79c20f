# SPDX-License-Identifier: Apache-2.0
#
# cmake -DPORT_FOLDER= -DSOURCE= -DFOLDER= -DLINKAGE= -DFEATURES= -P harness.cmake: runs a port's steps where vcpkg is not, by stand-ins for
# the helper functions that it calls. What is installed comes to FOLDER/packages. Sources are those of SOURCE; libraries that the port
# depends on are the system's; one build type.

cmake_minimum_required(VERSION 3.22)

set(PORT yonder)
set(CURRENT_PACKAGES_DIR "${FOLDER}/packages")

function(vcpkg_from_git)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "OUT_SOURCE_PATH;URL;REF" "")
  if(arg_UNPARSED_ARGUMENTS OR NOT arg_URL OR NOT arg_REF)
    message(FATAL_ERROR "vcpkg_from_git: ${ARGN}")
  endif()
  set(${arg_OUT_SOURCE_PATH} "${SOURCE}" PARENT_SCOPE)
endfunction()

function(vcpkg_check_features)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "OUT_FEATURE_OPTIONS" "FEATURES")
  set(options "")
  while(arg_FEATURES)
    list(POP_FRONT arg_FEATURES feature switch)
    if(feature IN_LIST FEATURES)
      list(APPEND options "-D${switch}=ON")
    else()
      list(APPEND options "-D${switch}=OFF")
    endif()
  endwhile()
  set(${arg_OUT_FEATURE_OPTIONS} "${options}" PARENT_SCOPE)
endfunction()

function(vcpkg_cmake_configure)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "SOURCE_PATH" "OPTIONS")
  if(LINKAGE STREQUAL "dynamic")
    set(shared ON)
  else()
    set(shared OFF)
  endif()
  execute_process(
    COMMAND "${CMAKE_COMMAND}" -S "${arg_SOURCE_PATH}" -B "${FOLDER}/build" -G Ninja -DCMAKE_BUILD_TYPE=Release
            -DBUILD_SHARED_LIBS=${shared} "-DCMAKE_INSTALL_PREFIX=${CURRENT_PACKAGES_DIR}" -DCMAKE_INSTALL_LIBDIR=lib ${arg_OPTIONS}
    OUTPUT_VARIABLE output ERROR_VARIABLE output COMMAND_ERROR_IS_FATAL ANY COMMAND_ECHO STDOUT)
  message("${output}")
  # vcpkg warns of these in words; here they fail.
  if(output MATCHES "Manually-specified variables were not used")
    message(FATAL_ERROR "the port passes options that the project does not know")
  endif()
endfunction()

function(vcpkg_cmake_install)
  execute_process(COMMAND "${CMAKE_COMMAND}" --build "${FOLDER}/build" --target install COMMAND_ERROR_IS_FATAL ANY)
endfunction()

function(vcpkg_cmake_config_fixup)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "CONFIG_PATH" "")
  set(share "${CURRENT_PACKAGES_DIR}/share/${PORT}")
  file(MAKE_DIRECTORY "${CURRENT_PACKAGES_DIR}/share")
  file(RENAME "${CURRENT_PACKAGES_DIR}/${arg_CONFIG_PATH}" "${share}")
  cmake_path(GET arg_CONFIG_PATH PARENT_PATH above)
  file(GLOB left "${CURRENT_PACKAGES_DIR}/${above}/*")
  if(NOT left)
    file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/${above}")
  endif()
  file(GLOB files "${share}/*.cmake")
  foreach(file IN LISTS files)
    file(READ "${file}" text)
    # Two folders up from share/yonder, not three from lib/cmake/yonder.
    string(REPLACE "\${CMAKE_CURRENT_LIST_DIR}/../../../" "\${CMAKE_CURRENT_LIST_DIR}/../../" text "${text}")
    string(REPLACE "get_filename_component(_IMPORT_PREFIX \"\${CMAKE_CURRENT_LIST_FILE}\" PATH)\nget_filename_component(_IMPORT_PREFIX \"\${_IMPORT_PREFIX}\" PATH)"
      "get_filename_component(_IMPORT_PREFIX \"\${CMAKE_CURRENT_LIST_FILE}\" PATH)" text "${text}")
    file(WRITE "${file}" "${text}")
  endforeach()
endfunction()

function(vcpkg_fixup_pkgconfig)
  file(GLOB files "${CURRENT_PACKAGES_DIR}/lib/pkgconfig/*.pc")
  if(NOT files)
    message(FATAL_ERROR "no pkg-config file was installed")
  endif()
endfunction()

function(vcpkg_copy_tools)
  cmake_parse_arguments(PARSE_ARGV 0 arg "AUTO_CLEAN" "" "TOOL_NAMES")
  file(MAKE_DIRECTORY "${CURRENT_PACKAGES_DIR}/tools")
  file(RENAME "${CURRENT_PACKAGES_DIR}/bin" "${CURRENT_PACKAGES_DIR}/tools/${PORT}")
endfunction()

function(vcpkg_install_copyright)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "" "FILE_LIST")
  file(COPY_FILE "${arg_FILE_LIST}" "${CURRENT_PACKAGES_DIR}/share/${PORT}/copyright")
endfunction()

include("${PORT_FOLDER}/portfile.cmake")

# What vcpkg's own checks of an installed port look for.
foreach(file IN ITEMS share/${PORT}/copyright share/${PORT}/usage share/${PORT}/yonderConfig.cmake include/yonder/yonder.hpp)
  if(NOT EXISTS "${CURRENT_PACKAGES_DIR}/${file}")
    message(FATAL_ERROR "the port did not install ${file}")
  endif()
endforeach()
foreach(folder IN ITEMS debug/include debug/share lib/cmake bin)
  if(EXISTS "${CURRENT_PACKAGES_DIR}/${folder}")
    message(FATAL_ERROR "the port left ${folder}, which vcpkg refuses")
  endif()
endforeach()
