# SPDX-License-Identifier: Apache-2.0
#
# yonder_build_flags: warnings and sanitizers of our own targets. It is linked PRIVATE and only in the build
# tree, so that nothing of it reaches a consumer.

add_library(yonder_build_flags INTERFACE)
# Within another project, whatever warnings that has as errors: ours are none of its.
set(yonder_warnings -w)
if(PROJECT_IS_TOP_LEVEL OR YONDER_WARNINGS_AS_ERRORS)
  set(yonder_warnings -Wall -Wextra -Wpedantic -Wshadow)
endif()
target_compile_options(yonder_build_flags INTERFACE
  # nvcc has other names for them.
  "$<$<COMPILE_LANGUAGE:CXX>:${yonder_warnings}>"
  $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<BOOL:${YONDER_WARNINGS_AS_ERRORS}>>:-Werror>
  # GCC 12 warns wrongly about temporaries that hold a std::string (PR 105651), and about code that it instrumented itself.
  "$<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-maybe-uninitialized;-Wno-restrict;-Wno-tsan>"
  # Newer Clangs warn of what libstdc++ 12 itself uses below std::stable_sort.
  "$<$<AND:$<COMPILE_LANG_AND_ID:CXX,Clang>,$<VERSION_GREATER_EQUAL:$<CXX_COMPILER_VERSION>,15>>:-Wno-deprecated-declarations>"
  # It warns of what is in an included file, which a file of a unity build is.
  "$<$<AND:$<COMPILE_LANG_AND_ID:CXX,GNU>,$<BOOL:${CMAKE_UNITY_BUILD}>>:-Wno-subobject-linkage>")

if(YONDER_SANITIZE)
  list(JOIN YONDER_SANITIZE "," yonder_sanitizers)
  target_compile_options(yonder_build_flags INTERFACE
    -fsanitize=${yonder_sanitizers} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  # Clang 14 cannot compile inline coroutines with it (LLVM issue 49689).
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND yonder_sanitizers MATCHES "undefined"
     AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 17)
    target_compile_options(yonder_build_flags INTERFACE -fno-sanitize=function)
  endif()
  target_link_options(yonder_build_flags INTERFACE -fsanitize=${yonder_sanitizers})
endif()

if(YONDER_BUILD_FUZZERS AND NOT (CMAKE_CXX_COMPILER_ID MATCHES "Clang" AND YONDER_SANITIZE))
  message(FATAL_ERROR "YONDER_BUILD_FUZZERS needs Clang and sanitizers: configure with -DCMAKE_CXX_COMPILER=clang++ "
                      "-DYONDER_SANITIZE=\"address;undefined\", or with the preset asan-ubsan.")
endif()

# yonder_guide_fuzzers(<target>): a fuzzer sees which of its branches were taken. For what fuzzers test.
function(yonder_guide_fuzzers target)
  if(YONDER_BUILD_FUZZERS)
    target_compile_options(${target} PRIVATE -fsanitize=fuzzer-no-link)
  endif()
endfunction()

# yonder_copy_by_library(<target>): where it optimises, GCC zeroes and copies what is longer than a few words by `rep`,
# which takes longer to begin than the C library takes in all: 208 bytes are zeroed in 11 ns by the one and in 2.7 by the
# other, 13 bytes of which it is known that they are 512 at most are copied in 23 and in 3.4 (Xeon, GCC 12, -O3).
function(yonder_copy_by_library target)
  if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
    target_compile_options(${target} PRIVATE
      "$<$<AND:$<COMPILE_LANG_AND_ID:CXX,GNU>,$<NOT:$<CONFIG:Debug>>>:-mmemset-strategy=libcall:-1:noalign;-mmemcpy-strategy=libcall:-1:noalign>")
  endif()
endfunction()
