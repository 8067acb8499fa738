#include "media/image/tiff.h"

#include <algorithm>
#include <string>

#include "media/fault.h"
#include "media/image/header.h"
#include "media/module.h"
#include "media/opencv_module.h"

namespace tessera::media {
namespace {

constexpr std::uint64_t kEntryBytes = 12;

// The tags of TIFF 6.0 that are looked at.
enum Tag : int {
  kColumns = 256,
  kRows = 257,
  kBits = 258,
  kCompression = 259,
  kPhotometric = 262,
  kStripOffsets = 273,
  kOrientation = 274,
  kSamples = 277,
  kStripBytes = 279,
  kTileOffsets = 324,
  kTileBytes = 325,
  kPlanes = 284,
  kExtraSamples = 338,
  kSampleFormat = 339,
};

/// Bytes of an unsigned integer of a TIFF type; 0 for other types.
int width_of(std::uint32_t type) { return type == 1 ? 1 : type == 3 ? 2 : type == 4 ? 4 : 0; }

/// The layouts whose samples OpenCV gives as Pillow does (checked by the golden files).
bool is_known(std::uint32_t photometric, std::uint32_t samples, std::uint32_t bits, std::uint32_t orientation) {
  if (bits == 16) return orientation == 1 && ((photometric == 1 && samples == 1) || (photometric == 2 && samples == 3));
  if (bits == 1) return photometric <= 1 && samples == 1;
  if (bits != 8) return false;
  if (samples == 1) return photometric <= 1 || photometric == 3;
  return (samples == 3 && (photometric == 2 || photometric == 6)) || (samples == 4 && photometric == 5);
}

/// What the sample behind the colours is.
enum Extra : std::uint32_t { kUnspecified = 0, kMultiplied = 1, kAlpha = 2 };

/// Grey with alpha, or colours with a fourth sample, side by side and upright; not in a JPEG.
bool has_known_alpha(TiffDirectory& directory, const std::vector<std::uint32_t>& extra, std::uint32_t photometric,
                     std::uint32_t samples, std::uint32_t bits) {
  if (extra.size() != 1 || directory.value(kPlanes, 1) != 1 || directory.value(kOrientation, 1) != 1) return false;
  if (directory.value(kCompression, 1) == 7) return false;
  if (photometric == 1) return samples == 2 && bits == 8 && extra[0] == kAlpha;
  return photometric == 2 && samples == 4 && (bits == 8 || bits == 16) && extra[0] <= kAlpha;
}

/// Colours that were multiplied with alpha, with the integers of Pillow's unpackRGBa().
void divide_by_alpha(Pixels& pixels) {
  for (std::size_t i = 0; i < pixels.samples.size(); i += 4) {
    std::uint8_t* at = pixels.samples.data() + i;
    const unsigned alpha = at[3];
    for (int c = 0; c < 3; ++c) {
      at[c] = static_cast<std::uint8_t>(alpha == 0 ? 0U : std::min(255U, at[c] * 255U / alpha));
    }
  }
}

Pixels without_fourth(const Pixels& pixels) {
  Pixels out(pixels.rows, pixels.columns, 3);
  for (std::size_t i = 0; i < out.samples.size(); ++i) out.samples[i] = pixels.samples[i / 3 * 4 + i % 3];
  return out;
}

void check_layout(const std::string& name, TiffDirectory& directory) {
  constexpr std::uint32_t kCompressions[] = {1, 5, 7, 8, 32773, 32946};
  const std::uint32_t compression = directory.value(kCompression, 1);
  if (std::find(std::begin(kCompressions), std::end(kCompressions), compression) == std::end(kCompressions)) {
    fail(name, "unsupported_media", "TIFF compression " + std::to_string(compression));
  }
  const std::vector<std::uint32_t> bits = directory.values(kBits);
  const std::uint32_t depth = bits.empty() ? 1 : bits[0];
  const bool even = std::all_of(bits.begin(), bits.end(), [&](std::uint32_t b) { return b == depth; });
  const std::uint32_t samples = directory.value(kSamples, 1);
  const std::uint32_t photometric = directory.value(kPhotometric, 99);
  const bool integer = directory.value(kSampleFormat, 1) == 1;
  const std::vector<std::uint32_t> extra = directory.values(kExtraSamples);
  const std::uint32_t orientation = directory.value(kOrientation, 1);
  const bool known = extra.empty() ? is_known(photometric, samples, depth, orientation)
                                   : has_known_alpha(directory, extra, photometric, samples, depth);
  if (!even || !integer || !known) {
    fail(name, "unsupported_media",
         "a TIFF of " + std::to_string(samples) + " samples of " + std::to_string(depth) +
             " bits, photometric interpretation " + std::to_string(photometric));
  }
}

void check_extent(const std::string& name, TiffDirectory& directory, std::size_t size) {
  std::vector<std::uint32_t> offsets = directory.values(kStripOffsets);
  std::vector<std::uint32_t> counts = directory.values(kStripBytes);
  if (offsets.empty()) {
    offsets = directory.values(kTileOffsets);
    counts = directory.values(kTileBytes);
  }
  if (offsets.empty() || offsets.size() != counts.size()) fail(name, "corrupt_media", "the TIFF names no picture data");
  for (std::size_t i = 0; i < offsets.size(); ++i) {
    const std::uint64_t end = std::uint64_t{offsets[i]} + counts[i];
    if (end > size) {
      fail(name, "truncated_media",
           "truncated: the picture reaches to byte " + std::to_string(end) + " of " + std::to_string(size));
    }
  }
}

[[noreturn]] void refuse_directory(const Encoded& file) {
  Bytes bytes(file.bytes.data(), file.bytes.size(), file.bytes[0] == 'M');
  if (bytes.u32(4) >= file.bytes.size())
    fail(file.name, "truncated_media", "truncated: the TIFF's directory is missing");
  fail(file.name, "corrupt_media", "the TIFF's directory is damaged or cut");
}

int side(std::uint32_t value) { return value > 0x7FFFFFFF ? 0 : static_cast<int>(value); }

}  // namespace

std::optional<TiffDirectory> TiffDirectory::open(const std::uint8_t* data, std::size_t size) {
  Bytes probe(data, size);
  const bool big = probe.begins(0, "MM");
  if (!big && !probe.begins(0, "II")) return std::nullopt;
  Bytes bytes(data, size, big);
  if (bytes.u16(2) != 42) return std::nullopt;
  const std::uint64_t at = bytes.u32(4);
  const std::uint32_t entries = bytes.u16(at);
  if (!bytes.ok() || !bytes.has(at + 2, entries * kEntryBytes)) return std::nullopt;
  return TiffDirectory(bytes, at + 2, static_cast<int>(entries));
}

std::vector<std::uint32_t> TiffDirectory::values(int tag, std::size_t limit) {
  for (int i = 0; i < entries_; ++i) {
    const std::uint64_t entry = at_ + static_cast<std::uint64_t>(i) * kEntryBytes;
    if (static_cast<int>(bytes_.u16(entry)) != tag) continue;
    const int width = width_of(bytes_.u16(entry + 2));
    const std::uint64_t count = bytes_.u32(entry + 4);
    const std::uint64_t bytes = count * static_cast<std::uint64_t>(width);
    const std::uint64_t from = bytes <= 4 ? entry + 8 : bytes_.u32(entry + 8);
    if (width == 0 || !bytes_.has(from, bytes)) return {};
    std::vector<std::uint32_t> values;
    for (std::uint64_t k = 0; k < std::min<std::uint64_t>(count, limit); ++k) {
      values.push_back(bytes_.get(from + k * static_cast<std::uint64_t>(width), width));
    }
    return values;
  }
  return {};
}

std::uint32_t TiffDirectory::value(int tag, std::uint32_t otherwise) {
  const std::vector<std::uint32_t> found = values(tag, 1);
  return found.empty() ? otherwise : found[0];
}

int exif_orientation(const std::uint8_t* bytes, std::size_t size) {
  constexpr std::size_t kPrefix = 6;
  const bool prefixed = size >= kPrefix && std::memcmp(bytes, "Exif\0\0", kPrefix) == 0;
  auto directory = TiffDirectory::open(bytes + (prefixed ? kPrefix : 0), size - (prefixed ? kPrefix : 0));
  const std::uint32_t orientation = directory ? directory->value(kOrientation, 1) : 1;
  return orientation >= 1 && orientation <= 8 ? static_cast<int>(orientation) : 1;
}

ImageInfo tiff_header(const Encoded& file) {
  auto directory = TiffDirectory::open(file.bytes.data(), file.bytes.size());
  if (!directory) refuse_directory(file);
  ImageInfo info{"tiff", side(directory->value(kRows, 0)), side(directory->value(kColumns, 0)), 1};
  const std::uint32_t orientation = directory->value(kOrientation, 1);
  if (orientation >= 1 && orientation <= 8) info.orientation = static_cast<int>(orientation);
  check_extent(file.name, *directory, file.bytes.size());
  check_layout(file.name, *directory);
  return info;
}

Pixels decode_tiff(const Encoded& file, const ImageReadOptions& options, std::string& warning) {
  auto directory = TiffDirectory::open(file.bytes.data(), file.bytes.size());
  const std::vector<std::uint32_t> extra = directory.value().values(kExtraSamples);
  if (extra.empty()) return decode_opencv(file, options, warning);
  static auto* const decode = reinterpret_cast<TiffDecode*>(
      load_symbol(kOpenCvModule, kTiffDecodeSymbol, "reads WebP, BMP and TIFF", file.name));
  Pixels pixels;
  if (!decode(file.bytes.data(), file.bytes.size(), pixels)) fail(file.name, "corrupt_media", "its picture is damaged");
  if (extra[0] == kMultiplied) divide_by_alpha(pixels);
  return extra[0] == kUnspecified && pixels.channels == 4 ? without_fourth(pixels) : pixels;
}

}  // namespace tessera::media
