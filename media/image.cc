#include "media/image.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "kernels/error.h"
#include "media/extension.h"
#include "media/fault.h"
#include "media/image/header.h"
#include "media/image/writer.h"
#include "media/output_file.h"
#include "media/source.h"

namespace tessera::media {
namespace {

constexpr std::size_t kMostBytes = std::size_t{1} << 30;  // of an encoded picture
constexpr std::size_t kImageBlock = std::size_t{1} << 16;
constexpr std::size_t kMagic = 12;

bool has(const std::uint8_t* bytes, std::size_t size, std::size_t at, const char* text) {
  const std::size_t length = std::strlen(text);
  return size >= at + length && std::memcmp(bytes + at, text, length) == 0;
}

bool is_jpeg(const std::uint8_t* bytes, std::size_t size) { return has(bytes, size, 0, "\xFF\xD8\xFF"); }
bool is_png(const std::uint8_t* bytes, std::size_t size) { return has(bytes, size, 0, "\x89PNG\r\n\x1A\n"); }
bool is_gif(const std::uint8_t* bytes, std::size_t size) { return has(bytes, size, 0, "GIF8"); }

bool is_webp(const std::uint8_t* bytes, std::size_t size) {
  return has(bytes, size, 0, "RIFF") && has(bytes, size, 8, "WEBP");
}

/// Two letters say little: the four reserved bytes are zero in every BMP.
bool is_bmp(const std::uint8_t* bytes, std::size_t size) {
  return has(bytes, size, 0, "BM") && size >= 10 && std::count(bytes + 6, bytes + 10, 0) == 4;
}

bool is_tiff(const std::uint8_t* bytes, std::size_t size) {
  return size >= 4 && (std::memcmp(bytes, "II*\0", 4) == 0 || std::memcmp(bytes, "MM\0*", 4) == 0);
}

constexpr ImageFormat kFormats[] = {
    {"jpeg", is_jpeg, probe_jpeg, decode_jpeg, false},    {"png", is_png, probe_png, decode_png, false},
    {"webp", is_webp, webp_header, decode_webp, false}, {"gif", is_gif, probe_gif, decode_gif, false},
    {"bmp", is_bmp, bmp_header, decode_opencv, false},    {"tiff", is_tiff, tiff_header, decode_tiff, true},
};

const ImageFormat* find_format(const std::uint8_t* bytes, std::size_t size) {
  for (const ImageFormat& format : kFormats) {
    if (format.begins(bytes, size)) return &format;
  }
  return nullptr;
}

/// Reads no further than the magic of something that is no picture.
const ImageFormat& load(const std::string& path, Encoded& file) {
  const std::unique_ptr<Source> source = open_source(path);
  file.name = source->name();
  file.bytes.resize(kMagic);
  file.bytes.resize(source->read(file.bytes.data(), kMagic));
  const ImageFormat* format = find_format(file.bytes.data(), file.bytes.size());
  if (format == nullptr) fail(file.name, "unknown_format", "not a JPEG, PNG, WebP, GIF, BMP or TIFF picture");
  for (std::size_t got = 1; got > 0;) {
    const std::size_t size = file.bytes.size();
    if (size > kMostBytes) fail(file.name, "too_large", "a picture file of more than 1 GiB");
    file.bytes.resize(size + kImageBlock);
    got = source->read(file.bytes.data() + size, kImageBlock);
    file.bytes.resize(size + got);
  }
  return *format;
}

void check(const ImageReadOptions& options) {
  if (options.max_pixels <= 0) throw ArgumentError("the limit of a picture's pixels must be positive");
}

/// What the decoder gave against what the header said.
void check_decoded(const Encoded& file, const ImageFormat& format, const ImageInfo& info, const Pixels& pixels) {
  const bool turned = format.decodes_upright && info.orientation >= 5;
  const int rows = turned ? info.columns : info.rows;
  const int columns = turned ? info.rows : info.columns;
  if (pixels.rows == rows && pixels.columns == columns) return;
  fail(file.name, "corrupt_media", "the picture has another size than its header says");
}

using Encoder = std::vector<std::uint8_t>(const std::string& path, const Image& image, int quality);

Encoder* encoder_of(const std::string& path) {
  const std::string extension = extension_of(path);
  if (path == "-" || extension == ".png") return encode_png;
  if (extension == ".jpg" || extension == ".jpeg") return encode_jpeg;
  if (extension == ".webp") return encode_webp;
  throw ArgumentError(path + ": pictures are written as .png, .webp, .jpg or .jpeg");
}

}  // namespace

Image::Image(int row_count, int column_count) : rows(row_count), columns(column_count) {
  if (rows <= 0 || columns <= 0) throw ArgumentError("a picture needs at least one row and one column");
  pixels.resize(offset(rows));
}

ImageFile read_image(const std::string& path, const ImageReadOptions& options) {
  check(options);
  Encoded file;
  const ImageFormat& format = load(path, file);
  ImageFile result;
  result.info = format.probe(file);
  check_size(file, result.info, options);
  Pixels pixels = format.decode(file, options, result.warning);
  check_decoded(file, format, result.info, pixels);
  result.image = upright(to_rgb(std::move(pixels)), format.decodes_upright ? 1 : result.info.orientation);
  return result;
}

ImageInfo probe_image(const std::string& path, const ImageReadOptions& options) {
  check(options);
  Encoded file;
  const ImageFormat& format = load(path, file);
  const ImageInfo info = format.probe(file);
  check_size(file, info, options);
  return info;
}

bool is_image_file(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return false;
  try {
    std::uint8_t magic[kMagic];
    const std::size_t got = open_source(path)->read(magic, kMagic);
    return find_format(magic, got) != nullptr;
  } catch (const InputError&) {
    return false;
  }
}

void write_image(const std::string& path, const Image& image, const ImageWriteOptions& options) {
  Encoder* const encode = encoder_of(path);
  if (options.quality < 0 || options.quality > 100) throw ArgumentError("a picture's quality is 1 to 100");
  if (image.rows <= 0 || image.columns <= 0 || image.pixels.size() != image.offset(image.rows)) {
    throw ArgumentError(path + ": the picture's samples do not match its size");
  }
  const std::vector<std::uint8_t> bytes = encode(path, image, options.quality);
  OutputFile file(path, options.overwrite);
  file.write(bytes.data(), bytes.size());
  file.commit();
}

}  // namespace tessera::media
