# LibTorch from PyPI's `torch` wheel (or any directory with include/ and lib/), as imported targets:
#   LibTorch::cpu   what model/ needs; with EASEL_CUDA=ON also the CUDA back end
# Not torch's own TorchConfig.cmake: that one wants a CUDA compiler at configure time and makes a dummy protobuf target.
#
# LIBTORCH_ROOT (cache variable or environment): the directory that holds include/ and lib/, e.g. .../site-packages/torch.
set(EASEL_TORCH_VERSION 2.11.0)
if(NOT LIBTORCH_ROOT)
  if(DEFINED ENV{LIBTORCH_ROOT})
    set(LIBTORCH_ROOT $ENV{LIBTORCH_ROOT})
  else()
    set(_cache $ENV{XDG_CACHE_HOME})
    if(NOT _cache)
      set(_cache $ENV{HOME}/.cache)
    endif()
    foreach(_flavour cpu cu130)
      if(EXISTS ${_cache}/easel/libtorch-${EASEL_TORCH_VERSION}-${_flavour}/torch/lib/libtorch_cpu.so)
        set(LIBTORCH_ROOT ${_cache}/easel/libtorch-${EASEL_TORCH_VERSION}-${_flavour}/torch)
        break()
      endif()
    endforeach()
  endif()
endif()
set(LIBTORCH_ROOT "${LIBTORCH_ROOT}" CACHE PATH "directory of LibTorch's include/ and lib/")
if(NOT EXISTS "${LIBTORCH_ROOT}/lib/libtorch_cpu.so")
  message(FATAL_ERROR "LibTorch not found (LIBTORCH_ROOT='${LIBTORCH_ROOT}'). Run deploy/setup.sh, or set "
                      "-DLIBTORCH_ROOT to a directory that holds include/ and lib/libtorch_cpu.so.")
endif()

# The wheel carries google/protobuf 3.13 headers, which would shadow the system's: offer every entry but that one.
set(_include ${CMAKE_BINARY_DIR}/libtorch-include)
file(MAKE_DIRECTORY ${_include})
file(GLOB _entries RELATIVE ${LIBTORCH_ROOT}/include ${LIBTORCH_ROOT}/include/*)
foreach(_entry ${_entries})
  if(NOT _entry STREQUAL google AND NOT EXISTS ${_include}/${_entry})
    file(CREATE_LINK ${LIBTORCH_ROOT}/include/${_entry} ${_include}/${_entry} SYMBOLIC)
  endif()
endforeach()

foreach(_lib c10 torch_cpu)
  add_library(LibTorch::${_lib} SHARED IMPORTED)
  set_target_properties(LibTorch::${_lib} PROPERTIES IMPORTED_LOCATION ${LIBTORCH_ROOT}/lib/lib${_lib}.so)
endforeach()
add_library(LibTorch::cpu INTERFACE IMPORTED)
target_include_directories(LibTorch::cpu SYSTEM INTERFACE ${_include} ${_include}/torch/csrc/api/include)
# libtorch_cpu.so asks for a few CUDA libraries that the loader finds by its own run path, not the linker.
target_link_libraries(LibTorch::cpu INTERFACE LibTorch::torch_cpu LibTorch::c10)
target_link_options(LibTorch::cpu INTERFACE -Wl,--allow-shlib-undefined)

if(EASEL_CUDA)
  foreach(_lib c10_cuda torch_cuda)
    add_library(LibTorch::${_lib} SHARED IMPORTED)
    set_target_properties(LibTorch::${_lib} PROPERTIES IMPORTED_LOCATION ${LIBTORCH_ROOT}/lib/lib${_lib}.so)
  endforeach()
  find_path(EASEL_CUDA_INCLUDE cuda_runtime_api.h
            HINTS ${LIBTORCH_ROOT}/../nvidia/cu13/include /usr/local/cuda/include REQUIRED)
  target_include_directories(LibTorch::cpu SYSTEM INTERFACE ${EASEL_CUDA_INCLUDE})
  # Nothing references libtorch_cuda, yet its kernels must register.
  target_link_options(LibTorch::cpu INTERFACE -Wl,--no-as-needed ${LIBTORCH_ROOT}/lib/libtorch_cuda.so
                      ${LIBTORCH_ROOT}/lib/libc10_cuda.so -Wl,--as-needed)
endif()
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch REQUIRED_VARS LIBTORCH_ROOT)
