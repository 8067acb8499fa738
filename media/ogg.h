#pragma once

#include <cstdint>
#include <string>

#include "media/source.h"

namespace tessera::media {

/// What the pages of an Ogg file say, which libsndfile does not look at.
struct OggCheck {
  int streams = 0;           ///< logical streams: beside or after one another
  bool holds_sound = false;  ///< a whole page comes after those of the headers
  std::string missing;       ///< "truncated …" when the last page is cut or no page ends the stream, else empty
};

/// Reads every page. Throws InputError("corrupt_media") for a damaged or missing one.
[[nodiscard]] OggCheck check_ogg(Source& source);

/// Gives a finished Ogg file of one stream a fixed serial number, so that identical samples make identical bytes.
void fix_ogg_serial(int descriptor, const std::string& name);

}  // namespace tessera::media
