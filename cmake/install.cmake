# Install rules: bin/svtune with LibTorch beside it, libsvtune.a, the public headers, the CMake
# package, the man page and the shells' completions. Included after all folders.
#
# libsvtune.a holds the objects of every folder except the command line's, so that a consumer
# links one target, svtune::svtune, and the layers stay an internal matter.

include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

get_property(_libraries GLOBAL PROPERTY SVTUNE_LIBRARIES)
list(FILTER _libraries EXCLUDE REGEX "^svtune_cli")
list(TRANSFORM _libraries REPLACE "(.+)" "$<TARGET_OBJECTS:\\1>" OUTPUT_VARIABLE _objects)
add_library(svtune STATIC ${_objects})
add_library(svtune::svtune ALIAS svtune)
set_target_properties(svtune PROPERTIES LINKER_LANGUAGE CXX)
target_compile_features(svtune PUBLIC cxx_std_20)
target_include_directories(svtune PUBLIC
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
  $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_link_libraries(svtune PRIVATE
  PkgConfig::PCRE2 PkgConfig::UTF8PROC PkgConfig::ZSTD PkgConfig::JPEG PkgConfig::PNG
  PkgConfig::WEBP ZLIB::ZLIB simdjson::simdjson Threads::Threads)
if(SVTUNE_TORCH)
  target_link_libraries(svtune PRIVATE LibTorch::LibTorch)
  target_link_options(svtune INTERFACE "${OpenMP_CXX_FLAGS}")
endif()

set(_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/svtune")
install(TARGETS svtune EXPORT svtuneTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/svtune"
  DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION ${CMAKE_INSTALL_DOCDIR})

if(TARGET svtune_program)
  install(TARGETS svtune_program EXPORT svtuneTargets
    RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  # The program's own LibTorch: the wheel may move or be upgraded after the installation.
  configure_file("${CMAKE_CURRENT_LIST_DIR}/install_torch.cmake.in"
    "${CMAKE_BINARY_DIR}/install_torch.cmake" @ONLY)
  install(SCRIPT "${CMAKE_BINARY_DIR}/install_torch.cmake")
  file(GLOB _torch_licences "${LibTorch_LIBRARY_DIR}/../../torch-*.dist-info/licenses")
  foreach(_folder ${_torch_licences})
    install(DIRECTORY "${_folder}/" DESTINATION ${CMAKE_INSTALL_DOCDIR}/libtorch-licenses)
  endforeach()
  file(RELATIVE_PATH _torch_from_bin "/${CMAKE_INSTALL_BINDIR}" "/${CMAKE_INSTALL_LIBDIR}/svtune")
  set_target_properties(svtune_program PROPERTIES INSTALL_RPATH "$ORIGIN/${_torch_from_bin}")

  # The man page and the completions come from the options' declarations, by the program itself.
  configure_file("${CMAKE_CURRENT_LIST_DIR}/install_docs.cmake.in"
    "${CMAKE_BINARY_DIR}/install_docs.cmake" @ONLY)
  install(SCRIPT "${CMAKE_BINARY_DIR}/install_docs.cmake")
endif()

install(EXPORT svtuneTargets NAMESPACE svtune:: DESTINATION ${_package_dir})
configure_package_config_file("${CMAKE_CURRENT_LIST_DIR}/svtuneConfig.cmake.in"
  "${CMAKE_BINARY_DIR}/svtuneConfig.cmake" INSTALL_DESTINATION ${_package_dir})
write_basic_package_version_file("${CMAKE_BINARY_DIR}/svtuneConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion)
install(FILES
  "${CMAKE_BINARY_DIR}/svtuneConfig.cmake"
  "${CMAKE_BINARY_DIR}/svtuneConfigVersion.cmake"
  "${PROJECT_SOURCE_DIR}/cmake/FindLibTorch.cmake"
  DESTINATION ${_package_dir})
