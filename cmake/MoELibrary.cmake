# The compiler's libraries and tools: LLVM's flags (no exceptions, no RTTI),
# strict warnings, linked with the shared libMLIR and libLLVM.

set(MOE_WARNING_FLAGS -Wall -Wextra -Wno-unused-parameter)
if(MOE_WARNINGS_AS_ERRORS)
  list(APPEND MOE_WARNING_FLAGS -Werror)
endif()

function(moe_compile_flags target)
  target_compile_options(${target} PRIVATE ${MOE_WARNING_FLAGS}
    $<$<COMPILE_LANGUAGE:CXX>:-fno-exceptions -fno-rtti>)
endfunction()

# moe_add_library(NAME source... [DEPENDS target...] [LINK_LIBS lib...])
function(moe_add_library name)
  cmake_parse_arguments(ARG "" "" "DEPENDS;LINK_LIBS" ${ARGN})
  add_library(${name} STATIC ${ARG_UNPARSED_ARGUMENTS})
  moe_compile_flags(${name})
  target_link_libraries(${name} PUBLIC ${ARG_LINK_LIBS} MLIR LLVM)
  if(ARG_DEPENDS)
    add_dependencies(${name} ${ARG_DEPENDS})
  endif()
endfunction()

# moe_add_tool(NAME source... [LINK_LIBS lib...])
function(moe_add_tool name)
  cmake_parse_arguments(ARG "" "" "LINK_LIBS" ${ARGN})
  add_executable(${name} ${ARG_UNPARSED_ARGUMENTS})
  moe_compile_flags(${name})
  target_link_libraries(${name} PRIVATE ${ARG_LINK_LIBS} MLIR LLVM)
  install(TARGETS ${name} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endfunction()
