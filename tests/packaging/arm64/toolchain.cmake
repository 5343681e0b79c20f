# SPDX-License-Identifier: Apache-2.0
#
# Debian's cross compiler for arm64, and qemu-user for what it builds. YONDER_ARM64_ROOT: what cross_build.sh has put together.
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES YONDER_ARM64_ROOT)
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_CROSSCOMPILING_EMULATOR qemu-aarch64;-L;${YONDER_ARM64_ROOT})
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(CMAKE_FIND_ROOT_PATH "${YONDER_ARM64_ROOT};/usr/aarch64-linux-gnu")
set(CMAKE_PREFIX_PATH "${YONDER_ARM64_ROOT}")
foreach(kind IN ITEMS PACKAGE LIBRARY INCLUDE)
  set(CMAKE_FIND_ROOT_PATH_MODE_${kind} ONLY)
endforeach()
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
# Where Debian keeps the headers that differ.
set(CMAKE_CXX_FLAGS_INIT "-isystem ${YONDER_ARM64_ROOT}/usr/include/aarch64-linux-gnu")
# What libzmq and OpenSSL need of others lies there too.
set(CMAKE_EXE_LINKER_FLAGS_INIT "-Wl,-rpath-link,${YONDER_ARM64_ROOT}/usr/lib/aarch64-linux-gnu:${YONDER_ARM64_ROOT}/lib/aarch64-linux-gnu")
