# trails_cuda.so: the kernels and what needs the CUDA runtime. Without a CUDA 13 compiler there is
# none, and everything else is as with it.
if(NOT CMAKE_CUDA_COMPILER)
  find_program(TRAILS_NVCC nvcc HINTS "$ENV{CUDA_HOME}/bin" /usr/local/cuda/bin)
  if(TRAILS_NVCC)
    set(CMAKE_CUDA_COMPILER "${TRAILS_NVCC}")
  endif()
endif()
if(NOT CMAKE_CUDA_COMPILER)
  message(STATUS "no CUDA compiler: trails_cuda.so is not built")
  return()
endif()

# Ampere and Hopper as machine code; what comes later, from the intermediate code.
set(CMAKE_CUDA_ARCHITECTURES 80-real 90-real 90-virtual)
enable_language(CUDA)
# CMake 3.25.1, Debian's, does not know that nvcc compiles C++20.
if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
endif()
set(CMAKE_CUDA_STANDARD 20)
set(CMAKE_CUDA_STANDARD_REQUIRED ON)
set(CMAKE_CUDA_EXTENSIONS OFF)
# Named as a system folder, it would hide the compiler's own from #include_next.
list(APPEND CMAKE_CUDA_IMPLICIT_INCLUDE_DIRECTORIES /usr/include)
find_package(CUDAToolkit 13 REQUIRED)

# Compiled once for the library and for the programs of test/gpu and bench/gpu.
file(GLOB CUDA_SOURCES CONFIGURE_DEPENDS src/kernels/*.cu src/core/card/*.cu src/core/card/*.cpp)
add_library(trails_cuda_objects OBJECT ${CUDA_SOURCES})
target_link_libraries(trails_cuda_objects PUBLIC trails_search CUDA::cudart CUDA::cublas
                      PRIVATE trails_warnings)
set_target_properties(trails_cuda_objects PROPERTIES CUDA_RUNTIME_LIBRARY Shared)

add_library(trails_cuda SHARED)
target_link_libraries(trails_cuda PRIVATE trails_cuda_objects trails_warnings)
# The CUDA runtime is LibTorch's, beside which it is installed; cuBLAS the toolkit's, unless a wheel
# of it was unpacked there too.
set_target_properties(trails_cuda PROPERTIES PREFIX "" LINKER_LANGUAGE CXX
  CUDA_RUNTIME_LIBRARY Shared
  INSTALL_RPATH "$ORIGIN/trails/nvidia/cu13/lib;${CUDAToolkit_LIBRARY_DIR}")
add_dependencies(libraries trails_cuda)
