# SPDX-License-Identifier: Apache-2.0
#
# The CUDA side of yonder_kernels, included where that is defined. What is plain C++ (batches, weights, the order of
# the operators) compiles everywhere and is tested on the host; kernels and driver calls need a toolkit, 12.5 or later.
#
# YONDER_WITH_CUDA: ON, OFF, or AUTO: on in the main project where nvcc is found. One line of the configuration says
# which, and why.
set(YONDER_CUDA_HOST_SOURCES batch.cpp weights.cpp forward.cpp errors.cpp algorithm_store.cpp)
list(TRANSFORM YONDER_CUDA_HOST_SOURCES PREPEND "${CMAKE_CURRENT_LIST_DIR}/")
target_sources(yonder_kernels PRIVATE cuda/doctor.cpp)
target_link_libraries(yonder_kernels PRIVATE ${CMAKE_DL_LIBS})
if(TARGET yonder_ml)
  target_link_libraries(yonder_ml PRIVATE ${CMAKE_DL_LIBS})
endif()

set(yonder_with_cuda ${YONDER_WITH_CUDA})
set(yonder_why_no_cuda "YONDER_WITH_CUDA is ${YONDER_WITH_CUDA}; -DYONDER_WITH_CUDA=ON builds them where nvcc 12.5 or later is")
if(yonder_with_cuda STREQUAL "AUTO")
  set(yonder_with_cuda OFF)
  if(YONDER_SANITIZE)
    set(yonder_why_no_cuda "not with sanitizers")
  elseif(NOT PROJECT_IS_TOP_LEVEL)
    set(yonder_why_no_cuda "a part of another project takes them with -DYONDER_WITH_CUDA=ON")
  else()
    include(CheckLanguage)
    check_language(CUDA)
    find_program(YONDER_NVCC_FOUND nvcc)
    mark_as_advanced(YONDER_NVCC_FOUND)
    set(yonder_nvcc "${CMAKE_CUDA_COMPILER}")
    if(NOT yonder_nvcc AND YONDER_NVCC_FOUND)
      set(yonder_nvcc "${YONDER_NVCC_FOUND}")
    endif()
    set(yonder_nvcc_says "")
    if(yonder_nvcc)
      execute_process(COMMAND "${yonder_nvcc}" --version OUTPUT_VARIABLE yonder_nvcc_says ERROR_QUIET)
    endif()
    if(NOT yonder_nvcc)
      set(yonder_why_no_cuda "no nvcc was found; put it on PATH or name it with -DCMAKE_CUDA_COMPILER")
    elseif(yonder_nvcc_says MATCHES "release ([0-9]+\\.[0-9]+)" AND CMAKE_MATCH_1 VERSION_LESS 12.5)
      set(yonder_why_no_cuda "${yonder_nvcc} is of CUDA ${CMAKE_MATCH_1}, and 12.5 or later is needed; name another with -DCMAKE_CUDA_COMPILER")
    elseif(CMAKE_CUDA_COMPILER)
      set(yonder_with_cuda ON)
    else()
      set(yonder_why_no_cuda "CMake cannot compile with ${yonder_nvcc}; -DYONDER_WITH_CUDA=ON shows what it says")
    endif()
  endif()
