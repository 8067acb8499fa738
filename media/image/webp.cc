#include "media/image/webp.h"

#include <algorithm>
#include <string>

#include "media/fault.h"
#include "media/image/bytes.h"

namespace tessera::media {
namespace {

// Of VP8X.
constexpr std::uint32_t kAnimatedFlag = 2;
constexpr std::uint32_t kAlphaFlag = 16;

struct WebpChunk {
  std::uint64_t at;  // of its content
  std::uint64_t size;
};

/// The first chunk of a RIFF file with this name; its size is 0 when there is none.
WebpChunk find_chunk(Bytes& bytes, const char* name) {
  std::uint64_t at = 12;
  while (bytes.has(at, 8)) {
    const std::uint64_t size = bytes.u32(at + 4);
    if (bytes.begins(at, name)) return {at + 8, size};
    at += 8 + size + size % 2;
  }
  return {0, 0};
}

ImageInfo webp_sized(std::uint32_t rows, std::uint32_t columns) {
  return {"webp", static_cast<int>(rows), static_cast<int>(columns), 1};
}

/// The canvas of the extended form, or the size in the one bit stream.
ImageInfo webp_size(const Encoded& file, Bytes& bytes) {
  if (bytes.begins(12, "VP8X")) return webp_sized(bytes.u24(27) + 1, bytes.u24(24) + 1);
  if (bytes.begins(12, "VP8L")) {
    const std::uint32_t sides = bytes.u32(21);
    return webp_sized((sides >> 14 & 0x3FFF) + 1, (sides & 0x3FFF) + 1);
  }
  if (bytes.begins(12, "VP8 ") && bytes.begins(23, "\x9D\x01\x2A")) {
    return webp_sized(bytes.u16(28) & 0x3FFF, bytes.u16(26) & 0x3FFF);
  }
  fail(file.name, "corrupt_media", "the WebP begins with no picture");
}

class Writer {
 public:
  explicit Writer(std::vector<std::uint8_t>& bytes) : bytes_(bytes) {}
  void text(const char* text) { bytes_.insert(bytes_.end(), text, text + 4); }
  void number(std::uint64_t value, int count) {
    for (int i = 0; i < count; ++i) bytes_.push_back(static_cast<std::uint8_t>(value >> 8 * i));
  }

 private:
  std::vector<std::uint8_t>& bytes_;
};

/// The chunks of a frame behind a header of their own; alpha (ALPH) needs the extended one.
std::vector<std::uint8_t> as_still(Bytes& bytes, const std::uint8_t* data, const WebpFrame& frame,
                                   const WebpChunk& chunks) {
  constexpr std::uint64_t kExtended = 18;
  const bool alpha = bytes.begins(chunks.at, "ALPH");
  std::vector<std::uint8_t> still;
  Writer out(still);
  out.text("RIFF");
  out.number(4 + chunks.size + (alpha ? kExtended : 0), 4);
  out.text("WEBP");
  if (alpha) {
    out.text("VP8X");
    out.number(10, 4);
    out.number(kAlphaFlag, 4);
    out.number(static_cast<std::uint64_t>(frame.columns) - 1, 3);
    out.number(static_cast<std::uint64_t>(frame.rows) - 1, 3);
  }
  still.insert(still.end(), data + chunks.at, data + chunks.at + chunks.size);
  return still;
}

std::uint8_t* pixel(Pixels& pixels, int row, int column) { return pixels.row(row) + column * pixels.channels; }

/// On an empty canvas; of a frame without alpha it is opaque.
Pixels on_canvas(const ImageInfo& canvas, const WebpFrame& frame, Pixels& picture) {
  Pixels out(canvas.rows, canvas.columns, frame.canvas_has_alpha ? 4 : 3);
  const int shared = std::min(picture.channels, out.channels);
  for (int row = 0; row < frame.rows; ++row) {
    const std::uint8_t* from = picture.row(row);
    std::uint8_t* to = pixel(out, frame.row + row, frame.column);
    for (int i = 0; i < frame.columns; ++i, from += picture.channels, to += out.channels) {
      if (out.channels == 4) to[3] = 255;
      std::copy_n(from, shared, to);
    }
  }
  return out;
}

}  // namespace

std::optional<WebpFrame> first_frame(const Encoded& file) {
  constexpr std::uint64_t kFrameHeader = 16;
  Bytes bytes(file.bytes.data(), file.bytes.size());
  const std::uint32_t flags = bytes.u8(20);
  if (!bytes.begins(12, "VP8X") || (flags & kAnimatedFlag) == 0) return std::nullopt;
  const WebpChunk chunk = find_chunk(bytes, "ANMF");
  if (chunk.size <= kFrameHeader) fail(file.name, "corrupt_media", "the animated WebP has no frame");
  if (!bytes.has(chunk.at, chunk.size)) refuse_truncated(file, chunk.at + chunk.size);
  WebpFrame frame{static_cast<int>(2 * bytes.u24(chunk.at + 3)),
                  static_cast<int>(2 * bytes.u24(chunk.at)),
                  static_cast<int>(bytes.u24(chunk.at + 9) + 1),
                  static_cast<int>(bytes.u24(chunk.at + 6) + 1),
                  (flags & kAlphaFlag) != 0,
                  {file.name, {}}};
  const ImageInfo canvas = webp_size(file, bytes);
  if (frame.row > canvas.rows - frame.rows || frame.column > canvas.columns - frame.columns) {
    fail(file.name, "corrupt_media", "the first frame of the animated WebP reaches out of the picture");
  }
  const WebpChunk chunks{chunk.at + kFrameHeader, chunk.size - kFrameHeader};
  frame.still.bytes = as_still(bytes, file.bytes.data(), frame, chunks);
  return frame;
}

ImageInfo webp_header(const Encoded& file) {
  Bytes bytes(file.bytes.data(), file.bytes.size());
  const std::uint64_t claimed = std::uint64_t{bytes.u32(4)} + 8;
  if (claimed > file.bytes.size()) refuse_truncated(file, claimed);
  ImageInfo info = webp_size(file, bytes);
  if (!bytes.ok()) fail(file.name, "corrupt_media", "the WebP's header is cut");
  const WebpChunk exif = find_chunk(bytes, "EXIF");
  if (exif.size > 0 && bytes.has(exif.at, exif.size)) {
    info.orientation = exif_orientation(file.bytes.data() + exif.at, exif.size);
  }
  return info;
}

Pixels decode_webp(const Encoded& file, const ImageReadOptions& options, std::string& warning) {
  const std::optional<WebpFrame> frame = first_frame(file);
  if (!frame) return decode_opencv(file, options, warning);
  const ImageInfo inner = webp_header(frame->still);
  if (inner.rows != frame->rows || inner.columns != frame->columns) {
    fail(file.name, "corrupt_media", "the first frame of the animated WebP has another size than it says");
  }
  Pixels picture = decode_opencv(frame->still, options, warning);
  if (picture.rows != frame->rows || picture.columns != frame->columns || picture.channels < 3) {
    fail(file.name, "corrupt_media", "the first frame of the animated WebP is damaged");
  }
  return on_canvas(webp_header(file), *frame, picture);
}

}  // namespace tessera::media
