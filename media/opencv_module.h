#pragma once

#include <cstdint>
#include <vector>

#include "media/image/pixels.h"

namespace tessera::media {

// OpenCV's imgcodecs brings 140 libraries with it and takes a program 250 to 300 ms to start (measured; one that uses
// libjpeg-turbo and libpng alone starts in 3 ms). So JPEG and PNG, which are most pictures, are read without it, and
// what needs it is a module of its own, libtessera_opencv.so; see module.h.

inline constexpr const char* kOpenCvModule = "libtessera_opencv.so";

/// Decodes a whole file; false when OpenCV refuses it. 16-bit samples become their high byte, CMYK becomes RGB.
using OpenCvDecode = bool(const std::uint8_t* bytes, std::size_t size, Pixels& out);
inline constexpr const char* kOpenCvDecodeSymbol = "tessera_opencv_decode";

/// The samples of a TIFF as they are stored, alpha too, which OpenCV multiplies with the colours; of 16 bits the high
/// byte. By libtiff. Samples of a pixel must lie side by side. False when it is damaged.
using TiffDecode = bool(const std::uint8_t* bytes, std::size_t size, Pixels& out);
inline constexpr const char* kTiffDecodeSymbol = "tessera_tiff_decode";

/// Encodes RGB as WebP; a quality above 100 is without loss. False when OpenCV cannot.
using OpenCvEncodeWebp = bool(const Image& image, int quality, std::vector<std::uint8_t>& out);
inline constexpr const char* kOpenCvEncodeWebpSymbol = "tessera_opencv_encode_webp";

}  // namespace tessera::media
