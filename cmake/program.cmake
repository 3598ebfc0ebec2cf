# svtune_program(SOURCES files... DEPS targets...)
# Defines the program build/<preset>/bin/svtune (target svtune_program, exported as
# svtune::cli). Its run path names the wheel in the build tree only; the installed program
# finds LibTorch in ../lib/svtune, where cmake/install.cmake puts a copy.
function(svtune_program)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPS" ${ARGN})
  add_executable(svtune_program ${ARG_SOURCES})
  add_executable(svtune::cli ALIAS svtune_program)
  target_link_libraries(svtune_program PRIVATE svtune_flags ${ARG_DEPS})
  svtune_precompile(svtune_program torch)
  set_target_properties(svtune_program PROPERTIES
    OUTPUT_NAME svtune
    EXPORT_NAME cli
    RUNTIME_OUTPUT_DIRECTORY "${CMAKE_BINARY_DIR}/bin"
    BUILD_RPATH "${LibTorch_LIBRARY_DIR}")
endfunction()
