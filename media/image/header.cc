#include "media/image/header.h"

#include "media/fault.h"
#include "media/image/bytes.h"

namespace tessera::media {
namespace {

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

void refuse_truncated(const Encoded& file, std::uint64_t claimed) {
  fail(file.name, "truncated_media",
       "truncated: " + std::to_string(file.bytes.size()) + " of " + std::to_string(claimed) + " bytes");
}

void check_size(const Encoded& file, const ImageInfo& info, const ImageReadOptions& options) {
  if (info.rows <= 0 || info.columns <= 0) fail(file.name, "corrupt_media", "its header gives no size");
  const std::int64_t pixels = std::int64_t{info.rows} * info.columns;
  if (pixels <= options.max_pixels) return;
  fail(file.name, "too_large",
       std::to_string(info.columns) + " by " + std::to_string(info.rows) + " are " + std::to_string(pixels) +
           " pixels, more than the limit of " + std::to_string(options.max_pixels));
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
  if (claimed > file.bytes.size()) refuse_truncated(file, claimed);
  return {"bmp", header.rows, header.columns, 1};
}

}  // namespace tessera::media
