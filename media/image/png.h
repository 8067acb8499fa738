#pragma once

// libpng's header, and how its errors are taken.

#include <png.h>

#include <csetjmp>
#include <cstdio>

namespace tessera::media {

/// libpng reports errors by a call that must not return: it jumps back to `back`. Warnings are dropped.
struct PngTrouble {
  std::jmp_buf back;
  char fatal[256] = {};
};

[[noreturn]] void on_png_error(png_structp png, png_const_charp what);
void on_png_warning(png_structp png, png_const_charp what);

}  // namespace tessera::media
