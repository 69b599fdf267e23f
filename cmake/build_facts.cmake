# Writes OUTPUT, the macros of what this build is, for server/version.cc; leaves a file that says the same untouched.
# In: OUTPUT, SOURCE, REVISION (or empty: git is asked), BUILD_TYPE, COMPILER, LIBTORCH_ROOT, CUDA_INCLUDE (empty: none).
if(NOT REVISION)
  find_program(GIT git)
  if(GIT)
    execute_process(COMMAND ${GIT} describe --tags --always --dirty WORKING_DIRECTORY ${SOURCE}
                    OUTPUT_VARIABLE REVISION OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  endif()
  if(NOT REVISION)
    set(REVISION unknown)
  endif()
endif()

set(torch "")
foreach(part MAJOR MINOR PATCH)
  file(STRINGS ${LIBTORCH_ROOT}/include/torch/headeronly/version.h line REGEX "define TORCH_VERSION_${part} ")
  string(REGEX REPLACE ".* " "" number "${line}")
  list(APPEND torch ${number})
endforeach()
list(JOIN torch . torch)

set(cuda none)
if(CUDA_INCLUDE)
  file(STRINGS ${CUDA_INCLUDE}/cuda_runtime_api.h line REGEX "define CUDART_VERSION ")
  string(REGEX REPLACE ".*[^0-9]([0-9]+)$" "\\1" number "${line}")
  math(EXPR major "${number} / 1000")
  math(EXPR minor "${number} % 1000 / 10")
  set(cuda ${major}.${minor})
endif()

set(text "#pragma once
#define EASEL_REVISION \"${REVISION}\"
#define EASEL_BUILD_TYPE \"${BUILD_TYPE}\"
#define EASEL_COMPILER \"${COMPILER}\"
#define EASEL_LIBTORCH \"${torch}\"
#define EASEL_CUDA_VERSION \"${cuda}\"
")
set(before "")
if(EXISTS ${OUTPUT})
  file(READ ${OUTPUT} before)
endif()
if(NOT before STREQUAL text)
  file(WRITE ${OUTPUT} "${text}")
endif()
