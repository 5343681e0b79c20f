# SPDX-License-Identifier: Apache-2.0
#
# yonder_build_flags: warnings and sanitizers of our own targets. It is linked PRIVATE and only in the build
# tree, so that nothing of it reaches a consumer.

add_library(yonder_build_flags INTERFACE)
target_compile_options(yonder_build_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow $<$<BOOL:${YONDER_WARNINGS_AS_ERRORS}>:-Werror>)

if(YONDER_SANITIZE)
  list(JOIN YONDER_SANITIZE "," yonder_sanitizers)
  target_compile_options(yonder_build_flags INTERFACE
    -fsanitize=${yonder_sanitizers} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  # GCC 12 warns wrongly about code that it instrumented itself.
  target_compile_options(yonder_build_flags INTERFACE
    $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized -Wno-tsan>)
  target_link_options(yonder_build_flags INTERFACE -fsanitize=${yonder_sanitizers})
endif()
