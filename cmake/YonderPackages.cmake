# SPDX-License-Identifier: Apache-2.0
#
# Debian packages of a build with shared libraries: `cpack -G DEB` in its folder. libyonder<version> is what programs load,
# libyonder-dev what they are built with, yonder-tools the yonder command. Configure it with -DCMAKE_INSTALL_PREFIX=/usr, by
# which the libraries' folder is Debian's.

set(CPACK_PACKAGE_NAME yonder)
set(CPACK_PACKAGE_CONTACT "the Yonder developers <yonder@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_RESOURCE_FILE_LICENSE "${PROJECT_SOURCE_DIR}/LICENSE")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_COMPONENTS_ALL runtime development)
if(TARGET yonder_command)
  list(APPEND CPACK_COMPONENTS_ALL tools)
endif()

set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION libs)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_TOOLS_PACKAGE_SECTION utils)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# Where dpkg-shlibdeps finds the libraries of this very build.
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS "${PROJECT_BINARY_DIR}")
set(CPACK_DEBIAN_PACKAGE_GENERATE_SHLIBS ON)
set(yonder_runtime_package "libyonder${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}")
set(CPACK_DEBIAN_RUNTIME_PACKAGE_NAME ${yonder_runtime_package})
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libyonder-dev)
set(CPACK_DEBIAN_TOOLS_PACKAGE_NAME yonder-tools)
set(yonder_development_needs "${yonder_runtime_package} (= ${PROJECT_VERSION})" "libcereal-dev (>= 1.3)")
if(YONDER_WITH_ZMQ)
  list(APPEND yonder_development_needs "libzmq3-dev (>= 4.3)")
endif()
if(YONDER_BOOST_IS_THERE)  # yonder/asio.hpp and yonder/boost_serialization.hpp include it
  set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SUGGESTS "libboost-dev (>= 1.74)")
endif()
list(JOIN yonder_development_needs ", " CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS)
set(CPACK_DEBIAN_TOOLS_PACKAGE_CONTROL_EXTRA "${PROJECT_SOURCE_DIR}/packaging/systemd/postinst")
set(CPACK_DEBIAN_TOOLS_PACKAGE_CONTROL_STRICT_PERMISSION TRUE)
set(CPACK_DEBIAN_ENABLE_COMPONENT_DEPENDS ON)
set(CPACK_COMPONENT_TOOLS_DEPENDS runtime)
set(CPACK_COMPONENT_RUNTIME_DESCRIPTION "The shared libraries.")
set(CPACK_COMPONENT_DEVELOPMENT_DESCRIPTION "Headers, CMake configuration and pkg-config files.")
set(CPACK_COMPONENT_TOOLS_DESCRIPTION "The yonder command: hubs, keys.")

include(CPack)
