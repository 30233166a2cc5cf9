# Sets DUET_WITH_CUDA: whether the CUDA room is built. Included by the top-level CMakeLists.txt, as a language
# and imported targets belong to all folders that link it. What is unpacked somewhere is found through
# CMAKE_PREFIX_PATH, CUDAToolkit_ROOT and CUDNN_ROOT.
set(DUET_WITH_CUDA FALSE)
if(NOT DUET_CUDA)
  return()
endif()
set(missing "")

find_program(DUET_NVCC nvcc HINTS ${CUDAToolkit_ROOT} ENV CUDAToolkit_ROOT PATHS /usr/local/cuda PATH_SUFFIXES bin)
mark_as_advanced(DUET_NVCC)
if(DUET_NVCC AND NOT DEFINED ENV{CUDACXX})
  set(ENV{CUDACXX} "${DUET_NVCC}")
endif()
if(NOT CMAKE_CUDA_ARCHITECTURES AND NOT DEFINED ENV{CUDAARCHS})
  set(CMAKE_CUDA_ARCHITECTURES "80-real;90-real;90-virtual")
  set(ENV{CUDAARCHS} "${CMAKE_CUDA_ARCHITECTURES}")  # for the check below, which is a project of its own
endif()
include(CheckLanguage)
check_language(CUDA)
if(NOT CMAKE_CUDA_COMPILER)
  string(APPEND missing " a working nvcc (CUDAToolkit_ROOT)")
endif()

# Next to the compiler too: the packages of cuDNN may lie in the toolkit's folder.
get_filename_component(toolkit "${DUET_NVCC}/../.." ABSOLUTE)
find_path(CUDNN_INCLUDE_DIR cudnn.h HINTS ${CUDNN_ROOT} ENV CUDNN_ROOT ${toolkit} PATH_SUFFIXES include)
find_library(CUDNN_LIBRARY NAMES cudnn libcudnn.so.9 HINTS ${CUDNN_ROOT} ENV CUDNN_ROOT ${toolkit}
             PATH_SUFFIXES lib lib64 lib/x86_64-linux-gnu)
mark_as_advanced(CUDNN_INCLUDE_DIR CUDNN_LIBRARY)
if(NOT CUDNN_INCLUDE_DIR OR NOT CUDNN_LIBRARY)
  string(APPEND missing " cuDNN 9 (CUDNN_ROOT)")
endif()

if(missing STREQUAL "")
  set(CMAKE_CUDA_RUNTIME_LIBRARY Static)  # nothing of NVIDIA's is loaded before a GPU is asked for
  # The C++ standard holds for CUDA, too; CMake 3.25 does not know nvcc's flag for it.
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
  set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
  enable_language(CUDA)
  find_package(CUDAToolkit 12)
  if(NOT TARGET CUDA::cudart_static OR NOT TARGET CUDA::cublas)
    string(APPEND missing " the CUDA runtime and cuBLAS, 12 or newer")
  endif()
endif()

if(missing STREQUAL "")
  set(DUET_WITH_CUDA TRUE)
  message(STATUS "CUDA backend: ${CUDAToolkit_VERSION}, ${CUDNN_LIBRARY}, for ${CMAKE_CUDA_ARCHITECTURES}")
elseif(DUET_CUDA STREQUAL "AUTO")
  message(STATUS "CUDA backend: not built; not found:${missing}")
else()
  message(FATAL_ERROR "DUET_CUDA=${DUET_CUDA}: not found:${missing}")
endif()
