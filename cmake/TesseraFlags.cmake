# Flags of every target. The arithmetic of the kernels is part of the public contract: a fused multiply-add
# happens where the source writes one and nowhere else, on every compiler.
add_library(tessera_flags INTERFACE)
target_compile_options(tessera_flags INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wshadow -Wnon-virtual-dtor -Wno-psabi -ffp-contract=off -fno-fast-math>
  $<$<COMPILE_LANGUAGE:CUDA>:--fmad=false -Xcompiler=-Wall,-ffp-contract=off>)
# GCC 12 sees overlaps in std::string that are not there (GCC bug 105329).
target_compile_options(tessera_flags INTERFACE $<$<COMPILE_LANG_AND_ID:CXX,GNU>:-Wno-restrict>)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  target_compile_options(tessera_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-march=x86-64-v3>)
endif()
if(TESSERA_WERROR)
  target_compile_options(tessera_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Werror>)
endif()
if(TESSERA_SANITIZE)
  target_compile_definitions(tessera_flags INTERFACE TESSERA_SANITIZED)
  target_compile_options(tessera_flags INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${TESSERA_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer>)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    target_compile_options(tessera_flags INTERFACE
      $<$<COMPILE_LANGUAGE:CXX>:-fsanitize-ignorelist=${PROJECT_SOURCE_DIR}/cmake/sanitizer_ignore.txt>)
  endif()
  target_link_options(tessera_flags INTERFACE -fsanitize=${TESSERA_SANITIZE})
endif()
target_include_directories(tessera_flags INTERFACE ${PROJECT_SOURCE_DIR})

# Code that computes: sanitized builds leave the rest unoptimised, which compiles in half the time, and do not join its
# files (CMAKE_UNITY_BUILD), which are compiled once for each instruction set.
function(tessera_computes target)
  set_target_properties(${target} PROPERTIES UNITY_BUILD OFF)
  if(TESSERA_SANITIZE)
    target_compile_options(${target} PRIVATE -O1)
  endif()
endfunction()

# A static library of this project, exported as tessera::<name>. The flags stay here; a program that links it gets the
# headers and C++20.
function(tessera_library name)
  add_library(tessera_${name} STATIC ${ARGN})
  add_library(tessera::${name} ALIAS tessera_${name})
  set_target_properties(tessera_${name} PROPERTIES EXPORT_NAME ${name})
  target_compile_features(tessera_${name} PUBLIC cxx_std_20)
  target_link_libraries(tessera_${name} PRIVATE $<BUILD_INTERFACE:tessera_flags>)
  # Fuzzers are led by the branches of parsers; counting them in kernels would only take time.
  if(TESSERA_FUZZ AND NOT name STREQUAL "kernels")
    target_compile_options(tessera_${name} PRIVATE -fsanitize=fuzzer-no-link)
  endif()
  target_include_directories(tessera_${name} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}/tessera>)
  install(TARGETS tessera_${name} EXPORT tessera ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
endfunction()