endif()
set(YONDER_CUDA_IS_ON ${yonder_with_cuda} CACHE INTERNAL "What YONDER_WITH_CUDA came to")
if(NOT yonder_with_cuda)
  message(STATUS "Yonder's CUDA kernels: off (${yonder_why_no_cuda})")
  target_sources(yonder_kernels PRIVATE cuda/no_cuda.cpp)
  # A test brings what this file stands in for: in a unity build, too, it is an object of its own.
  set_source_files_properties("${CMAKE_CURRENT_SOURCE_DIR}/cuda/no_cuda.cpp" PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  return()
endif()

set(YONDER_CUDA_ARCHITECTURE "" CACHE STRING "The only architecture to build CUDA kernels for (80, 86, 90a, …); empty: all")
if(NOT YONDER_CUDA_ARCHITECTURE MATCHES "^([0-9]+a?)?$")
  message(FATAL_ERROR "YONDER_CUDA_ARCHITECTURE is \"${YONDER_CUDA_ARCHITECTURE}\"; it takes one architecture, as 86 or 90a, or nothing: "
    "machine code for 8.0 and 9.0a, and PTX for what comes after")
endif()
# CMake would take a clang++ for CUDA's compiler where no nvcc is.
find_program(YONDER_NVCC_FOUND nvcc)
mark_as_advanced(YONDER_NVCC_FOUND)
if(NOT YONDER_NVCC_FOUND AND NOT CMAKE_CUDA_COMPILER AND NOT DEFINED ENV{CUDACXX})
  message(FATAL_ERROR "YONDER_WITH_CUDA is ON, and no nvcc was found: put nvcc 12.5 or later on PATH, name it with -DCMAKE_CUDA_COMPILER or in CUDACXX, "
    "or configure with -DYONDER_WITH_CUDA=OFF: models then run on the CPU")
endif()
set(CMAKE_CUDA_ARCHITECTURES OFF)
# CMAKE_CXX_STANDARD, where a project requires it, is asked of nvcc, too, and CMake 3.25 knows none above 17 there: ours is stated below.
set(CMAKE_CUDA_STANDARD_REQUIRED OFF)
enable_language(CUDA)
find_package(CUDAToolkit 12.5 REQUIRED)
message(STATUS "Yonder's CUDA kernels: on (toolkit ${CUDAToolkit_VERSION})")
cmake_path(GET CUDA_cudart_static_LIBRARY PARENT_PATH yonder_cuda_libraries)
set(YONDER_CUDA_LIBRARY_DIR "${yonder_cuda_libraries}" CACHE INTERNAL "Where cudart_static is")
target_sources(yonder_kernels PRIVATE ${YONDER_CUDA_HOST_SOURCES} cuda/cublaslt.cpp cuda/device.cpp cuda/tensor_map.cpp
  cuda/lane.cpp cuda/model.cpp cuda/launch.cu)
set_source_files_properties(cuda/cublaslt.cpp PROPERTIES
  COMPILE_DEFINITIONS "YONDER_CUDA_LIBRARY_DIR=\"${yonder_cuda_libraries}\"")
target_link_libraries(yonder_kernels PRIVATE CUDA::cudart_static)
if(TARGET yonder_ml)
  target_link_libraries(yonder_ml PRIVATE CUDA::cudart_static)
endif()
# CMake 3.25 does not know C++20 for CUDA. Machine code for Ampere and Hopper, and PTX for what comes after; or machine
# code for one architecture alone, as nvcc names it, for a build on the machine that will run it.
if(YONDER_CUDA_ARCHITECTURE)
  string(REGEX REPLACE "^90$" "90a" yonder_architecture "${YONDER_CUDA_ARCHITECTURE}") # wgmma is in 90a alone
  set(yonder_gencode "-gencode=arch=compute_${yonder_architecture},code=sm_${yonder_architecture}")
else()
  set(yonder_architecture "")
  set(yonder_gencode -gencode=arch=compute_80,code=sm_80 -gencode=arch=compute_90a,code=sm_90a
    -gencode=arch=compute_90,code=compute_90)
endif()
set_source_files_properties(cuda/model.cpp PROPERTIES
  COMPILE_DEFINITIONS "YONDER_CUDA_ARCHITECTURE=\"${yonder_architecture}\"")
set(yonder_cuda_flags "$<$<COMPILE_LANGUAGE:CUDA>:-std=c++20;${yonder_gencode}>")
set_target_properties(yonder_kernels PROPERTIES CUDA_ARCHITECTURES OFF CUDA_STANDARD_REQUIRED OFF)
target_compile_options(yonder_kernels PRIVATE ${yonder_cuda_flags})

# Checks and measurements on a GPU; ./dev gpu drives them. They are built beforehand and carried to the machine with
# the GPU, so they bring the C++ library. The second one's waits are bounded: its launch.o comes before the library's.
add_executable(yonder_gpu EXCLUDE_FROM_ALL cuda/tools/main.cpp cuda/tools/ceilings.cu cpu/reference.cpp)
add_executable(yonder_gpu_checked EXCLUDE_FROM_ALL cuda/tools/main.cpp cuda/tools/ceilings.cu cpu/reference.cpp
  cuda/launch.cu)
target_compile_definitions(yonder_gpu_checked PRIVATE YONDER_CUDA_CHECKS)
foreach(program yonder_gpu yonder_gpu_checked)
  target_include_directories(${program} PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}")
  target_compile_features(${program} PRIVATE cxx_std_20)
  target_compile_options(${program} PRIVATE ${yonder_cuda_flags})
  target_link_libraries(${program} PRIVATE yonder_kernels nlohmann_json::nlohmann_json CUDA::cudart_static yonder_build_flags)
  target_link_options(${program} PRIVATE -static-libstdc++ -static-libgcc)
  set_target_properties(${program} PROPERTIES CXX_EXTENSIONS OFF CUDA_ARCHITECTURES OFF
    RUNTIME_OUTPUT_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}/tools")
endforeach()
