// Against the image processors of transformers, bit for bit: tests/golden/generate_images.py.

#include "media/image_processor.h"

#include <cstring>

#include "tests/media/files.h"
#include "tests/media/image_goldens.h"

namespace tessera::media::test {
namespace {

ImageProcessor golden_processor(const std::string& config) {
  return read_image_processor(golden_path("processors/" + config + ".json"));
}

std::vector<float> golden_floats(const std::string& blob, std::size_t offset, std::size_t count) {
  std::vector<float> values(count);
  if (offset + count * 4 > blob.size()) ADD_FAILURE() << "the blob is too short";
  std::memcpy(values.data(), blob.data() + offset, count * 4);
  return values;
}

TEST(ImageProcessor, EqualsTransformers) {
  const std::string blob = golden_blob("processed");
  for (std::istringstream& line : golden_lines("processed")) {
    std::string config;
    int rows = 0;
    int columns = 0;
    int to_rows = 0;
    int to_columns = 0;
    std::size_t offset = 0;
    line >> config >> rows >> columns >> to_rows >> to_columns >> offset;
    const FloatImage result = preprocess(golden_processor(config), pattern(rows, columns));
    ASSERT_EQ(result.rows, to_rows) << line.str();
    ASSERT_EQ(result.columns, to_columns) << line.str();
    EXPECT_EQ(result.values, golden_floats(blob, offset, result.values.size())) << line.str();
  }
}

TEST(ImageProcessor, RestoresAsJanusDoes) {
  FloatImage ramp{16, 16, std::vector<float>(768)};
  for (int i = 0; i < 768; ++i) ramp.values[static_cast<std::size_t>(i)] = static_cast<float>(i - 384) / 320.0F;
  for (std::istringstream& line : golden_lines("restored")) {
    std::string config;
    line >> config;
    const Image result = postprocess(golden_processor(config), ramp);
    for (const std::uint8_t sample : result.pixels) {
      int expected = -1;
      line >> expected;
      ASSERT_EQ(sample, expected) << config;
    }
  }
}

ImageProcessor sized(const std::string& fit) {
  ImageProcessor processor;
  if (fit == "shortest_edge") processor.fit = Fit::shortest_edge, processor.edge = 512;
  if (fit == "longest_edge") processor.fit = Fit::longest_edge, processor.edge = 384, processor.min_side = 14;
  if (fit == "target_area") processor.fit = Fit::target_area, processor.factor = 16, processor.max_pixels = 1024 * 1024;
  if (fit == "halving") processor.fit = Fit::halving, processor.edge = 256;
  if (fit == "pixel_range" || fit == "qwen") {
    const bool qwen = fit == "qwen";
    processor.fit = Fit::pixel_range;
    processor.factor = qwen ? 28 : 8;
    processor.min_pixels = qwen ? 56 * 56 : 512 * 512;
    processor.max_pixels = qwen ? 28 * 28 * 1280 : 1024 * 1024;
  }
  return processor;
}

TEST(ImageProcessor, SizesEqualTheReferences) {
  for (std::istringstream& line : golden_lines("sizes")) {
    std::string fit;
    int rows = 0;
    int columns = 0;
    int to_rows = 0;
    int to_columns = 0;
    line >> fit >> rows >> columns >> to_rows >> to_columns;
    const ImageSize size = fitted_size(sized(fit), rows, columns);
    EXPECT_TRUE(size.rows == to_rows && size.columns == to_columns)
        << line.str() << ", not " << size.rows << " " << size.columns;
  }
}

TEST(ImageProcessor, HalvesWithABoxFirst) {
  ImageProcessor processor = sized("halving");
  processor.edge = 8;
  processor.crop_rows = processor.crop_columns = 8;
  const Image image = pattern(37, 70);
  const Image by_hand = resize(resize(resize(image, 18, 35, Filter::box), 9, 17, Filter::box), 8, 15, Filter::bicubic);
  EXPECT_EQ(apply_geometry(processor, image).pixels, center_crop(by_hand, 8, 8).pixels);
}

TEST(ImageProcessor, RefusesWhatItsReferenceRefuses) {
  EXPECT_THROW((void)fitted_size(sized("pixel_range"), 3, 700), InputError);
  EXPECT_THROW((void)fitted_size(sized("target_area"), 1, 40000000), InputError);
  EXPECT_NO_THROW((void)fitted_size(sized("pixel_range"), 3, 600));
}

void expect_refused(const std::string& json, const std::string& words) {
  try {
    (void)parse_image_processor(json, "x.json");
    ADD_FAILURE() << "taken: " << json;
  } catch (const CheckpointError& error) {
    EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << error.what();
  }
}

TEST(ImageProcessor, NamesWhatIsWrongInAConfiguration) {
  expect_refused("{", "no JSON");
  expect_refused("[]", "no object");
  expect_refused("{}", "\"size\" is missing");
  expect_refused(R"({"size":{"height":8}})", "\"width\" is missing");
  expect_refused(R"({"size":{"height":0,"width":8}})", "integer from 1");
  expect_refused(R"({"size":{"shortest_edge":1e9}})", "shortest_edge");
  expect_refused(R"({"size":8,"do_normalize":true})", "image_mean");
  expect_refused(R"({"size":8,"image_mean":[1,2],"image_std":1})", "three numbers");
  expect_refused(R"({"size":8,"image_mean":0.5,"image_std":0})", "not positive");
  expect_refused(R"({"size":8,"do_normalize":false,"do_center_crop":true})", "crop_size");
  expect_refused(R"({"size":8,"do_normalize":1})", "true or false");
  expect_refused(R"({"size":8,"resample":6})", "resample");
  expect_refused(R"({"image_processor_type":"Emu3ImageProcessor"})", "spatial_factor");
  expect_refused(R"({"image_processor_type":"Emu3ImageProcessor","spatial_factor":8})", "min_pixels");
}

TEST(ImageProcessor, KnowsTheSpellings) {
  const ImageProcessor qwen = parse_image_processor(
      R"({"image_processor_type":"Qwen2VLImageProcessor","patch_size":14,"merge_size":2,"image_mean":0.5,"image_std":0.5,
          "size":{"shortest_edge":3136,"longest_edge":1003520}})",
      "x");
  EXPECT_EQ(qwen.fit, Fit::pixel_range);
  EXPECT_EQ(qwen.factor, 28);
  EXPECT_EQ(qwen.max_pixels, 1003520);
  const ImageProcessor emu = parse_image_processor(
      R"({"image_processor_type":"Emu3VisionVQImageProcessor","spatial_factor":8,"min_pixels":100,"max_pixels":200,
          "do_normalize":false})",
      "x");
  EXPECT_EQ(emu.max_aspect, 5);
  EXPECT_TRUE(emu.do_rescale);
  const ImageProcessor plain = parse_image_processor(R"({"do_resize":false,"do_normalize":false})", "x");
  EXPECT_EQ(plain.fit, Fit::none);
}

}  // namespace
}  // namespace tessera::media::test
