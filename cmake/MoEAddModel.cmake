# moe_add_model(TARGET
#   SPEC FILE|FOLDER            the specification, or a folder with config.json
#   [KIND lib|shared|obj]       default: lib
#   [WEIGHTS FILE]              instead of the specification's
#   [PRECISION f32|bf16|int8]   default: the specification's, or f32
#   [TARGET_TRIPLE TRIPLE]      default: what this project is compiled for
#   [CPU NAME...]               default: every level of the target
#   [CALIBRATE FILE...]         images or .npy, for int8
#   [DEPENDS TARGET|FILE...]    to be made before, such as generated weights
#   [OPTIONS OPTION...])        other options of moe-compile
#
# Compiles a model when the project is built, and again when the specification,
# what it names, or the compiler changes. TARGET is an imported library, visible
# in the whole project:
#
#   target_link_libraries(app PRIVATE TARGET)
#
# links the model and lets `app` include its header, which is called TARGET.h.
# The functions in it have the name of the model, not of TARGET. Relative paths
# start from the current source folder.

cmake_policy(PUSH)
cmake_policy(VERSION 3.20...3.25)

# An error in the arguments of moe_add_model.
macro(_moe_model_error)
  message(FATAL_ERROR "moe_add_model(${target}): " ${ARGN})
endmacro()

# Makes the path in the variable `name` absolute; it must be there, unless the
# project makes it.
macro(_moe_model_input what name)
  get_filename_component(${name} "${${name}}" ABSOLUTE
    BASE_DIR "${CMAKE_CURRENT_SOURCE_DIR}")
  get_source_file_property(_moe_is_made "${${name}}" GENERATED)
  if(NOT EXISTS "${${name}}" AND NOT _moe_is_made)
    _moe_model_error("${what}: there is no ${${name}}")
  endif()
endmacro()

# What moe-compile calls the system that this project is compiled for.
function(_moe_target_triple target result)
  string(TOLOWER "${CMAKE_SYSTEM_PROCESSOR}" processor)
  if(ANDROID OR CMAKE_SYSTEM_NAME STREQUAL "Android")
    set(abi "${CMAKE_ANDROID_ARCH_ABI}")
    if(ANDROID_ABI)
      set(abi "${ANDROID_ABI}")
    endif()
    if(abi STREQUAL "arm64-v8a")
      set(triple aarch64-linux-android)
    elseif(abi STREQUAL "x86_64")
      set(triple x86_64-linux-android)
    else()
      _moe_model_error("there is no code for Android's ABI \"${abi}\", only for "
        "arm64-v8a and x86_64")
    endif()
    # The NDK's own file says android-24, CMake says 24.
    if("${ANDROID_PLATFORM}" MATCHES "^(android-)?([0-9]+)$")
      string(APPEND triple "${CMAKE_MATCH_2}")
    elseif("${CMAKE_SYSTEM_VERSION}" MATCHES "^[0-9]+$")
      string(APPEND triple "${CMAKE_SYSTEM_VERSION}")
    endif()
  elseif(CMAKE_SYSTEM_NAME MATCHES "^(Darwin|iOS)$")
    set(processors "${processor}")
    if(CMAKE_OSX_ARCHITECTURES)
      set(processors "${CMAKE_OSX_ARCHITECTURES}")
    endif()
    if(NOT "${processors}" MATCHES "^(arm64|aarch64)$")
      _moe_model_error("there is no code for \"${processors}\" on Apple's "
        "systems, only for arm64")
    endif()
    if(CMAKE_SYSTEM_NAME STREQUAL "iOS")
      set(triple "arm64-apple-ios${CMAKE_OSX_DEPLOYMENT_TARGET}")
      string(TOLOWER "${CMAKE_OSX_SYSROOT}" sdk)
      if(sdk MATCHES "simulator")
        string(APPEND triple "-simulator")
      endif()
    else()
      set(triple "arm64-apple-macosx${CMAKE_OSX_DEPLOYMENT_TARGET}")
    endif()
  elseif(CMAKE_SYSTEM_NAME STREQUAL "Linux")
    if(processor MATCHES "^(x86_64|amd64)$")
      set(triple x86_64-linux-gnu)
    elseif(processor MATCHES "^(aarch64|arm64)$")
      set(triple aarch64-linux-gnu)
    else()
      _moe_model_error("there is no code for the processor "
        "\"${CMAKE_SYSTEM_PROCESSOR}\", only for x86_64 and aarch64")
    endif()
    if(CMAKE_SIZEOF_VOID_P EQUAL 4)
      _moe_model_error("there is no code for programs of 32 bits")
    endif()
  else()
    _moe_model_error("there is no code for the system \"${CMAKE_SYSTEM_NAME}\", "
      "only for Linux, Android, Darwin and iOS")
  endif()
  set(${result} "${triple}" PARENT_SCOPE)
endfunction()

