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

# Most of a compilation goes into what every file's headers instantiate: files of one target are
# compiled eight at a time, a third of the time, test files ten at a time, and the smaller files
# without LibTorch sixteen. The presets dev and tidy compile each by itself, which is quicker after a
# small change and shows what a file forgot to include.
if(NOT DEFINED CMAKE_UNITY_BUILD)
  set(CMAKE_UNITY_BUILD ON)
endif()
if(DEFINED CMAKE_UNITY_BUILD_BATCH_SIZE)
  set(svtune_test_batch_size ${CMAKE_UNITY_BUILD_BATCH_SIZE})
  set(svtune_plain_batch_size ${CMAKE_UNITY_BUILD_BATCH_SIZE})
else()
  set(CMAKE_UNITY_BUILD_BATCH_SIZE 8)
  set(svtune_test_batch_size 10)
  set(svtune_plain_batch_size 16)
endif()

add_library(svtune_flags INTERFACE)
target_include_directories(svtune_flags INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/src>
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>)
target_compile_options(svtune_flags INTERFACE
  -Wall -Wextra
  # -Wrestrict of GCC 12 misfires on std::string (GCC bug 105651), and so does -Warray-bounds where
  # it is precompiled.
  $<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess$<SEMICOLON>-Wno-restrict$<SEMICOLON>-Wno-array-bounds>
  # Collecting GCC's own garbage takes an eighth of a compilation's time and saves 5 % of its memory.
  $<$<CXX_COMPILER_ID:GNU>:--param=ggc-min-heapsize=1000000>)
if(SVTUNE_SANITIZE)
  target_compile_options(svtune_flags INTERFACE
    -fsanitize=address,undefined -fno-sanitize=vptr -fno-sanitize-recover=all
    -fno-omit-frame-pointer -g1)
  target_compile_definitions(svtune_flags INTERFACE SVTUNE_SANITIZED)
  target_link_options(svtune_flags INTERFACE -fsanitize=address,undefined)
