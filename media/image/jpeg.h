#pragma once

// libjpeg-turbo's header, which needs <cstdio> before it, and how its errors are taken.

#include <csetjmp>
#include <cstdio>
#include <string>

#include <jpeglib.h>

namespace tessera::media {

/// libjpeg reports errors by a call that must not return: it jumps back to `back`, where the caller waits. Nothing is
/// printed. Damage that libjpeg can go on after is noted once.
struct JpegTrouble {
  jpeg_error_mgr manager;  // must come first: libjpeg holds a pointer to it
  std::jmp_buf back;
  char fatal[JMSG_LENGTH_MAX] = {};
  char damage[JMSG_LENGTH_MAX] = {};
  int fatal_code = 0;
  int damage_code = 0;

  JpegTrouble();
};

}  // namespace tessera::media
