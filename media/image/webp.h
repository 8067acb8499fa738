#pragma once

#include <optional>

#include "media/image/header.h"

namespace tessera::media {

/// The first frame of an animated WebP.
struct WebpFrame {
  int row;  ///< of its upper left corner on the canvas
  int column;
  int rows;
  int columns;
  bool canvas_has_alpha;
  Encoded still;  ///< the frame as a WebP of its own
};

/// Empty for a WebP without animation. The header was checked. Throws InputError: "corrupt_media" when there is no
/// frame or it lies outside the canvas, "truncated_media" when the file ends within it. Source: WebP Container
/// Specification (developers.google.com/speed/webp/docs/riff_container), ANMF.
[[nodiscard]] std::optional<WebpFrame> first_frame(const Encoded& file);

}  // namespace tessera::media
