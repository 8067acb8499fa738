#include "media/image/png.h"

#include <algorithm>
#include <cstring>

#include "kernels/error.h"
#include "media/fault.h"
#include "media/image/bytes.h"
#include "media/image/header.h"

namespace tessera::media {
namespace {

/// One file being read; see JpegReader for the jumps.
class PngReader {
 public:
  explicit PngReader(const Encoded& file) : file_(file) {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, &trouble_, on_png_error, on_png_warning);
    if (png_ != nullptr) info_ = png_create_info_struct(png_);
    if (info_ == nullptr) {
      png_destroy_read_struct(&png_, nullptr, nullptr);
      throw ResourceError("out_of_memory", file_.name + ": no memory for libpng");
    }
    if (!read_header() || ended_) destroy_and_refuse();
  }
  ~PngReader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  [[nodiscard]] ImageInfo info() const {
    return {"png", static_cast<int>(png_get_image_height(png_, info_)),
            static_cast<int>(png_get_image_width(png_, info_)), orientation()};
  }

  Pixels decode(bool allow_truncated, std::string& warning) {
    if (!expand()) refuse();
    Pixels pixels(static_cast<int>(png_get_image_height(png_, info_)),
                  static_cast<int>(png_get_image_width(png_, info_)), png_get_channels(png_, info_));
    std::vector<png_bytep> rows;
    for (int row = 0; row < pixels.rows; ++row) rows.push_back(pixels.row(row));
    const bool whole = read_rows(rows.data()) && !ended_;
    if (!whole) {
      if (!ended_ || !allow_truncated) refuse();
      warning = file_.name + ": " + cut();
    }
    return pixels;
  }

 private:
  static void read(png_structp png, png_bytep out, std::size_t count) {
    auto* reader = static_cast<PngReader*>(png_get_io_ptr(png));
    const std::size_t left = std::min(count, reader->file_.bytes.size() - reader->at_);
    if (left < count) reader->ended_ = true;
    if (left == 0) png_error(png, "the file ends");
    std::memcpy(out, reader->file_.bytes.data() + reader->at_, left);
    std::memset(out + left, 0, count - left);  // so that the rows before the cut are there
    reader->at_ += left;
  }

  bool read_header() {
    if (setjmp(trouble_.back) != 0) return false;
    png_set_read_fn(png_, this, read);
    png_set_user_limits(png_, 0x7FFFFFFF, 0x7FFFFFFF);  // the product is what is checked
    png_read_info(png_, info_);
    return true;
  }

  /// To 8 bits: palettes looked up, small greys stretched, the high byte of 16 bits; colour keys become alpha.
  bool expand() {
    if (setjmp(trouble_.back) != 0) return false;
    png_set_expand(png_);
    png_set_strip_16(png_);
    png_read_update_info(png_, info_);
    return true;
  }

  bool read_rows(png_bytepp rows) {
    if (setjmp(trouble_.back) != 0) return false;
    png_read_image(png_, rows);
    png_read_end(png_, info_);
    return true;
  }

  /// The chunk may come after the picture, which libpng has not read by then.
  [[nodiscard]] int orientation() const {
    Bytes bytes(file_.bytes.data(), file_.bytes.size(), true);
    for (std::uint64_t at = 8; bytes.has(at, 8);) {
      const std::uint64_t size = bytes.u32(at);
      if (bytes.begins(at + 4, "eXIf") && bytes.has(at + 8, size)) {
        return exif_orientation(file_.bytes.data() + at + 8, size);
      }
      at += size + 12;
    }
    return 1;
  }

  [[noreturn]] void destroy_and_refuse() {
    png_destroy_read_struct(&png_, &info_, nullptr);
    refuse();
  }

  [[nodiscard]] std::string cut() const {
    return "truncated: the PNG ends after " + std::to_string(file_.bytes.size()) + " bytes, before its end chunk";
  }

  [[noreturn]] void refuse() const {
    fail(file_.name, ended_ ? "truncated_media" : "corrupt_media", ended_ ? cut() : trouble_.fatal);
  }

  const Encoded& file_;
  PngTrouble trouble_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  std::size_t at_ = 0;
  bool ended_ = false;
};

}  // namespace

void on_png_error(png_structp png, png_const_charp what) {
  auto* trouble = static_cast<PngTrouble*>(png_get_error_ptr(png));
  std::strncpy(trouble->fatal, what, sizeof trouble->fatal - 1);
  std::longjmp(trouble->back, 1);
}

void on_png_warning(png_structp /*png*/, png_const_charp /*what*/) {}

ImageInfo probe_png(const Encoded& file) { return PngReader(file).info(); }

Pixels decode_png(const Encoded& file, const ImageReadOptions& options, std::string& warning) {
  return PngReader(file).decode(options.allow_truncated, warning);
}

}  // namespace tessera::media
