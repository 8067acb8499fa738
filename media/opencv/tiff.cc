#include <tiffio.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "media/opencv_module.h"

namespace tessera::media {
namespace {

/// A file in memory, as libtiff asks for it.
struct Memory {
  const std::uint8_t* data;
  toff_t size;
  toff_t at = 0;
};

Memory& memory_of(thandle_t handle) { return *static_cast<Memory*>(handle); }

tmsize_t read_memory(thandle_t handle, void* to, tmsize_t count) {
  Memory& file = memory_of(handle);
  const toff_t left = file.at < file.size ? file.size - file.at : 0;
  const toff_t got = std::min(left, static_cast<toff_t>(std::max<tmsize_t>(count, 0)));
  if (got > 0) std::memcpy(to, file.data + file.at, got);
  file.at += got;
  return static_cast<tmsize_t>(got);
}

toff_t seek_memory(thandle_t handle, toff_t offset, int whence) {
  Memory& file = memory_of(handle);
  const toff_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? file.at : file.size;
  return file.at = base + offset;
}

tmsize_t refuse_write(thandle_t, void*, tmsize_t) { return 0; }
int keep_open(thandle_t) { return 0; }
toff_t size_of_memory(thandle_t handle) { return memory_of(handle).size; }

/// libtiff would print.
int keep_quiet(TIFF*, void*, const char*, const char*, va_list) { return 1; }

using Tiff = std::unique_ptr<TIFF, decltype(&TIFFClose)>;

Tiff open_tiff(Memory& file) {
  const std::unique_ptr<TIFFOpenOptions, decltype(&TIFFOpenOptionsFree)> options(TIFFOpenOptionsAlloc(),
                                                                                 &TIFFOpenOptionsFree);
  TIFFOpenOptionsSetErrorHandlerExtR(options.get(), keep_quiet, nullptr);
  TIFFOpenOptionsSetWarningHandlerExtR(options.get(), keep_quiet, nullptr);
  return {TIFFClientOpenExt("picture", "rm", &file, read_memory, refuse_write, seek_memory, keep_open, size_of_memory,
                            nullptr, nullptr, options.get()),
          &TIFFClose};
}

template <class T>
T field(TIFF* tiff, std::uint32_t tag) {
  T value = 0;
  return TIFFGetFieldDefaulted(tiff, tag, &value) == 1 ? value : 0;
}

/// Part of the picture, decoded: `rows` x `columns` pixels from (row, column), the latter `step` pixels apart.
struct Part {
  const std::uint8_t* bytes;
  int row, column, rows, columns, step;
};

void copy_part(const Part& part, int sample_bytes, Pixels& out) {
  for (int row = 0; row < part.rows; ++row) {
    const std::uint8_t* from = part.bytes + std::size_t(row) * std::size_t(part.step * out.channels * sample_bytes);
    std::uint8_t* to = out.row(part.row + row) + part.column * out.channels;
    for (int i = 0; i < part.columns * out.channels; ++i, from += sample_bytes) {
      std::uint16_t wide = 0;
      if (sample_bytes == 2) std::memcpy(&wide, from, sizeof wide);
      *to++ = sample_bytes == 2 ? static_cast<std::uint8_t>(wide >> 8) : *from;
    }
  }
}

/// A tile or strip is as large as its header says, not as the picture is.
constexpr tmsize_t kMostPartBytes = tmsize_t{1} << 28;

bool read_strips(TIFF* tiff, int sample_bytes, Pixels& out) {
  const tmsize_t size = TIFFStripSize(tiff);
  const auto strip_rows = static_cast<int>(
      std::min<std::uint32_t>(field<std::uint32_t>(tiff, TIFFTAG_ROWSPERSTRIP), static_cast<std::uint32_t>(out.rows)));
  if (size <= 0 || size > kMostPartBytes || strip_rows <= 0) return false;
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(size));
  for (int row = 0; row < out.rows; row += strip_rows) {
    const int rows = std::min(strip_rows, out.rows - row);
    const auto wanted = static_cast<tmsize_t>(out.row_bytes()) * sample_bytes * rows;
    const std::uint32_t strip = TIFFComputeStrip(tiff, static_cast<std::uint32_t>(row), 0);
    if (wanted > size || TIFFReadEncodedStrip(tiff, strip, bytes.data(), wanted) != wanted) return false;
    copy_part({bytes.data(), row, 0, rows, out.columns, out.columns}, sample_bytes, out);
  }
  return true;
}

bool read_tiles(TIFF* tiff, int sample_bytes, Pixels& out) {
  const tmsize_t size = TIFFTileSize(tiff);
  const auto tile_rows = static_cast<std::int64_t>(field<std::uint32_t>(tiff, TIFFTAG_TILELENGTH));
  const auto tile_columns = static_cast<std::int64_t>(field<std::uint32_t>(tiff, TIFFTAG_TILEWIDTH));
  const std::int64_t wanted = tile_rows * tile_columns * out.channels * sample_bytes;
  if (wanted <= 0 || wanted > kMostPartBytes || wanted != size) return false;
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(size));
  for (std::int64_t row = 0; row < out.rows; row += tile_rows) {
    for (std::int64_t column = 0; column < out.columns; column += tile_columns) {
      const std::uint32_t tile =
          TIFFComputeTile(tiff, static_cast<std::uint32_t>(column), static_cast<std::uint32_t>(row), 0, 0);
      if (TIFFReadEncodedTile(tiff, tile, bytes.data(), size) != size) return false;
      copy_part({bytes.data(), static_cast<int>(row), static_cast<int>(column),
                 static_cast<int>(std::min(tile_rows, out.rows - row)),
                 static_cast<int>(std::min(tile_columns, out.columns - column)), static_cast<int>(tile_columns)},
                sample_bytes, out);
    }
  }
  return true;
}

bool decode_samples(const std::uint8_t* bytes, std::size_t size, Pixels& out) {
  Memory file{bytes, size};
  const Tiff tiff = open_tiff(file);
  if (!tiff) return false;
  const auto bits = field<std::uint16_t>(tiff.get(), TIFFTAG_BITSPERSAMPLE);
  const bool side_by_side = field<std::uint16_t>(tiff.get(), TIFFTAG_PLANARCONFIG) == PLANARCONFIG_CONTIG;
  const auto rows = field<std::uint32_t>(tiff.get(), TIFFTAG_IMAGELENGTH);
  const auto columns = field<std::uint32_t>(tiff.get(), TIFFTAG_IMAGEWIDTH);
  const auto samples = field<std::uint16_t>(tiff.get(), TIFFTAG_SAMPLESPERPIXEL);
  constexpr std::uint32_t kMostSide = 1U << 24;
  if ((bits != 8 && bits != 16) || !side_by_side || rows > kMostSide || columns > kMostSide || samples > 4)
    return false;
  out = Pixels(static_cast<int>(rows), static_cast<int>(columns), samples);
  return TIFFIsTiled(tiff.get()) != 0 ? read_tiles(tiff.get(), bits / 8, out) : read_strips(tiff.get(), bits / 8, out);
}

}  // namespace
}  // namespace tessera::media

extern "C" __attribute__((visibility("default"))) bool tessera_tiff_decode(const std::uint8_t* bytes, std::size_t size,
                                                                           tessera::media::Pixels& out) {
  return tessera::media::decode_samples(bytes, size, out);
}
