# SPDX-License-Identifier: Apache-2.0
#
# registry.sh writes the two lines that say where the sources are.
vcpkg_from_git(
  OUT_SOURCE_PATH SOURCE_PATH
  URL "@YONDER_URL@"
  REF "@YONDER_COMMIT@")

# One switch a feature; what was not asked for is off, whatever the machine has.
vcpkg_check_features(
  OUT_FEATURE_OPTIONS FEATURE_OPTIONS
  FEATURES
    zmq YONDER_WITH_ZMQ
    sockets YONDER_WITH_SOCKETS
    ml YONDER_WITH_ML
    asio YONDER_WITH_ASIO
    http YONDER_WITH_HTTP
    launch YONDER_WITH_LAUNCH
    cuda YONDER_WITH_CUDA
    tools YONDER_BUILD_TOOLS)

vcpkg_cmake_configure(
  SOURCE_PATH "${SOURCE_PATH}"
  OPTIONS
    ${FEATURE_OPTIONS}
    -DYONDER_BUILD_TESTS=OFF
    -DYONDER_BUILD_EXAMPLES=OFF
    -DYONDER_INSTALL=ON)
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(CONFIG_PATH lib/cmake/yonder)
vcpkg_fixup_pkgconfig()
if("tools" IN_LIST FEATURES)
  vcpkg_copy_tools(TOOL_NAMES yonder AUTO_CLEAN)
endif()

file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/debug/include" "${CURRENT_PACKAGES_DIR}/debug/share")
file(INSTALL "${CMAKE_CURRENT_LIST_DIR}/usage" DESTINATION "${CURRENT_PACKAGES_DIR}/share/${PORT}")
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE")
