# SPDX-License-Identifier: Apache-2.0
#
# The libraries that users link: yonder::core, yonder::zmq, yonder::ml, and yonder::yonder for the usual set.
# A folder adds its files with target_sources(yonder_<component> PRIVATE …).

set_property(GLOBAL PROPERTY YONDER_COMPONENTS "")
set_property(GLOBAL PROPERTY YONDER_HEADER_COMPONENTS "")
set_property(GLOBAL PROPERTY YONDER_OPTIONAL_COMPONENTS "")

# The public headers of a component: include/yonder/<component>/ and <component>.hpp for all but core, which has the rest.
function(yonder_component_headers component result)
  file(GLOB_RECURSE all CONFIGURE_DEPENDS RELATIVE "${PROJECT_SOURCE_DIR}"
       "${PROJECT_SOURCE_DIR}/include/yonder/*.hpp")
  set(headers ${all})
  if(component STREQUAL "core")
    list(FILTER headers EXCLUDE REGEX "^include/yonder/((ml|zmq|sockets|asio|http|launch)/|(asio|boost_serialization|http|launch)\\.hpp$)")
  else()
    list(FILTER headers INCLUDE REGEX "^include/yonder/${component}(/|\\.hpp$)")
  endif()
  list(TRANSFORM headers PREPEND "${PROJECT_SOURCE_DIR}/")
  set(${result} "${headers}" PARENT_SCOPE)
endfunction()

# OPTIONAL: no part of the usual set, as it needs what most programs do not have.
function(yonder_add_library component)
  cmake_parse_arguments(PARSE_ARGV 1 arg "OPTIONAL" "" "")
  set(target yonder_${component})
  yonder_component_headers(${component} headers)
  add_library(${target})
  add_library(yonder::${component} ALIAS ${target})
  target_sources(${target} PUBLIC FILE_SET HEADERS BASE_DIRS "${PROJECT_SOURCE_DIR}/include" FILES ${headers})
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}")
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:yonder_build_flags>)
  if(NOT YONDER_SANITIZE)
    # A shared library that lacks a symbol fails here, not in a user's program; and it exports nothing but what is ours.
    target_link_options(${target} PRIVATE LINKER:-z,defs)
    get_target_property(kind ${target} TYPE)
    if(kind STREQUAL "SHARED_LIBRARY")
      target_link_options(${target} PRIVATE "LINKER:--version-script=${PROJECT_SOURCE_DIR}/cmake/exports.map")
      set_target_properties(${target} PROPERTIES LINK_DEPENDS "${PROJECT_SOURCE_DIR}/cmake/exports.map")
    endif()
  endif()
  set_target_properties(${target} PROPERTIES
    EXPORT_NAME ${component}
    # Shared and static objects are compiled alike; nothing asks which they are.
    DEFINE_SYMBOL ""
    VERSION ${PROJECT_VERSION}
    # Before 1.0 a new minor version may change the ABI.
    SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
    CXX_EXTENSIONS OFF
    CXX_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON
    POSITION_INDEPENDENT_CODE ON
    VERIFY_INTERFACE_HEADER_SETS ${PROJECT_IS_TOP_LEVEL})
  if(arg_OPTIONAL)
    set_property(GLOBAL APPEND PROPERTY YONDER_OPTIONAL_COMPONENTS ${component})
  else()
    set_property(GLOBAL APPEND PROPERTY YONDER_COMPONENTS ${component})
  endif()
endfunction()

# A component that is headers only, and no part of the usual set: it needs what most programs do not have.
function(yonder_add_header_library component)
  set(target yonder_${component})
  yonder_component_headers(${component} headers)
  add_library(${target} INTERFACE)
  add_library(yonder::${component} ALIAS ${target})
  target_sources(${target} INTERFACE FILE_SET HEADERS BASE_DIRS "${PROJECT_SOURCE_DIR}/include" FILES ${headers})
  target_link_libraries(${target} INTERFACE yonder_core)
  set_target_properties(${target} PROPERTIES
    EXPORT_NAME ${component} VERIFY_INTERFACE_HEADER_SETS ${PROJECT_IS_TOP_LEVEL})
  set_property(GLOBAL APPEND PROPERTY YONDER_HEADER_COMPONENTS ${component})
endfunction()

# Called once every folder has added its files.
function(yonder_finish_libraries)
  if(TARGET yonder_ml AND TARGET yonder_kernels)
    target_sources(yonder_ml PRIVATE $<TARGET_OBJECTS:yonder_kernels>)
  endif()
  add_library(yonder_yonder INTERFACE)
  add_library(yonder::yonder ALIAS yonder_yonder)
  set_target_properties(yonder_yonder PROPERTIES EXPORT_NAME yonder)
  get_property(components GLOBAL PROPERTY YONDER_COMPONENTS)
  foreach(component IN LISTS components)
    yonder_give_a_source(yonder_${component})
    target_link_libraries(yonder_yonder INTERFACE yonder_${component})
  endforeach()
endfunction()

# A component whose folder is absent still has to be a library.
function(yonder_give_a_source target)
  get_target_property(sources ${target} SOURCES)
  if(NOT sources)
    target_sources(${target} PRIVATE "${PROJECT_SOURCE_DIR}/src/version.cpp")
  endif()
endfunction()

# A project that exports its own build tree by export() names what it links there: so ours is exported, too, into yonder-targets.cmake of the
# build folder. Left out where something that we need is itself a target of that project, which would have to be exported first.
function(yonder_export_build_tree)
  foreach(dependency IN ITEMS cereal::cereal cppzmq libzmq libzmq-static Boost::headers OpenSSL::SSL OpenSSL::Crypto tomlplusplus::tomlplusplus)
    if(TARGET ${dependency})
      get_target_property(is_imported ${dependency} IMPORTED)
      if(NOT is_imported)
        return()
      endif()
    endif()
  endforeach()
  set(targets yonder_headers yonder_yonder yonder_build_flags)
  foreach(kind IN ITEMS COMPONENTS HEADER_COMPONENTS OPTIONAL_COMPONENTS)
    get_property(components GLOBAL PROPERTY YONDER_${kind})
    list(TRANSFORM components PREPEND "yonder_")
    list(APPEND targets ${components})
  endforeach()
  foreach(private IN ITEMS yonder_cppzmq yonder_tomlplusplus)
    if(TARGET ${private})
      list(APPEND targets ${private})
    endif()
  endforeach()
  export(TARGETS ${targets} NAMESPACE yonder:: FILE "${PROJECT_BINARY_DIR}/yonder-targets.cmake")
endfunction()
