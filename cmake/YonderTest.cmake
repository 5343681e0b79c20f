# SPDX-License-Identifier: Apache-2.0
#
# Helpers of every folder with tests, also of kernels/ when that is built alone.

cmake_path(GET CMAKE_CURRENT_LIST_DIR PARENT_PATH YONDER_ROOT)

# yonder_add_test(<name> SOURCES … [LINK …] [LABELS …] [TIMEOUT seconds] [ARGS …] [NO_MAIN] [OPTIMIZED])
# A doctest executable, run by CTest; a case that hangs is ended and named by tests/support/watchdog.cpp. The label is `quick` unless stated; `full` runs under ./dev test --full
# only; `once` beside it: the build makes no difference, and ./dev test runs it under one. NO_MAIN: the sources bring their own main, e.g. one that begins with a yonder::runtime. OPTIMIZED: see
# yonder_add_test_executable.
function(yonder_add_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "NO_MAIN;OPTIMIZED" "TIMEOUT" "SOURCES;LINK;LABELS;ARGS")
  set(optimized "")
  if(arg_OPTIMIZED)
    set(optimized OPTIMIZED)
  endif()
  yonder_add_test_executable(${name} SOURCES ${arg_SOURCES} LINK ${arg_LINK} ${optimized})
  target_link_libraries(${name} PRIVATE yonder_test_watchdog)
  if(NOT arg_NO_MAIN)
    target_link_libraries(${name} PRIVATE yonder_test_main)
  endif()
  add_test(NAME ${name} COMMAND ${name} ${arg_ARGS})
  set(limit "")
  if(arg_TIMEOUT)
    set(limit TIMEOUT ${arg_TIMEOUT})
  endif()
  yonder_set_test_properties(${name} LABELS ${arg_LABELS} ${limit})
endfunction()

# An executable for tests (a program that a test starts, say), with our warnings, sanitizers and private
# include root, that CTest does not run by itself. A test's own code runs once, and takes half as long to compile
# at -O0, most of all under sanitizers: so it does in a Debug build, unless it is OPTIMIZED as that build is. What
# it links is optimised either way. Its files are compiled as one, unless it sets UNITY_BUILD OFF: the headers take
# longer than they do.
function(yonder_add_test_executable name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "OPTIMIZED" "" "SOURCES;LINK")
  add_executable(${name} ${arg_SOURCES})
  target_include_directories(${name} PRIVATE "${YONDER_ROOT}")
  target_link_libraries(${name} PRIVATE ${arg_LINK} yonder_build_flags
                        $<TARGET_NAME_IF_EXISTS:doctest::doctest>)
  if(NOT arg_OPTIMIZED)
    target_compile_options(${name} PRIVATE $<$<CONFIG:Debug>:-O0>)
  endif()
  # What is instrumented may take a sample where the whole takes minutes.
  target_compile_definitions(${name} PRIVATE YONDER_IS_SANITIZED=$<BOOL:${YONDER_SANITIZE}>)
  target_compile_features(${name} PRIVATE cxx_std_20)
  set_target_properties(${name} PROPERTIES CXX_EXTENSIONS OFF UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 0)
endfunction()

# yonder_set_test_properties(<test> [LABELS …] [TIMEOUT seconds]): the label, the limit (180 s unless stated), half of
# it for each case, and the sanitizers' settings; for tests that are not doctest executables too.
function(yonder_set_test_properties test)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT" "LABELS")
  if(NOT arg_LABELS)
    set(arg_LABELS quick)
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 180)
  endif()
  math(EXPR case_seconds "${arg_TIMEOUT} / 2")
  set(suppressions "${YONDER_ROOT}/tests/support/tsan_libzmq.supp")
  set_tests_properties(${test} PROPERTIES LABELS "${arg_LABELS}" TIMEOUT ${arg_TIMEOUT} SKIP_RETURN_CODE 77
    ENVIRONMENT "YONDER_TEST_CASE_SECONDS=${case_seconds};ASAN_OPTIONS=detect_stack_use_after_return=1;UBSAN_OPTIONS=print_stacktrace=1;TSAN_OPTIONS=halt_on_error=1 atexit_sleep_ms=0 suppressions=${suppressions}")
endfunction()

# yonder_add_fuzzer(<name> SOURCES … [LINK …] [CORPUS folder]): a libFuzzer target, under YONDER_BUILD_FUZZERS.
# ./dev test gives each its share of 30 s, beginning with the corpus.
function(yonder_add_fuzzer name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "CORPUS" "SOURCES;LINK")
  if(NOT YONDER_BUILD_FUZZERS)
    return()
  endif()
  yonder_add_test_executable(${name} SOURCES ${arg_SOURCES} LINK ${arg_LINK} OPTIMIZED)
  yonder_guide_fuzzers(${name})
  target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  set_property(GLOBAL APPEND PROPERTY YONDER_FUZZERS "$<TARGET_FILE:${name}> ${arg_CORPUS}")
endfunction()
