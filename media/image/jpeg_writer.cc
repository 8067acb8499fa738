#include <cstdlib>

#include "kernels/error.h"
#include "media/image/jpeg.h"
#include "media/image/writer.h"

namespace tessera::media {
namespace {

constexpr int kDefaultQuality = 95;
constexpr int kFullChromaFrom = 90;  // below it, chroma has half the resolution each way, as is usual

/// See JpegReader for the jumps.
class JpegWriter {
 public:
  JpegWriter() { codec_.err = &trouble_.manager; }
  ~JpegWriter() {
    jpeg_destroy_compress(&codec_);
    std::free(bytes_);
  }
  JpegWriter(const JpegWriter&) = delete;
  JpegWriter& operator=(const JpegWriter&) = delete;

  bool encode(const Image& image, int quality) {
    if (setjmp(trouble_.back) != 0) return false;
    jpeg_create_compress(&codec_);
    jpeg_mem_dest(&codec_, &bytes_, &size_);
    codec_.image_width = static_cast<JDIMENSION>(image.columns);
    codec_.image_height = static_cast<JDIMENSION>(image.rows);
    codec_.input_components = 3;
    codec_.in_color_space = JCS_RGB;
    jpeg_set_defaults(&codec_);
    jpeg_set_quality(&codec_, quality, TRUE);
    if (quality >= kFullChromaFrom) codec_.comp_info[0].h_samp_factor = codec_.comp_info[0].v_samp_factor = 1;
    jpeg_start_compress(&codec_, TRUE);
    while (codec_.next_scanline < codec_.image_height) {
      JSAMPROW row = const_cast<JSAMPROW>(image.row(static_cast<int>(codec_.next_scanline)));
      jpeg_write_scanlines(&codec_, &row, 1);
    }
    jpeg_finish_compress(&codec_);
    return true;
  }

  [[nodiscard]] std::vector<std::uint8_t> bytes() const { return {bytes_, bytes_ + size_}; }
  [[nodiscard]] std::string message() const { return trouble_.fatal; }

 private:
  JpegTrouble trouble_;
  jpeg_compress_struct codec_{};
  unsigned char* bytes_ = nullptr;
  unsigned long size_ = 0;
};

}  // namespace

std::vector<std::uint8_t> encode_jpeg(const std::string& path, const Image& image, int quality) {
  if (image.rows > JPEG_MAX_DIMENSION || image.columns > JPEG_MAX_DIMENSION) {
    throw ArgumentError(path + ": JPEG holds at most " + std::to_string(JPEG_MAX_DIMENSION) + " rows and columns");
  }
  JpegWriter writer;
  if (!writer.encode(image, quality == 0 ? kDefaultQuality : quality)) {
    throw ResourceError("write_failed", path + ": " + writer.message());
  }
  return writer.bytes();
}

}  // namespace tessera::media
