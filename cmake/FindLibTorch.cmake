# Finds LibTorch inside a torch wheel and defines the target LibTorch::LibTorch.
#
# Search order: SVTUNE_TORCH_DIR (cache or environment; the folder that holds lib/ and
# include/), then the torch package of the python3 on PATH, then that of the project's own
# .venv. Nothing is imported: the package folder is asked for and version.py is read as text.
# The wheel's include folders also carry other libraries' headers (fmt, protobuf, oneDNN);
# they are passed with -idirafter so that the system's own copies win.

set(SVTUNE_TORCH_DIR "$ENV{SVTUNE_TORCH_DIR}" CACHE PATH "Folder of the torch package")
set(_torch_dir "${SVTUNE_TORCH_DIR}")
if(NOT _torch_dir)
  find_program(SVTUNE_PYTHON NAMES python3 python)
  foreach(_python "${SVTUNE_PYTHON}" "${PROJECT_SOURCE_DIR}/.venv/bin/python3")
    if(NOT _torch_dir AND EXISTS "${_python}")
      execute_process(
        COMMAND "${_python}" -c
                "import importlib.util as u; s = u.find_spec('torch'); print(s.submodule_search_locations[0] if s else '')"
        OUTPUT_VARIABLE _torch_dir OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
    endif()
  endforeach()
endif()

if(_torch_dir AND EXISTS "${_torch_dir}/version.py")
  file(STRINGS "${_torch_dir}/version.py" _version_line REGEX "^__version__")
  string(REGEX MATCH "[0-9]+\\.[0-9]+\\.[0-9]+" LibTorch_VERSION "${_version_line}")
endif()

foreach(_lib torch_cpu c10)
  find_library(LibTorch_${_lib}_LIBRARY ${_lib} PATHS "${_torch_dir}/lib" NO_DEFAULT_PATH)
  mark_as_advanced(LibTorch_${_lib}_LIBRARY)
endforeach()
find_path(LibTorch_INCLUDE_DIR ATen/core/Tensor.h PATHS "${_torch_dir}/include" NO_DEFAULT_PATH)

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch
  REQUIRED_VARS LibTorch_torch_cpu_LIBRARY LibTorch_c10_LIBRARY LibTorch_INCLUDE_DIR
  VERSION_VAR LibTorch_VERSION
  REASON_FAILURE_MESSAGE
    "Run 'make setup', install torch 2.13.0 with pip for the python3 on PATH, or set SVTUNE_TORCH_DIR.")

# Minor releases change the C++ interface, so 2.13 means 2.13.x and nothing newer.
if(LibTorch_FOUND AND LibTorch_FIND_VERSION)
  string(REGEX MATCH "^[0-9]+\\.[0-9]+" _found_minor "${LibTorch_VERSION}")
  string(REGEX MATCH "^[0-9]+\\.[0-9]+" _wanted_minor "${LibTorch_FIND_VERSION}")
  if(NOT _found_minor VERSION_EQUAL _wanted_minor)
    message(FATAL_ERROR "LibTorch ${LibTorch_VERSION} found in ${_torch_dir}; svtune needs ${_wanted_minor}.x")
  endif()
endif()

if(LibTorch_FOUND AND NOT TARGET LibTorch::LibTorch)
  set(LibTorch_LIBRARY_DIR "${_torch_dir}/lib")
  add_library(LibTorch::LibTorch INTERFACE IMPORTED)
  target_compile_options(LibTorch::LibTorch INTERFACE
    "SHELL:-idirafter ${LibTorch_INCLUDE_DIR}"
    "SHELL:-idirafter ${LibTorch_INCLUDE_DIR}/torch/csrc/api/include")
  target_compile_definitions(LibTorch::LibTorch INTERFACE AT_PER_OPERATOR_HEADERS)
  # Not libtorch.so: in the wheel for CUDA it loads 3 GB of GPU libraries that are not used.
  target_link_libraries(LibTorch::LibTorch INTERFACE
    "${LibTorch_torch_cpu_LIBRARY}" "${LibTorch_c10_LIBRARY}")
endif()
