// Files of many formats against what Pillow makes of them (tests/golden/generate_images.py), and broken ones.

#include <algorithm>

#include "media/image.h"
#include "tests/media/files.h"
#include "tests/media/image_goldens.h"

namespace tessera::media::test {
namespace {

std::string file_path(const std::string& name) { return golden_path("files/" + name); }

TEST(ReadImage, EqualsPillow) {
  const std::string blob = golden_blob("decoded");
  for (std::istringstream& line : golden_lines("decoded")) {
    std::string name;
    int rows = 0;
    int columns = 0;
    std::size_t offset = 0;
    line >> name >> rows >> columns >> offset;
    EXPECT_TRUE(is_image_file(file_path(name))) << name;
    try {
      const ImageFile file = read_image(file_path(name));
      ASSERT_EQ(file.image.rows, rows) << name;
      ASSERT_EQ(file.image.columns, columns) << name;
      EXPECT_TRUE(file.image.pixels == golden_pixels(blob, offset, rows, columns)) << name;
      EXPECT_EQ(file.warning, "") << name;
    } catch (const Error& error) {
      ADD_FAILURE() << error.what();
    }
  }
}

TEST(ReadImage, TellsTheHeader) {
  const ImageInfo info = probe_image(file_path("oriented_6.jpg"));
  EXPECT_EQ(info.format, "jpeg");
  EXPECT_EQ(info.rows, 23);
  EXPECT_EQ(info.columns, 37);
  EXPECT_EQ(info.orientation, 6);
  EXPECT_EQ(probe_image(file_path("oriented_3.webp")).orientation, 3);
  EXPECT_EQ(probe_image(file_path("palette.gif")).format, "gif");
  EXPECT_EQ(probe_image(file_path("rgb.bmp")).columns, 37);
  EXPECT_EQ(probe_image(file_path("rgb_lossless.webp")).rows, 23);
  EXPECT_EQ(probe_image(file_path("rgb_lossy.webp")).rows, 23);
}

TEST(ReadImage, FromAPipe) {
  const Image whole = read_image(file_path("rgba.png")).image;
  const PipedInput input(bytes_of(file_path("rgba.png")));
  EXPECT_EQ(read_image("-").image.pixels, whole.pixels);
}

Fault image_fault(const std::string& path, const ImageReadOptions& options = {}) {
  try {
    (void)read_image(path, options);
  } catch (const InputError& error) {
    return {error.reason(), error.what()};
  }
  return {};
}

/// One file of each format, and one of each way through the decoders.
const std::vector<std::string>& samples() {
  static const std::vector<std::string> kNames = {
      "rgb_2.jpg",       "progressive.jpg",    "cmyk.jpg",          "rgb.png",
      "interlaced.png",  "palette_alpha.png",  "rgb.bmp",           "palette.bmp",
      "rgb.tif",         "rgb_tiff_lzw.tif",   "palette.gif",       "rgb_lossless.webp",
      "rgba_lossy.webp", "animated_rgba.webp", "rgba_tiff_lzw.tif", "rgba_tiles.tif"};
  return kNames;
}

TEST(BrokenImage, CutAnywhereIsNamed) {
  const Folder folder;
  for (const std::string& name : samples()) {
    const std::string whole = bytes_of(file_path(name));
    for (const std::size_t kept :
         {std::size_t{1}, std::size_t{13}, std::size_t{40}, whole.size() / 3, whole.size() / 2, whole.size() * 4 / 5}) {
      put_bytes(folder / "cut", whole.substr(0, kept));
      const std::string reason = image_fault(folder / "cut").reason;
      const bool named = reason == "truncated_media" || reason == "corrupt_media" || reason == "unknown_format";
      EXPECT_TRUE(named) << name << " cut to " << kept << ": \"" << reason << "\"";
    }
    put_bytes(folder / "cut", whole.substr(0, whole.size() * 4 / 5));
    EXPECT_EQ(image_fault(folder / "cut").reason, "truncated_media") << name;
  }
}

TEST(BrokenImage, TruncatedPasses) {
  const Folder folder;
  ImageReadOptions options;
  options.allow_truncated = true;
  for (const std::string name : {"rgb_2.jpg", "rgb.png"}) {
    const std::string whole = bytes_of(file_path(name));
    put_bytes(folder / "cut", whole.substr(0, whole.size() * 4 / 5));
    const ImageFile file = read_image(folder / "cut", options);
    EXPECT_NE(file.warning.find("truncated"), std::string::npos) << name;
    const Image complete = read_image(file_path(name)).image;
    EXPECT_TRUE(std::equal(complete.row(0), complete.row(6), file.image.row(0))) << name;
  }
}

TEST(BrokenImage, DamagedBytesNeverCrash) {
  const Folder folder;
  std::uint32_t random = 1;
  for (const std::string& name : samples()) {
    const std::string whole = bytes_of(file_path(name));
    for (int round = 0; round < 16; ++round) {
      std::string bytes = whole;
      for (int change = 0; change < 3; ++change) {
        random = random * 1664525 + 1013904223;
        bytes[(random >> 8) % bytes.size()] ^= static_cast<char>(1U << (random >> 5 & 7));
      }
      put_bytes(folder / "bad", bytes);
      const Fault fault = image_fault(folder / "bad");  // or a picture: not all damage shows
      EXPECT_TRUE(fault.reason.empty() || fault.message.find(folder / "bad") != std::string::npos) << fault.message;
    }
  }
}

TEST(BrokenImage, GarbageIsNamed) {
  const Folder folder;
  put_bytes(folder / "empty", "");
  EXPECT_EQ(image_fault(folder / "empty").reason, "empty_media");
  EXPECT_EQ(image_fault(folder / "absent").reason, "unreadable");
  put_bytes(folder / "text", "it is no picture at all");
  EXPECT_EQ(image_fault(folder / "text").reason, "unknown_format");
  EXPECT_FALSE(is_image_file(folder / "text"));
  EXPECT_FALSE(is_image_file(folder / "absent"));
  EXPECT_FALSE(is_image_file("-"));
  for (const std::string& magic :
       {std::string("\xFF\xD8\xFF"), std::string("\x89PNG\r\n\x1A\n"), std::string("GIF89a"), std::string("II*\0", 4),
        std::string("BM\0\0\0\0\0\0\0\0", 10), std::string("RIFF\0\0\0\0WEBP", 12)}) {
    put_bytes(folder / "magic", magic + std::string(200, '\x5A'));
    EXPECT_NE(image_fault(folder / "magic").reason, "") << magic;
  }
}

/// A PNG's side is patched together with the checksum of its header.
TEST(BrokenImage, BombsAreRefusedByTheHeader) {
  const Folder folder;
  ImageReadOptions options;
  options.max_pixels = 23 * 37 - 1;
  for (const std::string& name : samples())
    EXPECT_EQ(image_fault(file_path(name), options).reason, "too_large") << name;
  options.max_pixels = 23 * 37;
  for (const std::string& name : samples()) EXPECT_EQ(image_fault(file_path(name), options).reason, "") << name;
  std::string jpeg = bytes_of(file_path("progressive.jpg"));
  const std::size_t frame = jpeg.find("\xFF\xC2");
  jpeg.replace(frame + 5, 4, "\xFF\xDC\xFF\xDC");
  put_bytes(folder / "bomb.jpg", jpeg);
  EXPECT_EQ(image_fault(folder / "bomb.jpg").reason, "too_large");
  std::string gif = bytes_of(file_path("palette.gif"));
  gif.replace(6, 4, "\xFF\xFF\xFF\xFF");
  put_bytes(folder / "bomb.gif", gif);
  EXPECT_EQ(image_fault(folder / "bomb.gif").reason, "too_large");
}

TEST(BrokenImage, UnknownVariantsAreNamed) {
  const Folder folder;
  std::string bmp = bytes_of(file_path("rgb.bmp"));
  bmp[28] = 16;
  put_bytes(folder / "x", bmp);
  EXPECT_EQ(image_fault(folder / "x").reason, "unsupported_media");
}

TEST(BrokenImage, AnimationsWithoutAFirstFrameAreNamed) {
  const Folder folder;
  const std::string head = "WEBPVP8X" + little(10, 4) + little(2, 4) + little(36, 3) + little(22, 3);
  put_bytes(folder / "x", "RIFF" + little(head.size(), 4) + head);
  EXPECT_EQ(image_fault(folder / "x").reason, "corrupt_media");
  const std::string whole = bytes_of(file_path("placed_rgb_lossy.webp"));
  const std::size_t frame = whole.find("ANMF") + 8;
  for (const std::size_t at : {frame, frame + 3, frame + 6, frame + 9}) {  // column, row, width, height
    std::string moved = whole;
    moved[at] = static_cast<char>(moved[at] + 30);
    put_bytes(folder / "x", moved);
    EXPECT_EQ(image_fault(folder / "x").reason, "corrupt_media") << at - frame;
  }
  std::string bomb = bytes_of(file_path("placed_rgb_lossless.webp"));
  bomb.replace(bomb.find("VP8L") + 9, 3, "\xFF\xFF\xFF");
  put_bytes(folder / "x", bomb);
  EXPECT_NE(image_fault(folder / "x").message.find("has another size"), std::string::npos);
}

TEST(WriteImage, ComesBack) {
  const Folder folder;
  const Image image = pattern(19, 27);
  for (const std::string name : {"a.png", "a.webp", "a.PNG"}) {
    write_image(folder / name, image);
    EXPECT_EQ(read_image(folder / name).image.pixels, image.pixels) << name;
    const std::string once = bytes_of(folder / name);
    write_image(folder / name, image);
    EXPECT_EQ(bytes_of(folder / name), once) << name;
  }
}

TEST(WriteImage, QualityCounts) {
  const Folder folder;
  const Image image = read_image(file_path("rgb.png")).image;
  for (const std::string extension : {".jpg", ".jpeg", ".webp"}) {
    write_image(folder / ("low" + extension), image, {30, true});
    write_image(folder / ("high" + extension), image, {95, true});
    EXPECT_LT(bytes_of(folder / ("low" + extension)).size(), bytes_of(folder / ("high" + extension)).size());
    EXPECT_EQ(read_image(folder / ("low" + extension)).image.rows, image.rows);
  }
  write_image(folder / "default.jpg", image);
  EXPECT_EQ(bytes_of(folder / "default.jpg"), bytes_of(folder / "high.jpg"));
}

TEST(WriteImage, RefusesAndLeavesNothingBehind) {
  const Folder folder;
  const Image image = pattern(4, 4);
  EXPECT_THROW(write_image(folder / "a.gif", image), ArgumentError);
  EXPECT_THROW(write_image(folder / "a.png", image, {101, true}), ArgumentError);
  EXPECT_THROW(write_image(folder / "a.png", Image()), ArgumentError);
  EXPECT_THROW(write_image(folder / "a.jpg", Image(1, 70000)), ArgumentError);
  EXPECT_TRUE(folder.names().empty());
  write_image(folder / "a.png", image);
  EXPECT_THROW(write_image(folder / "a.png", image, {0, false}), ResourceError);
  EXPECT_THROW(write_image(folder / "no/a.png", image), ResourceError);
  EXPECT_EQ(folder.names().size(), 1U);
}

}  // namespace
}  // namespace tessera::media::test
