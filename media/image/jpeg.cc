#include "media/image/jpeg.h"

#include <jerror.h>

#include <cstring>

#include "kernels/error.h"
#include "media/fault.h"
#include "media/image/header.h"

namespace tessera::media {
namespace {

constexpr int kMostScans = 500;  // a small progressive file could otherwise ask for hours of work

[[noreturn]] void on_error(j_common_ptr codec) {
  auto* trouble = reinterpret_cast<JpegTrouble*>(codec->err);
  trouble->fatal_code = codec->err->msg_code;
  codec->err->format_message(codec, trouble->fatal);
  std::longjmp(trouble->back, 1);
}

/// Bytes before a marker, odd versions and the like are common and harmless: the picture is whole.
bool is_damage(int code) {
  return code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE ||
         code == JWRN_ARITH_BAD_CODE || code == JWRN_MUST_RESYNC;
}

void on_message(j_common_ptr codec, int level) {
  auto* trouble = reinterpret_cast<JpegTrouble*>(codec->err);
  if (level >= 0 || trouble->damage_code != 0 || !is_damage(codec->err->msg_code)) return;
  trouble->damage_code = codec->err->msg_code;
  codec->err->format_message(codec, trouble->damage);
}

void on_progress(j_common_ptr codec) {
  auto* trouble = reinterpret_cast<JpegTrouble*>(codec->err);
  if (reinterpret_cast<j_decompress_ptr>(codec)->input_scan_number <= kMostScans) return;
  std::strcpy(trouble->fatal, "too many scans");
  std::longjmp(trouble->back, 1);
}

/// One file being read. The member functions that call libjpeg come back by a jump when it fails, so they own nothing
/// that needs a destructor.
class JpegReader {
 public:
  explicit JpegReader(const Encoded& file) : file_(file) {
    codec_.err = &trouble_.manager;
    if (read_header()) return;
    jpeg_destroy_decompress(&codec_);
    refuse();
  }
  ~JpegReader() { jpeg_destroy_decompress(&codec_); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  [[nodiscard]] ImageInfo info() const {
    return {"jpeg", static_cast<int>(codec_.image_height), static_cast<int>(codec_.image_width), orientation()};
  }

  Pixels decode(bool allow_truncated, std::string& warning) {
    const int channels = codec_.num_components;
    if (channels != 1 && channels != 3 && channels != 4) {
      fail(file_.name, "unsupported_media", "a JPEG of " + std::to_string(channels) + " components");
    }
    Pixels pixels(static_cast<int>(codec_.image_height), static_cast<int>(codec_.image_width), channels);
    if (!read_rows(pixels)) refuse();
    check_damage(allow_truncated, warning);
    return channels == 4 ? from_inverted_cmyk(std::move(pixels)) : std::move(pixels);
  }

 private:
  bool read_header() {
    if (setjmp(trouble_.back) != 0) return false;
    jpeg_create_decompress(&codec_);
    jpeg_mem_src(&codec_, file_.bytes.data(), file_.bytes.size());
    jpeg_save_markers(&codec_, JPEG_APP0 + 1, 0xFFFF);
    jpeg_read_header(&codec_, TRUE);
    return true;
  }

  /// The decoder's defaults are the reference's: the accurate integer transform, smooth chroma.
  bool read_rows(Pixels& pixels) {
    if (setjmp(trouble_.back) != 0) return false;
    progress_.progress_monitor = on_progress;
    codec_.progress = &progress_;
    const int channels = codec_.num_components;
    codec_.out_color_space = channels == 1 ? JCS_GRAYSCALE : channels == 3 ? JCS_RGB : JCS_CMYK;
    jpeg_start_decompress(&codec_);
    while (codec_.output_scanline < codec_.output_height) {
      JSAMPROW row = pixels.row(static_cast<int>(codec_.output_scanline));
      jpeg_read_scanlines(&codec_, &row, 1);
    }
    return true;
  }

  [[nodiscard]] int orientation() const {
    for (jpeg_saved_marker_ptr marker = codec_.marker_list; marker != nullptr; marker = marker->next) {
      const bool is_exif = marker->data_length > 6 && std::memcmp(marker->data, "Exif\0\0", 6) == 0;
      if (is_exif) return exif_orientation(marker->data, marker->data_length);
    }
    return 1;
  }

  [[nodiscard]] bool is_cut() const {
    return trouble_.damage_code == JWRN_JPEG_EOF || trouble_.fatal_code == JERR_INPUT_EOF;
  }

  [[noreturn]] void refuse() const {
    const int code = trouble_.fatal_code;
    if (code == JERR_OUT_OF_MEMORY) throw ResourceError("out_of_memory", file_.name + ": " + trouble_.fatal);
    const bool unknown = code == JERR_BAD_PRECISION || code == JERR_SOF_UNSUPPORTED || code == JERR_CONVERSION_NOTIMPL;
    fail(file_.name,
         is_cut()  ? "truncated_media"
         : unknown ? "unsupported_media"
                   : "corrupt_media",
         is_cut() ? "truncated: " + place() : trouble_.fatal);
  }

  void check_damage(bool allow_truncated, std::string& warning) const {
    if (trouble_.damage_code == 0) return;
    if (!is_cut()) fail(file_.name, "corrupt_media", trouble_.damage);
    const std::string what = "truncated: " + place();
    if (!allow_truncated) fail(file_.name, "truncated_media", what);
    warning = file_.name + ": " + what;
  }

  [[nodiscard]] std::string place() const {
    return "the JPEG ends after " + std::to_string(file_.bytes.size()) + " bytes, within its picture";
  }

  const Encoded& file_;
  JpegTrouble trouble_;
  jpeg_progress_mgr progress_{};
  jpeg_decompress_struct codec_{};
};

}  // namespace

JpegTrouble::JpegTrouble() {
  jpeg_std_error(&manager);
  manager.error_exit = on_error;
  manager.emit_message = on_message;
}

ImageInfo probe_jpeg(const Encoded& file) { return JpegReader(file).info(); }

Pixels decode_jpeg(const Encoded& file, const ImageReadOptions& options, std::string& warning) {
  return JpegReader(file).decode(options.allow_truncated, warning);
}

}  // namespace tessera::media
