#include "kernels/error.h"
#include "media/fault.h"
#include "media/image/header.h"
#include "media/image/writer.h"
#include "media/module.h"
#include "media/opencv_module.h"

namespace tessera::media {

Pixels decode_opencv(const Encoded& file, const ImageReadOptions& /*options*/, std::string& /*warning*/) {
  static auto* const decode = reinterpret_cast<OpenCvDecode*>(
      load_symbol(kOpenCvModule, kOpenCvDecodeSymbol, "reads WebP, BMP and TIFF", file.name));
  Pixels pixels;
  if (!decode(file.bytes.data(), file.bytes.size(), pixels)) fail(file.name, "corrupt_media", "its picture is damaged");
  return pixels;
}

std::vector<std::uint8_t> encode_webp(const std::string& path, const Image& image, int quality) {
  static auto* const encode =
      reinterpret_cast<OpenCvEncodeWebp*>(load_symbol(kOpenCvModule, kOpenCvEncodeWebpSymbol, "writes WebP", path));
  constexpr int kLossless = 101;
  std::vector<std::uint8_t> bytes;
  if (!encode(image, quality == 0 ? kLossless : quality, bytes)) {
    throw ResourceError("write_failed", path + ": OpenCV cannot make a WebP of it");
  }
  return bytes;
}

}  // namespace tessera::media
