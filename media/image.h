#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tessera::media {

/// A picture: 8-bit sRGB samples, [row, column, channel] with three channels (red, green, blue), rows from the top.
struct Image {
  int rows = 0;
  int columns = 0;
  std::vector<std::uint8_t> pixels;  ///< rows * columns * 3 bytes

  Image() = default;
  /// Black. Throws ArgumentError unless both sides are positive.
  Image(int row_count, int column_count);
  [[nodiscard]] std::uint8_t* row(int index) { return pixels.data() + offset(index); }
  [[nodiscard]] const std::uint8_t* row(int index) const { return pixels.data() + offset(index); }
  [[nodiscard]] std::size_t offset(int index) const {
    return static_cast<std::size_t>(index) * static_cast<std::size_t>(columns) * 3;
  }
};

/// What a picture file says of itself, before anything is decoded.
struct ImageInfo {
  std::string format;   ///< "jpeg", "png", "webp", "gif", "bmp", "tiff"
  int rows = 0;         ///< as stored, before the EXIF orientation
  int columns = 0;      ///< as stored
  int orientation = 1;  ///< EXIF: 1 (upright) to 8
};

struct ImageReadOptions {
  /// A picture whose header claims more pixels is refused before anything is allocated for it. Decoding needs up to
  /// 10 bytes a pixel for the time being (a progressive JPEG; 4 to 7 in most formats), 3 afterwards.
  std::int64_t max_pixels = std::int64_t{256} << 20;
  /// A file that ends early is an error otherwise; when allowed, what is missing is grey (JPEG) or black (PNG), and
  /// there is a warning. Other formats refuse such files all the same.
  bool allow_truncated = false;
};

struct ImageFile {
  Image image;  ///< upright
  ImageInfo info;
  std::string warning;  ///< non-empty when allow_truncated let a short file pass
};

/// Reads JPEG, PNG (of an APNG the still), WebP and GIF (the first frame), BMP and TIFF, by content, never by extension;
/// "-" is standard input. The samples are those of Pillow's convert("RGB") after exif_transpose(), bit for bit, with
/// alpha (transparent palette entries and colour keys too) composited on white as Pillow's alpha_composite() does.
/// 16-bit samples become their high byte; Pillow does so for colour, but clips 16-bit grey at 255, which leaves a
/// white picture: that is not followed.
/// Throws InputError: "unreadable", "empty_media", "unknown_format", "unsupported_media" (a variant of a format that is
/// not read), "too_large", "corrupt_media", "truncated_media", "missing_module" (see media/module.h).
[[nodiscard]] ImageFile read_image(const std::string& path, const ImageReadOptions& options = {});

/// The header only. Throws what read_image() does.
[[nodiscard]] ImageInfo probe_image(const std::string& path, const ImageReadOptions& options = {});

/// Whether the file begins as a picture of one of these formats does. False for what cannot be opened and for "-" and
/// other pipes, which cannot be looked at without reading them.
[[nodiscard]] bool is_image_file(const std::string& path);

struct ImageWriteOptions {
  int quality = 0;        ///< 1 to 100, for JPEG and WebP; 0: JPEG 95, WebP without loss
  bool overwrite = true;  ///< false: throws ResourceError("output_exists") rather than replace a file
};

/// Writes .png, .jpg/.jpeg (4:4:4 from quality 90 on, else 4:2:0) or .webp by the extension; "-" is a PNG on standard
/// output. The file appears under its name only when it is whole. The same pixels make the same bytes with the same
/// version of the codec library. Throws ArgumentError for another extension, a bad quality or a side that the format
/// cannot hold, ResourceError: "disk_full", "write_failed", "output_exists".
void write_image(const std::string& path, const Image& image, const ImageWriteOptions& options = {});

}  // namespace tessera::media
