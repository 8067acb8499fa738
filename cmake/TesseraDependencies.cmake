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
if(TESSERA_CLI)
  tessera_require_header(CLI11 CLI/CLI.hpp libcli11-dev)
endif()
if(TESSERA_MEDIA)
  foreach(module sndfile libjpeg libpng libavformat libavcodec libavutil libswscale)
    pkg_check_modules(${module} IMPORTED_TARGET ${module})
    if(NOT ${module}_FOUND)
      message(FATAL_ERROR "${module} not found. On Debian: apt-get install libsndfile1-dev libjpeg-dev libpng-dev "
                          "libavformat-dev libavcodec-dev libavutil-dev libswscale-dev, or configure with "
                          "-DTESSERA_MEDIA=OFF")
    endif()
  endforeach()
  # Only imgcodecs and core; the distribution's CMake package would ask for all of OpenCV.
  find_path(TESSERA_OPENCV_INCLUDE opencv2/imgcodecs.hpp PATH_SUFFIXES opencv4)
  find_library(TESSERA_OPENCV_IMGCODECS opencv_imgcodecs)
  find_library(TESSERA_OPENCV_CORE opencv_core)
  if(TESSERA_OPENCV_INCLUDE AND TESSERA_OPENCV_IMGCODECS AND TESSERA_OPENCV_CORE)
    set(TESSERA_OPENCV ON)
  else()
    message(WARNING "OpenCV not found: WebP, BMP and TIFF pictures will be refused. On Debian: apt-get install "
                    "libopencv-imgcodecs-dev")
  endif()
endif()

# Sets TESSERA_<name> where the module is there; says what goes without it where not.
macro(tessera_optional_module name module package what)
  pkg_check_modules(${module} IMPORTED_TARGET ${module})
  if(${module}_FOUND)
    set(TESSERA_${name} ON)
    list(APPEND TESSERA_TEXT_MODULES ${module})
  else()
    message(WARNING "${module} not found: ${what} will be refused. On Debian: apt-get install ${package}")
  endif()
endmacro()
tessera_optional_module(PCRE2 libpcre2-8 libpcre2-dev "tokenizer.json")
tessera_optional_module(SENTENCEPIECE sentencepiece libsentencepiece-dev "tokenizer.model")
