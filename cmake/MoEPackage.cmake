# The CMake package MoECompile: what a user's project finds, in the build folder
# as in the installation. Both have the tools in bin and the rest in lib, so the
# package finds them relative to itself and may be moved with them.

include(CMakePackageConfigHelpers)

# moe_write_package(FOLDER BIN_DIR): the package, for tools in BIN_DIR.
function(moe_write_package folder MOE_BIN_DIR)
  configure_package_config_file(cmake/MoECompileConfig.cmake.in
    ${folder}/MoECompileConfig.cmake
    INSTALL_DESTINATION lib/cmake/MoECompile
    PATH_VARS MOE_BIN_DIR
    NO_SET_AND_CHECK_MACRO
    NO_CHECK_REQUIRED_COMPONENTS_MACRO)
  # What it compiles for is not what it runs on.
  write_basic_package_version_file(${folder}/MoECompileConfigVersion.cmake
    COMPATIBILITY SameMinorVersion
    ARCH_INDEPENDENT)
  configure_file(cmake/MoEAddModel.cmake ${folder}/MoEAddModel.cmake COPYONLY)
endfunction()

moe_write_package(${PROJECT_BINARY_DIR}/lib/cmake/MoECompile bin)
moe_write_package(${PROJECT_BINARY_DIR}/cmake/MoECompile
  ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY ${PROJECT_BINARY_DIR}/cmake/MoECompile
  DESTINATION lib/cmake)