function(moe_add_model target)
  set(values SPEC KIND WEIGHTS PRECISION TARGET_TRIPLE)
  set(lists CPU CALIBRATE DEPENDS OPTIONS)
  cmake_parse_arguments(PARSE_ARGV 1 ARG "" "${values}" "${lists}")

  if(NOT target MATCHES "^[A-Za-z0-9_.+-]+$")
    _moe_model_error("expected the name of a target in letters, digits and _.+-")
  endif()
  if(TARGET ${target})
    _moe_model_error("there is a target of this name already")
  endif()
  if(DEFINED ARG_UNPARSED_ARGUMENTS)
    _moe_model_error("unknown argument \"${ARG_UNPARSED_ARGUMENTS}\"; expected "
      "SPEC, KIND, WEIGHTS, PRECISION, TARGET_TRIPLE, CPU, CALIBRATE, DEPENDS or "
      "OPTIONS")
  endif()
  if(DEFINED ARG_KEYWORDS_MISSING_VALUES)
    _moe_model_error("no value after ${ARG_KEYWORDS_MISSING_VALUES}")
  endif()
  if(NOT DEFINED ARG_SPEC)
    _moe_model_error("no SPEC, the model's specification")
  endif()
  if(NOT DEFINED ARG_KIND)
    set(ARG_KIND lib)
  endif()
  if(NOT ARG_KIND MATCHES "^(lib|shared|obj)$")
    _moe_model_error("KIND: expected lib, shared or obj, found \"${ARG_KIND}\"")
  endif()
  if(DEFINED ARG_PRECISION AND NOT ARG_PRECISION MATCHES "^(f32|bf16|int8)$")
    _moe_model_error("PRECISION: expected f32, bf16 or int8, found "
      "\"${ARG_PRECISION}\"")
  endif()
  if(DEFINED ARG_CALIBRATE AND DEFINED ARG_PRECISION AND
     NOT ARG_PRECISION STREQUAL "int8")
    _moe_model_error("CALIBRATE is for PRECISION int8, found ${ARG_PRECISION}")
  endif()
  foreach(option IN LISTS ARG_OPTIONS)
    if(option MATCHES "^-?-(o|emit|depfile)($|=)")
      _moe_model_error("OPTIONS: ${option} is this function's business")
    elseif(option MATCHES "^-?-(weights|precision|target|cpu|calibrate)($|=)")
      _moe_model_error("OPTIONS: ${option} has an argument of its own here: "
        "WEIGHTS, PRECISION, TARGET_TRIPLE, CPU or CALIBRATE")
    endif()
  endforeach()
  if(NOT DEFINED ARG_TARGET_TRIPLE)
    _moe_target_triple(${target} ARG_TARGET_TRIPLE)
  endif()
  if(ARG_KIND STREQUAL "shared" AND ARG_TARGET_TRIPLE MATCHES "-apple-")
    _moe_model_error("KIND: a shared library for ${ARG_TARGET_TRIPLE} needs "
      "Apple's SDK; expected lib or obj")
  endif()

  set(shown "${ARG_SPEC}")
  _moe_model_input(SPEC ARG_SPEC)
  set(inputs "${ARG_SPEC}")
  if(IS_DIRECTORY "${ARG_SPEC}")
    set(inputs "${ARG_SPEC}/config.json")
    if(NOT EXISTS "${inputs}")
      _moe_model_error("SPEC: there is no config.json in ${ARG_SPEC}")
    endif()
  endif()
  set(options "--target=${ARG_TARGET_TRIPLE}")
  if(DEFINED ARG_WEIGHTS)
    _moe_model_input(WEIGHTS ARG_WEIGHTS)
    list(APPEND inputs "${ARG_WEIGHTS}")
    list(APPEND options "--weights=${ARG_WEIGHTS}")
  endif()
  if(DEFINED ARG_PRECISION)
    list(APPEND options "--precision=${ARG_PRECISION}")
  endif()
  foreach(cpu IN LISTS ARG_CPU)
    list(APPEND options "--cpu=${cpu}")
  endforeach()
  foreach(file IN LISTS ARG_CALIBRATE)
    _moe_model_input(CALIBRATE file)
    list(APPEND inputs "${file}")
    list(APPEND options "--calibrate=${file}")
  endforeach()

  # Files are called as other libraries are, the header after the target. It is
  # in a folder with nothing else, and only written when it changes.
  set(folder "${CMAKE_CURRENT_BINARY_DIR}/${target}.model")
  set(names_lib "lib${target}.a")
  set(names_shared "lib${target}.so")
  set(names_obj "${target}.o")
  set(out "${folder}/${names_${ARG_KIND}}")
  string(REGEX REPLACE "\\.[^.]*$" ".h" written_header "${out}")
  set(header "${folder}/include/${target}.h")
  file(MAKE_DIRECTORY "${folder}/include")
  get_target_property(compiler MoECompile::moe-compile IMPORTED_LOCATION)
  add_custom_command(OUTPUT "${out}" "${header}"
    COMMAND "${compiler}" "${ARG_SPEC}" -o "${out}"
            "--emit=${ARG_KIND}" ${options} "--depfile=${out}.d" ${ARG_OPTIONS}
    COMMAND "${CMAKE_COMMAND}" -E copy_if_different
            "${written_header}" "${header}"
    DEPENDS "${compiler}" ${inputs} ${ARG_DEPENDS}
    DEPFILE "${out}.d"
    COMMENT "Compiling model ${target} (${shown})"
    COMMAND_EXPAND_LISTS
    VERBATIM)
  add_custom_target(${target}-compile DEPENDS "${out}" "${header}")

  if(ARG_KIND STREQUAL "lib")
    add_library(${target} STATIC IMPORTED GLOBAL)
  elseif(ARG_KIND STREQUAL "shared")
    add_library(${target} SHARED IMPORTED GLOBAL)
    set_target_properties(${target} PROPERTIES
      IMPORTED_SONAME "${names_shared}")
  else()
    add_library(${target} OBJECT IMPORTED GLOBAL)
    set_target_properties(${target} PROPERTIES IMPORTED_OBJECTS "${out}")
  endif()
  set_target_properties(${target} PROPERTIES
    IMPORTED_LOCATION "${out}"
    INTERFACE_INCLUDE_DIRECTORIES "${folder}/include"
    MOE_HEADER "${header}")
  add_dependencies(${target} ${target}-compile)
endfunction()

cmake_policy(POP)
