// Image codecs: codes and pictures against the independent references of tests/golden, and the same bits whatever the
// threads, the instruction set and the device.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>

#include "codec/image_codec.h"
#include "kernels/error.h"
#include "tests/codec/fixtures.h"
#include "tests/sanitized.h"

namespace tessera::fixtures {
namespace {

constexpr double kLeastPictureDecibels = 100;

struct PictureExpected {
  FloatPicture picture;
  Expected codes;        // codes and margins
  FloatPicture decoded;  // empty when the checkpoint has no decoder
};

FloatPicture picture_of(const SafetensorsFile& file, const std::string& name) {
  const Shape& shape = file.tensors().find(name)->second.shape;
  return {shape.at(0), shape.at(1), shape.at(2), floats(file, name)};
}

PictureExpected expectation(const SafetensorsFile& file, const std::string& n) {
  PictureExpected e;
  e.picture = picture_of(file, "picture" + n);
  const StoredTensor& codes = file.tensors().find("codes" + n)->second;
  e.codes.codes.grid = {codes.shape.at(0), codes.shape.at(1), codes.shape.at(2)};
  std::vector<std::int32_t>& row = e.codes.codes.rows.emplace_back(codes.bytes / sizeof(std::int32_t));
  std::memcpy(row.data(), codes.data, codes.bytes);
  e.codes.margins = {floats(file, "margin" + n)};
  if (has(file, "decoded" + n)) e.decoded = picture_of(file, "decoded" + n);
  return e;
}

// The sanitizers see one input of every other checkpoint on every setting, and all of them on one.
constexpr int kInvarianceInputs = kSanitized ? 1 : 1000;

std::vector<PictureExpected> picture_expectations(const Case& c, int most = 1000) {
  const SafetensorsFile file(std::filesystem::path(c.folder) / "expected.safetensors");
  std::vector<PictureExpected> all;
  for (int i = 0; i < most && has(file, "picture." + std::to_string(i)); ++i) {
    all.push_back(expectation(file, "." + std::to_string(i)));
  }
  return all;
}

// 255 levels from -1 to 1, truncated as the references' postprocessing does.
int level(float value) { return static_cast<int>(std::clamp((value + 1) * 127.5F, 0.0F, 255.0F)); }

double share_within_one_level(const std::vector<float>& a, const std::vector<float>& b) {
  std::size_t near = 0;
  for (std::size_t i = 0; i < a.size(); ++i) near += std::abs(level(a[i]) - level(b[i])) <= 1 ? 1 : 0;
  return static_cast<double>(near) / static_cast<double>(a.size());
}

class Image : public testing::TestWithParam<Case> {};

TEST_P(Image, CodesAndPictures) {
  Context context;
  const auto codec = load_image_codec(context, GetParam().folder);
  const std::vector<PictureExpected> all = picture_expectations(GetParam());
  ASSERT_FALSE(all.empty());
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::string where = GetParam().name + " input " + std::to_string(i);
    const Codes codes = codec->encode(context, all[i].picture);
    ASSERT_EQ(codes.grid, all[i].codes.codes.grid) << where;
    count_mismatches(all[i].codes, codes, where);
    if (all[i].decoded.values.empty()) continue;
    const FloatPicture decoded = codec->decode(context, all[i].codes.codes);
    ASSERT_EQ(decoded.values.size(), all[i].decoded.values.size()) << where;
    EXPECT_EQ(decoded.rows, all[i].picture.rows);
    EXPECT_GE(signal_to_noise(all[i].decoded.values, decoded.values), kLeastPictureDecibels) << where;
    EXPECT_GE(share_within_one_level(all[i].decoded.values, decoded.values), 0.999) << where;
  }
}

TEST_P(Image, SettingsGiveTheSameBits) {
  std::vector<Codes> first_codes;
  std::vector<FloatPicture> first_pictures;
  for (const Setting& setting : settings()) {
    Context context(setting.options);
    const auto codec = load_image_codec(context, GetParam().folder);
    std::size_t i = 0;
    for (const PictureExpected& expected : picture_expectations(GetParam(), kInvarianceInputs)) {
      const Codes codes = codec->encode(context, expected.picture);
      const FloatPicture decoded = codec->info().decodes ? codec->decode(context, codes) : FloatPicture{};
      if (first_codes.size() == i) first_codes.push_back(codes), first_pictures.push_back(decoded);
      EXPECT_EQ(codes, first_codes[i]) << setting.name;
      EXPECT_EQ(decoded.values, first_pictures[i].values) << setting.name;
      ++i;
    }
  }
}

// What was measured beforehand is what the work then takes, to the byte.
TEST_P(Image, MemoryIsKnownBeforehand) {
  for (const int threads : {1, 3}) {
    ContextOptions options;
    options.threads = threads;
    Context loader(options);
    const auto codec = load_image_codec(loader, GetParam().folder);
    const std::int64_t side = codec->info().factor;
    const std::int64_t rows = 5 * side;
    const std::int64_t columns = 7 * side;
    const PictureMemory memory = picture_memory(*codec, loader, rows, columns);
    Context context(options);
    const std::vector<float> values(static_cast<std::size_t>(rows * columns * 3));
    const Codes codes = codec->encode(context, {1, rows, columns, values});
    EXPECT_EQ(memory.encode, static_cast<std::int64_t>(context.peak_bytes()));
    if (!codec->info().decodes) {
      EXPECT_EQ(memory.decode, 0);
      continue;
    }
    (void)codec->decode(context, codes);
    EXPECT_EQ(memory.both, static_cast<std::int64_t>(context.peak_bytes()));
    Context other(options);
    (void)codec->decode(other, codes);
    EXPECT_EQ(memory.decode, static_cast<std::int64_t>(other.peak_bytes()));
  }
}

TEST_P(Image, MemoryOfPicturesNoMachineHolds) {
  Context context;
  const auto codec = load_image_codec(context, GetParam().folder);
  const std::int64_t side = codec->info().factor;
  const PictureMemory one = picture_memory(*codec, context, 256 * side, 256 * side);
  const PictureMemory many = picture_memory(*codec, context, 4096 * side, 4096 * side);
  EXPECT_GT(many.encode, 200 * one.encode);  // 256 times the pixels, and nothing that grows with their square
  EXPECT_LT(many.encode, 300 * one.encode);
  EXPECT_THROW((void)picture_memory(*codec, context, std::int64_t{1} << 40, std::int64_t{1} << 40), InputError);
  EXPECT_THROW((void)picture_memory(*codec, context, 0, side), InputError);
}

TEST_P(Image, RefusesWhatDoesNotFit) {
  Context context;
  const auto codec = load_image_codec(context, GetParam().folder);
  const std::int64_t side = codec->info().factor;
  const auto blank = [](std::int64_t frames, std::int64_t rows, std::int64_t columns) {
    return FloatPicture{frames, rows, columns,
                        std::vector<float>(static_cast<std::size_t>(frames * rows * columns * 3))};
  };
  if (side > 1) {
    EXPECT_THROW((void)codec->encode(context, blank(1, side + 1, side)), InputError);
  }
  EXPECT_THROW((void)codec->encode(context, blank(1, 0, side)), InputError);
  EXPECT_THROW((void)codec->encode(context, blank(7, side, side)), InputError);
  EXPECT_THROW((void)codec->encode(context, {1, side, side, {}}), ArgumentError);
  Codes codes = codec->encode(context, blank(1, side, 2 * side));
  EXPECT_EQ(codes.grid, (Codes::Grid{1, 1, 2}));
  if (!codec->info().decodes) {
    EXPECT_THROW((void)codec->decode(context, codes), ResourceError);
    return;
  }
  EXPECT_EQ(codec->decode(context, codes).columns, 2 * side);
  codes.rows[0][1] = codec->info().codebook_sizes[0];
  EXPECT_THROW((void)codec->decode(context, codes), InputError);
  codes.rows[0][1] = -1;
  EXPECT_THROW((void)codec->decode(context, codes), InputError);
  codes.rows[0].pop_back();
  EXPECT_THROW((void)codec->decode(context, codes), InputError);
}

// The embedded model against the PyTorch model that its training recipe exports it from.
TEST(EmbeddedImage, AgreesWithItsTrainingCode) {
  if (kSanitized) GTEST_SKIP() << "the fixtures run the same code";
  const std::filesystem::path source(TESSERA_SOURCE_DIR);
  const SafetensorsFile file(source / "tests/golden/embedded_image/golden.safetensors");
  Context context;
  const auto codec = load_image_codec(context, (source / "samples/model/image_codec").string());
  EXPECT_EQ(codec->info().codebook_sizes, std::vector<int>{8192});
  EXPECT_EQ(codec->info().factor, 8);
  for (const char* n : {".0", ".1", ".2"}) {
    const PictureExpected expected = expectation(file, n);
    const Codes codes = codec->encode(context, expected.picture);
    EXPECT_EQ(count_mismatches(expected.codes, codes, std::string("embedded") + n), 0);
    const FloatPicture decoded = codec->decode(context, expected.codes.codes);
    EXPECT_GE(signal_to_noise(expected.decoded.values, decoded.values), kLeastPictureDecibels);
  }
}

INSTANTIATE_TEST_SUITE_P(Fixtures, Image, testing::ValuesIn(image_cases()), case_name);

}  // namespace
}  // namespace tessera::fixtures
