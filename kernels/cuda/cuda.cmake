# SPDX-License-Identifier: Apache-2.0
#
# The CUDA side of yonder_kernels, included where that is defined. What is plain C++ (batches, weights, the order of
# the operators) compiles everywhere and is tested on the host; kernels and driver calls need a toolkit, 12.5 or later.
#
# YONDER_WITH_CUDA: ON, OFF, or AUTO: on in the main project where nvcc is found.
set(YONDER_CUDA_HOST_SOURCES batch.cpp weights.cpp forward.cpp errors.cpp)
list(TRANSFORM YONDER_CUDA_HOST_SOURCES PREPEND "${CMAKE_CURRENT_LIST_DIR}/")

set(yonder_with_cuda ${YONDER_WITH_CUDA})
if(yonder_with_cuda STREQUAL "AUTO")
  set(yonder_with_cuda OFF)
  if(PROJECT_IS_TOP_LEVEL AND NOT YONDER_SANITIZE)
    include(CheckLanguage)
    check_language(CUDA)
    if(CMAKE_CUDA_COMPILER)
      set(yonder_with_cuda ON)
    endif()
  endif()
endif()
set(YONDER_CUDA_IS_ON ${yonder_with_cuda} CACHE INTERNAL "What YONDER_WITH_CUDA came to")
if(NOT yonder_with_cuda)
  target_sources(yonder_kernels PRIVATE cuda/no_cuda.cpp)
  return()
endif()

set(CMAKE_CUDA_ARCHITECTURES OFF)
enable_language(CUDA)
find_package(CUDAToolkit 12.5 REQUIRED)
cmake_path(GET CUDA_cudart_static_LIBRARY PARENT_PATH yonder_cuda_libraries)
set(YONDER_CUDA_LIBRARY_DIR "${yonder_cuda_libraries}" CACHE INTERNAL "Where cudart_static is")
target_sources(yonder_kernels PRIVATE ${YONDER_CUDA_HOST_SOURCES} cuda/cublaslt.cpp cuda/device.cpp cuda/tensor_map.cpp
  cuda/model.cpp   cuda/launch.cu)
set_source_files_properties(cuda/cublaslt.cpp PROPERTIES
  COMPILE_DEFINITIONS "YONDER_CUDA_LIBRARY_DIR=\"${yonder_cuda_libraries}\"")
target_link_libraries(yonder_kernels PRIVATE CUDA::cudart_static)
if(TARGET yonder_ml)
  target_link_libraries(yonder_ml PRIVATE CUDA::cudart_static)
endif()
# CMake 3.25 does not know C++20 for CUDA. Machine code for Ampere and Hopper, and PTX for what comes after.
set(yonder_cuda_flags
  "$<$<COMPILE_LANGUAGE:CUDA>:-std=c++20;-gencode=arch=compute_80,code=sm_80;-gencode=arch=compute_90a,code=sm_90a;-gencode=arch=compute_90,code=compute_90>")
set_target_properties(yonder_kernels PROPERTIES CUDA_ARCHITECTURES OFF)
target_compile_options(yonder_kernels PRIVATE ${yonder_cuda_flags})

# Checks and measurements on a GPU; ./dev gpu drives it.
add_executable(yonder_gpu EXCLUDE_FROM_ALL cuda/tools/main.cpp cuda/tools/ceilings.cu cpu/reference.cpp)
target_include_directories(yonder_gpu PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}")
target_compile_features(yonder_gpu PRIVATE cxx_std_20)
target_compile_options(yonder_gpu PRIVATE ${yonder_cuda_flags})
target_link_libraries(yonder_gpu PRIVATE yonder_kernels nlohmann_json::nlohmann_json CUDA::cudart_static yonder_build_flags)
set_target_properties(yonder_gpu PROPERTIES CXX_EXTENSIONS OFF CUDA_ARCHITECTURES OFF
  RUNTIME_OUTPUT_DIRECTORY "${CMAKE_CURRENT_BINARY_DIR}/tools")
