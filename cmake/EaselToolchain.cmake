# Compiler, cache, linker and sanitizer settings, and the two helpers that every folder's CMakeLists uses.
add_compile_options(-Wall -Wextra -Wno-unused-parameter)
# Error messages hold the names of files: the same ones wherever they were built, so that the programs are the same.
add_compile_options(-ffile-prefix-map=${CMAKE_SOURCE_DIR}=. -ffile-prefix-map=${CMAKE_BINARY_DIR}=build)

find_program(EASEL_CCACHE ccache)
if(EASEL_CCACHE)
  # Precompiled headers need both: ccache's sloppiness and gcc's -fpch-preprocess.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros ${EASEL_CCACHE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    add_compile_options(-fpch-preprocess)
  endif()
endif()
find_program(EASEL_MOLD mold)
if(EASEL_MOLD)
  add_link_options(-fuse-ld=mold)
endif()

if(EASEL_SANITIZE STREQUAL "address")
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -g1)
  add_link_options(-fsanitize=address,undefined)
elseif(EASEL_SANITIZE STREQUAL "thread")
  add_compile_options(-fsanitize=thread -g1)
  add_link_options(-fsanitize=thread)
elseif(EASEL_SANITIZE)
  message(FATAL_ERROR "EASEL_SANITIZE is '${EASEL_SANITIZE}'; it takes address or thread")
endif()

if(EASEL_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang" OR EASEL_SANITIZE)
    message(FATAL_ERROR "EASEL_FUZZ needs clang (-DCMAKE_CXX_COMPILER=clang++) and brings its own sanitizers")
  endif()
  add_compile_options(-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -g1)
  add_link_options(-fsanitize=address,undefined)
endif()

# easel_library(name FILES... LINK targets...): a static library of this folder; includes are rooted at the repository.
function(easel_library name)
  cmake_parse_arguments(ARG "" "" "FILES;LINK" ${ARGN})
  add_library(${name} STATIC ${ARG_FILES})
  target_include_directories(${name} PUBLIC $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}>)
  target_link_libraries(${name} PUBLIC ${ARG_LINK})
endfunction()

# easel_uses_aten(target): compiles against LibTorch with the one precompiled ATen header (13 s a file becomes 3).
function(easel_uses_aten target)
  target_link_libraries(${target} PUBLIC LibTorch::cpu)
  target_compile_options(${target} PRIVATE -fPIC)  # an executable's -fPIE would not match the header's
  target_precompile_headers(${target} REUSE_FROM easel_aten_pch)
endfunction()
