# Text files as strings of a library.
#
# moe_embed_files(OUT.cpp FILE...) makes OUT.cpp in the build folder. It includes
# OUT.h, which declares, for each FILE such as page.css,
#   extern const llvm::StringLiteral page_css;
# in namespace mlir::moe.
#
# As a script (cmake -P), it writes OUT from FILES, with HEADER included.

if(CMAKE_SCRIPT_MODE_FILE)
  set(text "// Made by cmake/MoEEmbed.cmake.\n\n#include \"${HEADER}\"\n\n")
  string(APPEND text "using llvm::StringLiteral;\n")
  string(REPLACE "|" ";" FILES "${FILES}")
  foreach(file IN LISTS FILES)
    get_filename_component(name ${file} NAME)
    string(MAKE_C_IDENTIFIER ${name} name)
    # In hexadecimal, any byte may be in the file; a semicolon would end an
    # element of CMake's lists.
    file(READ ${file} bytes HEX)
    string(REGEX REPLACE "(..)" "\\\\x\\1" bytes "${bytes}")
    string(REGEX REPLACE "(................................................................)"
      "\\1\"\n    \"" bytes "${bytes}")
    string(APPEND text
      "\nconst StringLiteral mlir::moe::${name} =\n    \"${bytes}\";\n")
  endforeach()
  file(WRITE ${OUT} "${text}")
  return()
endif()

function(moe_embed_files out)
  set(output ${CMAKE_CURRENT_BINARY_DIR}/${out})
  get_filename_component(header ${out} NAME_WE)
  list(TRANSFORM ARGN PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/ OUTPUT_VARIABLE files)
  string(REPLACE ";" "|" joined "${files}")
  set(script ${PROJECT_SOURCE_DIR}/cmake/MoEEmbed.cmake)
  add_custom_command(OUTPUT ${output}
    COMMAND ${CMAKE_COMMAND} -DOUT=${output} -DHEADER=${header}.h
            "-DFILES=${joined}" -P ${script}
    DEPENDS ${files} ${script}
    COMMENT "Embedding the files of ${out}"
    VERBATIM)
endfunction()
