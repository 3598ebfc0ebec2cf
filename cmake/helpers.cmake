# Build rules shared by every folder: svtune_library() and svtune_test().

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_CXX_SCAN_FOR_MODULES OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Build type" FORCE)
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG")

find_program(SVTUNE_CCACHE ccache)
if(SVTUNE_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # The sloppiness is what ccache asks for to cache files that use a precompiled header.
  set(CMAKE_CXX_COMPILER_LAUNCHER
      "${CMAKE_COMMAND};-E;env;CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime;${SVTUNE_CCACHE}")
endif()

add_library(svtune_flags INTERFACE)
target_include_directories(svtune_flags INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/src>
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>)
target_compile_options(svtune_flags INTERFACE
  -Wall -Wextra
  # -Wrestrict of GCC 12 misfires on std::string (GCC bug 105651).
  $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess$<SEMICOLON>-Wno-restrict>)
if(SVTUNE_SANITIZE)
  target_compile_options(svtune_flags INTERFACE
    -fsanitize=address,undefined -fno-sanitize=vptr -fno-sanitize-recover=all
    -fno-omit-frame-pointer -g1)
  target_link_options(svtune_flags INTERFACE -fsanitize=address,undefined)
endif()
if(SVTUNE_BUILD_FUZZERS)
  target_compile_options(svtune_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

# svtune_library(name [TORCH] SOURCES files... [DEPS targets...])
# Defines svtune_<name>. TORCH adds LibTorch, OpenMP and the shared precompiled header.
function(svtune_library name)
  cmake_parse_arguments(ARG "TORCH" "" "SOURCES;DEPS" ${ARGN})
  set(target svtune_${name})
  add_library(${target} STATIC ${ARG_SOURCES})
  target_link_libraries(${target} PUBLIC svtune_flags ${ARG_DEPS})
  if(ARG_TORCH)
    svtune_use_torch(${target})
  endif()
  set_property(GLOBAL APPEND PROPERTY SVTUNE_LIBRARIES ${target})
endfunction()

# svtune_test(name [TORCH] SOURCES files... [DEPS targets...])
# Defines the program svtune_<name>_tests and one ctest entry per GoogleTest case.
function(svtune_test name)
  if(NOT SVTUNE_BUILD_TESTS)
    return()
  endif()
  cmake_parse_arguments(ARG "TORCH" "" "SOURCES;DEPS" ${ARGN})
  set(target svtune_${name}_tests)
  add_executable(${target} ${ARG_SOURCES})
  target_link_libraries(${target} PRIVATE svtune_flags ${ARG_DEPS} GTest::gmock)
  target_compile_definitions(${target} PRIVATE SVTUNE_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  if(ARG_TORCH)
    target_link_libraries(${target} PRIVATE svtune_torch_test_main)
    svtune_use_torch(${target})
  else()
    target_link_libraries(${target} PRIVATE GTest::gtest_main)
  endif()
  include(GoogleTest)
  gtest_discover_tests(${target} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60
                       PROPERTIES TIMEOUT 600)
endfunction()

function(svtune_use_torch target)
  target_link_libraries(${target} PUBLIC OpenMP::OpenMP_CXX LibTorch::LibTorch)
  set_target_properties(${target} PROPERTIES BUILD_RPATH "${LibTorch_LIBRARY_DIR}")
  get_target_property(kind ${target} TYPE)
  if(kind STREQUAL EXECUTABLE)
    # CMake would use -fPIE here, and GCC then ignores the precompiled header.
    set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
    target_compile_options(${target} PRIVATE -fPIC)
  endif()
  if(CMAKE_DISABLE_PRECOMPILE_HEADERS)
    return()
  endif()
  if(NOT TARGET svtune_pch)
    # One precompiled header for every torch file; compiled once, reused by all targets.
    file(WRITE "${CMAKE_BINARY_DIR}/pch/svtune_pch.cpp" "")
    add_library(svtune_pch OBJECT "${CMAKE_BINARY_DIR}/pch/svtune_pch.cpp")
    target_link_libraries(svtune_pch PRIVATE svtune_flags OpenMP::OpenMP_CXX LibTorch::LibTorch)
    target_precompile_headers(svtune_pch PRIVATE "${PROJECT_SOURCE_DIR}/src/libtorch/prelude.h")
  endif()
  target_precompile_headers(${target} REUSE_FROM svtune_pch)
endfunction()
