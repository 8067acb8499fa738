#include "media/image/header.h"

#include "media/fault.h"
#include "media/image/bytes.h"

namespace tessera::media {
namespace {

[[noreturn]] void truncated(const Encoded& file, std::uint64_t claimed) {
  fail(file.name, "truncated_media",
       "truncated: " + std::to_string(file.bytes.size()) + " of " + std::to_string(claimed) + " bytes");
}

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
  constexpr std::uint32_t kAnimated = 2;
  if (bytes.begins(12, "VP8X")) {
    if ((bytes.u8(20) & kAnimated) != 0) fail(file.name, "unsupported_media", "an animated WebP");
    return webp_sized(bytes.u24(27) + 1, bytes.u24(24) + 1);
  }
  if (bytes.begins(12, "VP8L")) {
    const std::uint32_t sides = bytes.u32(21);
    return webp_sized((sides >> 14 & 0x3FFF) + 1, (sides & 0x3FFF) + 1);
  }
  if (bytes.begins(12, "VP8 ") && bytes.begins(23, "\x9D\x01\x2A")) {
    return webp_sized(bytes.u16(28) & 0x3FFF, bytes.u16(26) & 0x3FFF);
  }
  fail(file.name, "corrupt_media", "the WebP begins with no picture");
}

/// A run of blocks, each after a byte with its size, up to an empty one; returns where it ends.
std::uint64_t skip_blocks(Bytes& bytes, std::uint64_t at) {
  while (const std::uint32_t size = bytes.u8(at)) at += 1 + size;
  return at + 1;
}

std::uint64_t color_table(std::uint32_t flags) { return (flags & 0x80) != 0 ? std::uint64_t{6} << (flags & 7) : 0; }

/// Goes over the extensions and the first picture, all of which must be there.
void walk_gif(const Encoded& file, Bytes& bytes) {
  constexpr std::uint32_t kExtension = 0x21;
  constexpr std::uint32_t kPicture = 0x2C;
  std::uint64_t at = 13 + color_table(bytes.u8(10));
  while (bytes.u8(at) == kExtension) at = skip_blocks(bytes, at + 2);
  if (bytes.ok() && bytes.u8(at) != kPicture) fail(file.name, "corrupt_media", "the GIF holds no picture");
  skip_blocks(bytes, at + 11 + color_table(bytes.u8(at + 9)));
  if (!bytes.ok()) fail(file.name, "truncated_media", "truncated: the GIF ends within its first picture");
}

struct BmpHeader {
  int rows = 0;
  int columns = 0;
  std::uint32_t bits = 0;
  std::uint32_t compression = 0;
  std::uint64_t data = 0;    // where the rows begin
  std::uint64_t header = 0;  // bytes, of the file's and the picture's header
  std::uint64_t colors = 0;  // in the table after the header
};

BmpHeader read_bmp(Bytes& bytes) {
  constexpr std::uint32_t kCoreHeader = 12;
  BmpHeader header;
  header.data = bytes.u32(10);
  const std::uint32_t size = bytes.u32(14);
  header.header = 14 + std::uint64_t{size};
  if (size == kCoreHeader) {
    header.columns = static_cast<int>(bytes.u16(18));
    header.rows = static_cast<int>(bytes.u16(20));
    header.bits = bytes.u16(24);
    return header;
  }
  header.colors = bytes.u32(46);
  const auto rows = static_cast<std::int32_t>(bytes.u32(22));
  header.columns = static_cast<std::int32_t>(bytes.u32(18));
  header.rows = rows < 0 && rows != INT32_MIN ? -rows : rows;  // negative: stored from the top
  header.bits = bytes.u16(28);
  header.compression = bytes.u32(30);
  return header;
}

/// The parts must lie one after the other: header, colours, rows.
void check_bmp(const Encoded& file, const BmpHeader& header) {
  constexpr std::uint64_t kLeastHeader = 14 + 12;
  if (header.rows <= 0 || header.columns <= 0) fail(file.name, "corrupt_media", "its header gives no size");
  const std::uint32_t bits = header.bits;
  const bool known = bits == 1 || bits == 4 || bits == 8 || bits == 24 || bits == 32;
  if (!known || header.compression != 0) {
    fail(file.name, "unsupported_media",
         "a BMP of " + std::to_string(bits) + " bits, compression " + std::to_string(header.compression));
  }
  const std::uint64_t most = bits <= 8 ? std::uint64_t{1} << bits : 0;
  const std::uint64_t entry = header.header == kLeastHeader ? 3 : 4;
  const std::uint64_t colors = header.colors == 0 ? most : header.colors;
  const bool fits = header.header >= kLeastHeader && header.header + colors * entry <= header.data;
  if (!fits || (bits <= 8 && colors > most)) fail(file.name, "corrupt_media", "the BMP's header contradicts itself");
}

}  // namespace

void check_size(const Encoded& file, const ImageInfo& info, const ImageReadOptions& options) {
  if (info.rows <= 0 || info.columns <= 0) fail(file.name, "corrupt_media", "its header gives no size");
  const std::int64_t pixels = std::int64_t{info.rows} * info.columns;
  if (pixels <= options.max_pixels) return;
  fail(file.name, "too_large",
       std::to_string(info.columns) + " by " + std::to_string(info.rows) + " are " + std::to_string(pixels) +
           " pixels, more than the limit of " + std::to_string(options.max_pixels));
}

ImageInfo webp_header(const Encoded& file) {
  Bytes bytes(file.bytes.data(), file.bytes.size());
  const std::uint64_t claimed = std::uint64_t{bytes.u32(4)} + 8;
  if (claimed > file.bytes.size()) truncated(file, claimed);
  ImageInfo info = webp_size(file, bytes);
  if (!bytes.ok()) fail(file.name, "corrupt_media", "the WebP's header is cut");
  const WebpChunk exif = find_chunk(bytes, "EXIF");
  if (exif.size > 0 && bytes.has(exif.at, exif.size)) {
    info.orientation = exif_orientation(file.bytes.data() + exif.at, exif.size);
  }
  return info;
}

ImageInfo probe_gif(const Encoded& file) {
  Bytes bytes(file.bytes.data(), file.bytes.size());
  const ImageInfo info{"gif", static_cast<int>(bytes.u16(8)), static_cast<int>(bytes.u16(6)), 1};
  walk_gif(file, bytes);
  return info;
}

/// Plain rows only: what else the format knows (run lengths, 16 bits, bit masks) differs between programs.
ImageInfo bmp_header(const Encoded& file) {
  Bytes bytes(file.bytes.data(), file.bytes.size());
  const BmpHeader header = read_bmp(bytes);
  if (!bytes.ok()) fail(file.name, "truncated_media", "truncated: the BMP's header is cut");
  check_bmp(file, header);
  const std::uint64_t row = (static_cast<std::uint64_t>(header.columns) * header.bits + 31) / 32 * 4;
  const std::uint64_t claimed = header.data + row * static_cast<std::uint64_t>(header.rows);
  if (claimed > file.bytes.size()) truncated(file, claimed);
  return {"bmp", header.rows, header.columns, 1};
}

}  // namespace tessera::media
