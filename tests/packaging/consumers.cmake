# SPDX-License-Identifier: Apache-2.0
#
# Programs as users build them, against what was installed: one way each.

set(of_static "-DCMAKE_PREFIX_PATH=${folder}/static")
set(of_shared "-DCMAKE_PREFIX_PATH=${folder}/shared")
foreach(way IN ITEMS UNITY PCH LTO HIDDEN)
  string(TOLOWER ${way} name)
  yonder_add_consumer(${name} several APART FIXTURE static OPTIONS ${of_static} -D${way}=ON)
endforeach()

# Users' warnings, and macros, in headers that nothing marks as the system's.
set(macros "${CMAKE_CURRENT_SOURCE_DIR}/consumer/min_max.hpp")
foreach(standard IN ITEMS 20 23)
  foreach(compiler IN ITEMS g++ clang++-19)
    find_program(yonder_${compiler} ${compiler})
    if(yonder_${compiler})
      yonder_add_consumer(strict_${compiler}_cxx${standard} find_package APART FIXTURE static
        OPTIONS ${of_static} -DCOMPONENTS=core "-DCMAKE_CXX_COMPILER=${yonder_${compiler}}" "-DCMAKE_CXX_FLAGS=${warnings}" "-DINCLUDED_FIRST=${macros}"
                -DCMAKE_CXX_STANDARD=${standard} -DCMAKE_NO_SYSTEM_FROM_IMPORTED=ON)
    endif()
  endforeach()
endforeach()

yonder_add_consumer(plugin plugin APART FIXTURE shared OPTIONS ${of_shared})
yonder_add_consumer(plugin_core_in_host plugin APART FIXTURE static OPTIONS ${of_static} -DCORE_IN_HOST=ON)
yonder_add_consumer(two_libraries two_libraries APART FIXTURE shared OPTIONS ${of_shared})
yonder_add_consumer(static_tasks static_tasks APART FIXTURE static OPTIONS ${of_static})

set(shared_libraries core zmq ml)
if(TARGET yonder_http)
  list(APPEND shared_libraries http)
endif()
if(TARGET yonder_sockets)
  list(APPEND shared_libraries sockets)
endif()
if(TARGET yonder_launch)
  list(APPEND shared_libraries launch)
endif()
yonder_add_packaging_test(symbols FIXTURE shared COMMAND
  "${CMAKE_CURRENT_SOURCE_DIR}/check_symbols.sh" "${folder}/shared/${CMAKE_INSTALL_LIBDIR}" ${shared_libraries})

if(NOT YONDER_SANITIZE)  # a sanitizer has handlers, and a thread, of its own
  yonder_add_test_executable(before_runtime SOURCES before_runtime.cpp LINK yonder::yonder)
  add_test(NAME before_runtime COMMAND before_runtime)
  yonder_set_test_properties(before_runtime)
endif()

# Four people, each from an empty folder to the result.
foreach(person IN ITEMS gpu_box library_author http_company slurm_team)
  yonder_add_packaging_test(person_${person} APART FIXTURE static COMMAND
    "${PROJECT_SOURCE_DIR}/tests/personas/${person}.sh" "${folder}/static" "${folder}/person_${person}")
endforeach()

# Another architecture, under an emulator.
set(YONDER_ARM64_LIBRARIES "" CACHE PATH "What tests/packaging/arm64/fetch_libraries.sh has unpacked")
function(yonder_add_arm64_test name)
  yonder_add_packaging_test(${name} ${ARGN} COMMAND "${CMAKE_CURRENT_SOURCE_DIR}/arm64/cross_build.sh"
    "${PROJECT_SOURCE_DIR}" "${folder}/${name}"
    "libraries=${YONDER_ARM64_LIBRARIES}" "launcher=${CMAKE_CXX_COMPILER_LAUNCHER}" ${which})
endfunction()
set(which "")
yonder_add_arm64_test(arm64 APART)
foreach(which IN ITEMS small kernels)
  yonder_add_arm64_test(arm64_${which})
endforeach()
