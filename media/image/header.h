#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "media/image.h"
#include "media/image/pixels.h"

namespace tessera::media {

/// A whole picture file in memory, with the name that messages give it.
struct Encoded {
  std::string name;
  std::vector<std::uint8_t> bytes;
};

/// Throws InputError("too_large") for more pixels than the options allow, "corrupt_media" for an empty side.
void check_size(const Encoded& file, const ImageInfo& info, const ImageReadOptions& options);

/// Throws InputError("truncated_media"): the file should have `claimed` bytes.
[[noreturn]] void refuse_truncated(const Encoded& file, std::uint64_t claimed);

/// The orientation in a block of EXIF (a TIFF header and directory, perhaps after "Exif\0\0"); 1 when it has none.
[[nodiscard]] int exif_orientation(const std::uint8_t* bytes, std::size_t size);

// What a header says. These throw InputError: "corrupt_media", "truncated_media" (the file lacks bytes that its header
// or its directory counts), "unsupported_media" (a variant whose samples are not known to equal the reference's).
[[nodiscard]] ImageInfo webp_header(const Encoded& file);
[[nodiscard]] ImageInfo bmp_header(const Encoded& file);
[[nodiscard]] ImageInfo tiff_header(const Encoded& file);

/// One of the formats.
struct ImageFormat {
  const char* name;
  bool (*begins)(const std::uint8_t* bytes, std::size_t size);
  ImageInfo (*probe)(const Encoded& file);
  /// `warning` is set where `options` let damage pass.
  Pixels (*decode)(const Encoded& file, const ImageReadOptions& options, std::string& warning);
  bool decodes_upright;  ///< the decoder has applied the orientation
};

[[nodiscard]] ImageInfo probe_jpeg(const Encoded& file);
[[nodiscard]] Pixels decode_jpeg(const Encoded& file, const ImageReadOptions& options, std::string& warning);
[[nodiscard]] ImageInfo probe_png(const Encoded& file);
[[nodiscard]] Pixels decode_png(const Encoded& file, const ImageReadOptions& options, std::string& warning);
/// Of an animation the first frame on its canvas.
[[nodiscard]] Pixels decode_webp(const Encoded& file, const ImageReadOptions& options, std::string& warning);
/// With alpha, which is divided out of colours that were multiplied with it, or by OpenCV.
[[nodiscard]] Pixels decode_tiff(const Encoded& file, const ImageReadOptions& options, std::string& warning);
/// By the module libtessera_opencv.so, after the header was checked.
[[nodiscard]] Pixels decode_opencv(const Encoded& file, const ImageReadOptions& options, std::string& warning);
/// By the module libtessera_ffmpeg.so.
[[nodiscard]] ImageInfo probe_gif(const Encoded& file);
[[nodiscard]] Pixels decode_gif(const Encoded& file, const ImageReadOptions& options, std::string& warning);

}  // namespace tessera::media
