# Every dependency is a distribution package; the build fetches nothing.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

function(tessera_require_header name header package)
  find_path(TESSERA_${name}_INCLUDE ${header})
  if(NOT TESSERA_${name}_INCLUDE)
    message(FATAL_ERROR "${name} not found (${header}). On Debian: apt-get install ${package}")
  endif()
endfunction()

tessera_require_header(HIGHWAY hwy/highway.h libhwy-dev)
tessera_require_header(JSON nlohmann/json.hpp nlohmann-json3-dev)
if(TESSERA_MEDIA)
  tessera_require_header(CLI11 CLI/CLI.hpp libcli11-dev)
  foreach(module sndfile libavformat libavcodec libavutil libswresample)
    pkg_check_modules(${module} IMPORTED_TARGET ${module})
    if(NOT ${module}_FOUND)
      message(FATAL_ERROR "${module} not found. On Debian: apt-get install libsndfile1-dev libavformat-dev "
                          "libavcodec-dev libavutil-dev libswresample-dev, or configure with -DTESSERA_MEDIA=OFF")
    endif()
  endforeach()
endif()
