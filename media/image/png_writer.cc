#include "kernels/error.h"
#include "media/image/png.h"
#include "media/image/writer.h"

namespace tessera::media {
namespace {

/// See JpegReader for the jumps.
class PngWriter {
 public:
  PngWriter() {
    png_ = png_create_write_struct(PNG_LIBPNG_VER_STRING, &trouble_, on_png_error, on_png_warning);
    if (png_ != nullptr) info_ = png_create_info_struct(png_);
  }
  ~PngWriter() { png_destroy_write_struct(&png_, &info_); }
  PngWriter(const PngWriter&) = delete;
  PngWriter& operator=(const PngWriter&) = delete;

  bool encode(const Image& image) {
    if (info_ == nullptr) return false;
    if (setjmp(trouble_.back) != 0) return false;
    png_set_write_fn(png_, this, append, nullptr);
    png_set_user_limits(png_, 0x7FFFFFFF, 0x7FFFFFFF);
    png_set_IHDR(png_, info_, static_cast<png_uint_32>(image.columns), static_cast<png_uint_32>(image.rows), 8,
                 PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_set_compression_level(png_, 6);
    png_write_info(png_, info_);
    for (int row = 0; row < image.rows; ++row) png_write_row(png_, image.row(row));
    png_write_end(png_, info_);
    return true;
  }

  std::vector<std::uint8_t> bytes;
  [[nodiscard]] std::string message() const { return info_ == nullptr ? "no memory for libpng" : trouble_.fatal; }

 private:
  static void append(png_structp png, png_bytep data, std::size_t count) {
    auto* writer = static_cast<PngWriter*>(png_get_io_ptr(png));
    writer->bytes.insert(writer->bytes.end(), data, data + count);
  }

  PngTrouble trouble_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

}  // namespace

std::vector<std::uint8_t> encode_png(const std::string& path, const Image& image, int /*quality*/) {
  PngWriter writer;
  if (!writer.encode(image)) throw ResourceError("write_failed", path + ": " + writer.message());
  return std::move(writer.bytes);
}

}  // namespace tessera::media
