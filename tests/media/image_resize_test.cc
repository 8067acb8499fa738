// Against Pillow, byte for byte: tests/golden/generate_images.py.

#include "media/image_resize.h"

#include <algorithm>

#include "tests/media/files.h"
#include "tests/media/image_goldens.h"

namespace tessera::media::test {
namespace {

Filter filter_of(const std::string& name) {
  const std::vector<std::string> names = {"nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"};
  return static_cast<Filter>(std::find(names.begin(), names.end(), name) - names.begin());
}

TEST(Resize, EqualsPillow) {
  const std::string blob = golden_blob("resized");
  for (std::istringstream& line : golden_lines("resized")) {
    std::string filter;
    int rows = 0;
    int columns = 0;
    int to_rows = 0;
    int to_columns = 0;
    std::size_t offset = 0;
    line >> filter >> rows >> columns >> to_rows >> to_columns >> offset;
    const Image result = resize(pattern(rows, columns), to_rows, to_columns, filter_of(filter));
    ASSERT_EQ(result.rows, to_rows);
    ASSERT_EQ(result.columns, to_columns);
    EXPECT_EQ(result.pixels, golden_pixels(blob, offset, to_rows, to_columns)) << line.str();
  }
}

TEST(Resize, TheSameSizeIsACopy) {
  const Image image = pattern(9, 14);
  for (int filter = 0; filter < 6; ++filter) {
    EXPECT_EQ(resize(image, 9, 14, static_cast<Filter>(filter)).pixels, image.pixels);
  }
}

TEST(Resize, RefusesEmptySides) {
  EXPECT_THROW((void)resize(pattern(4, 4), 0, 3, Filter::box), ArgumentError);
  EXPECT_THROW((void)resize(pattern(4, 4), 3, -1, Filter::box), ArgumentError);
  EXPECT_THROW((void)resize(Image(), 3, 3, Filter::box), ArgumentError);
  EXPECT_THROW((void)resize(pattern(4, 4), 3, 3, static_cast<Filter>(9)), ArgumentError);
  EXPECT_THROW((void)Image(0, 3), ArgumentError);
}

TEST(Crop, TakesThePartAsked) {
  const Image image = pattern(9, 14);
  const Image part = crop(image, 2, 3, 4, 5);
  for (int row = 0; row < 4; ++row) {
    EXPECT_TRUE(std::equal(part.row(row), part.row(row) + 15, image.row(row + 2) + 9)) << row;
  }
  EXPECT_THROW((void)crop(image, 6, 0, 4, 4), ArgumentError);
  EXPECT_THROW((void)crop(image, 0, -1, 4, 4), ArgumentError);
}

TEST(CenterOn, FillsAround) {
  const Image image = pattern(3, 4);
  const Image result = center_on(image, 4, 7, {1, 2, 3});
  EXPECT_TRUE(std::equal(image.row(0), image.row(0) + 12, result.row(0) + 3));
  EXPECT_EQ(std::vector<std::uint8_t>(result.row(3), result.row(3) + 6), (std::vector<std::uint8_t>{1, 2, 3, 1, 2, 3}));
  EXPECT_EQ(result.row(0)[0], 1);
  EXPECT_THROW((void)center_on(image, 2, 7, {0, 0, 0}), ArgumentError);
}

}  // namespace
}  // namespace tessera::media::test