endif()
if(SVTUNE_BUILD_FUZZERS)
  target_compile_options(svtune_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

# What most files without LibTorch read: JSON with its templates, and the standard library.
set(svtune_plain_headers
  <nlohmann/json.hpp> <algorithm> <array> <bit> <cmath> <cstdint> <cstring> <filesystem> <functional>
  <limits> <map> <memory> <optional> <set> <span> <stdexcept> <string> <string_view> <unordered_map>
  <utility> <variant> <vector>)
set(svtune_torch_headers "${PROJECT_SOURCE_DIR}/src/libtorch/prelude.h" <nlohmann/json.hpp>)
set(svtune_test_headers <gmock/gmock.h> <gtest/gtest.h>)
# What a test itself computes is little, what its macros expand to is much; the folders under test
# keep the optimisation of the build. Their precompiled headers need the same option.
set(svtune_test_options $<$<CONFIG:Release>:-O1>)

# svtune_precompile(target plain|torch) gives a library or a program the headers of its kind,
# svtune_precompile(target plain|torch TESTS) a test program GoogleTest's too. Each of the four sets
# is compiled once and reused by all targets.
function(svtune_precompile target kind)
  if(CMAKE_DISABLE_PRECOMPILE_HEADERS)
    return()
  endif()
  get_target_property(type ${target} TYPE)
  if(type STREQUAL EXECUTABLE)
    # CMake would use -fPIE here, and GCC then ignores the precompiled header.
    set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
    target_compile_options(${target} PRIVATE -fPIC)
  endif()
  set(headers ${svtune_${kind}_headers})
  set(pch svtune_${kind}_pch)
  if("TESTS" IN_LIST ARGN)
    list(APPEND headers ${svtune_test_headers})
    set(pch svtune_${kind}_test_pch)
  endif()
  if(NOT TARGET ${pch})
    file(WRITE "${CMAKE_BINARY_DIR}/pch/${pch}.cpp" "")
    add_library(${pch} OBJECT "${CMAKE_BINARY_DIR}/pch/${pch}.cpp")
    set_target_properties(${pch} PROPERTIES UNITY_BUILD OFF)
    target_link_libraries(${pch} PRIVATE svtune_flags nlohmann_json::nlohmann_json)
    if(kind STREQUAL torch)
      target_link_libraries(${pch} PRIVATE OpenMP::OpenMP_CXX LibTorch::LibTorch)
    endif()
    if("TESTS" IN_LIST ARGN)
      target_link_libraries(${pch} PRIVATE GTest::gmock)
      target_compile_options(${pch} PRIVATE ${svtune_test_options})
    endif()
    target_precompile_headers(${pch} PRIVATE ${headers})
  endif()
  target_precompile_headers(${target} REUSE_FROM ${pch})
endfunction()

# svtune_library(name [TORCH] SOURCES files... [DEPS targets...])
# Defines svtune_<name>. TORCH adds LibTorch and OpenMP.
function(svtune_library name)
  cmake_parse_arguments(ARG "TORCH" "" "SOURCES;DEPS" ${ARGN})
  set(target svtune_${name})
  add_library(${target} STATIC ${ARG_SOURCES})
  target_link_libraries(${target} PUBLIC svtune_flags ${ARG_DEPS})
  if(ARG_TORCH)
    svtune_use_torch(${target})
    svtune_precompile(${target} torch)
  else()
    svtune_precompile(${target} plain)
    set_target_properties(${target} PROPERTIES UNITY_BUILD_BATCH_SIZE ${svtune_plain_batch_size})
  endif()
  set_property(GLOBAL APPEND PROPERTY SVTUNE_LIBRARIES ${target})
endfunction()

# svtune_test(name [TORCH] [SHARDS n [ALONE suites...]] [TOGETHER suites...] [COST seconds]
#             SOURCES files... [DEPS targets...])
# Defines the program svtune_<name>_tests and one ctest entry per GoogleTest case. A suite named by
# TOGETHER is one entry of its name: its cases share what SetUpTestSuite() makes, often by Python.
# With SHARDS n the other cases are shared among n entries, for programs of many short ones:
# LibTorch takes half a second to load. Suites named by ALONE keep an entry per case: they change
# the process or measure it. The sanitizers' processes start and end slowly: two shards each.
# Entries with a COST start before those without, the longest first: none is left for the end.
function(svtune_test name)
  if(NOT SVTUNE_BUILD_TESTS)
    return()
  endif()
  cmake_parse_arguments(ARG "TORCH" "SHARDS;COST" "ALONE;TOGETHER;SOURCES;DEPS" ${ARGN})
  set(target svtune_${name}_tests)
  set(cost "")
  if(ARG_COST)
    set(cost COST ${ARG_COST})
  endif()
  add_executable(${target} ${ARG_SOURCES})
  target_link_libraries(${target} PRIVATE svtune_flags ${ARG_DEPS} GTest::gmock)
  target_compile_definitions(${target} PRIVATE SVTUNE_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  target_compile_options(${target} PRIVATE ${svtune_test_options})
  set_target_properties(${target} PROPERTIES UNITY_BUILD_BATCH_SIZE ${svtune_test_batch_size})
  if(ARG_TORCH)
    target_link_libraries(${target} PRIVATE svtune_torch_test_main)
    svtune_use_torch(${target})
    svtune_precompile(${target} torch TESTS)
  else()
    target_link_libraries(${target} PRIVATE GTest::gtest_main)
    svtune_precompile(${target} plain TESTS)
  endif()
  if(SVTUNE_SANITIZE AND NOT ARG_SHARDS)
    set(ARG_SHARDS 2)
  endif()
  if(ARG_ALONE AND NOT ARG_SHARDS)
    message(FATAL_ERROR "svtune_test(${name}): ALONE means nothing without SHARDS")
  endif()
  foreach(suite ${ARG_TOGETHER})
    svtune_test_entry(${suite} ${target} "${suite}.*" ${cost})
  endforeach()
  svtune_suites_filter(rest "*" "-" ${ARG_TOGETHER} ${ARG_ALONE})
  if(ARG_SHARDS)
    foreach(shard RANGE 1 ${ARG_SHARDS})
      math(EXPR index "${shard} - 1")
      svtune_test_entry(${target}.${shard} ${target} "${rest}" ${cost})
      set_tests_properties(${target}.${shard} PROPERTIES
        ENVIRONMENT "GTEST_TOTAL_SHARDS=${ARG_SHARDS};GTEST_SHARD_INDEX=${index}")
    endforeach()
    if(NOT ARG_ALONE)
      return()
    endif()
    svtune_suites_filter(rest "" "" ${ARG_ALONE})
  endif()
  include(GoogleTest)
  gtest_discover_tests(${target} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60
                       TEST_FILTER "${rest}" PROPERTIES TIMEOUT 600 ${cost})
endfunction()

# A ctest entry of the cases that GoogleTest's `filter` chooses; none at all is a failure. More
# properties may follow.
function(svtune_test_entry name target filter)
  add_test(NAME ${name} COMMAND ${target} "--gtest_filter=${filter}")
  set_tests_properties(${name} PROPERTIES
    TIMEOUT 1200 FAIL_REGULAR_EXPRESSION "Running 0 tests" ${ARGN})
endfunction()

# GoogleTest's filter for all cases of the suites, `none` where there are no suites.
function(svtune_suites_filter result none prefix)
  set(filter "${none}")
  if(ARGN)
    list(JOIN ARGN ".*:" suites)
    set(filter "${prefix}${suites}.*")
  endif()
  set(${result} "${filter}" PARENT_SCOPE)
endfunction()

function(svtune_use_torch target)
  target_link_libraries(${target} PUBLIC OpenMP::OpenMP_CXX LibTorch::LibTorch)
  set_target_properties(${target} PROPERTIES BUILD_RPATH "${LibTorch_LIBRARY_DIR}")
endfunction()
