// Weights in FP8 with a scale a block, and in MXFP4.

#include <cmath>

#include "tests/checkpoint/files.h"

namespace tessera::test {
namespace {

using Bytes = std::vector<std::uint8_t>;
using Floats = std::vector<float>;

struct Part {
  std::string name;
  std::string type;
  std::string shape;
  std::string bytes;
};

std::string file_of(const std::vector<Part>& parts) {
  std::string header;
  std::string data;
  for (const Part& part : parts) {
    header += (header.empty() ? "{" : ",") +
              entry(part.name, part.type, part.shape, data.size(), data.size() + part.bytes.size());
    data += part.bytes;
  }
  return safetensors(header + "}", data);
}

class Quantized : public ::testing::Test {
 protected:
  [[nodiscard]] Checkpoint with(const std::vector<Part>& parts) const {
    return Checkpoint(folder_.write("model.safetensors", file_of(parts)));
  }
  // 1, 2, 3, … in E4M3 would need a table: 0x38 is 1, 0x40 is 2, 0x44 is 3.
  [[nodiscard]] static Part ones(const std::string& shape, std::size_t count) {
    return {"w", "F8_E4M3", shape, std::string(count, '\x38')};
  }
  [[nodiscard]] static Part scales(const std::string& shape, const Floats& values) {
    return {"w_scale_inv", "F32", shape, bytes_of(values)};
  }

  TemporaryFolder folder_;
};

// The definition: bias 7, three bits behind the point, no infinities.
double e4m3(int code) {
  const int exponent = code >> 3 & 15;
  const int fraction = code & 7;
  const double size = exponent == 0 ? std::ldexp(fraction, -9) : std::ldexp(8 + fraction, exponent - 10);
  return code < 128 ? size : -size;
}

TEST_F(Quantized, EveryE4M3Code) {
  Bytes codes(256);
  for (std::size_t i = 0; i < codes.size(); ++i) codes[i] = static_cast<std::uint8_t>(i);
  Checkpoint checkpoint = with({{"w", "F8_E4M3", "[16,16]", bytes_of(codes)}, scales("[1,1]", {1.0F})});
  checkpoint.set_scale_blocks(16, 16);
  const Floats values = checkpoint.floats("w", {16, 16});
  for (int i = 0; i < 256; ++i) {
    const float value = values[static_cast<std::size_t>(i)];
    if ((i & 127) == 127) {
      EXPECT_TRUE(std::isnan(value)) << i;
    } else {
      EXPECT_EQ(static_cast<double>(value), e4m3(i)) << i;
      EXPECT_EQ(std::signbit(value), i >= 128) << i;
    }
  }
  EXPECT_EQ(values[0x7E], 448.0F);
}

TEST_F(Quantized, LastBlocksArePartial) {
  Checkpoint checkpoint = with({ones("[3,5]", 15), scales("[2,3]", {1, 2, 3, 4, 5, 6})});
  checkpoint.set_scale_blocks(2, 2);
  EXPECT_EQ(checkpoint.floats("w", {3, 5}), (Floats{1, 1, 2, 2, 3, 1, 1, 2, 2, 3, 4, 4, 5, 5, 6}));
  EXPECT_EQ(checkpoint.stored_type("w"), DType::f32);
  EXPECT_EQ(checkpoint.parameters(), 15);
  EXPECT_NO_THROW(checkpoint.finish());
}

TEST_F(Quantized, PiecesHaveBlocksOfTheirOwn) {
  Checkpoint checkpoint = with({ones("[6,1]", 6), scales("[4,1]", {1, 2, 3, 4})});
  checkpoint.set_scale_blocks(2, 8);
  EXPECT_TRUE(checkpoint.has_pieces("w", {6, 1}, 2));
  EXPECT_FALSE(checkpoint.has_pieces("w", {6, 1}, 1));
  EXPECT_FALSE(checkpoint.has_pieces("w", {6, 1}, 3));
  EXPECT_EQ(checkpoint.floats("w", {6, 1}, 2), (Floats{1, 1, 2, 3, 3, 4}));
  EXPECT_NE(message_of([&] { (void)checkpoint.floats("w", {6, 1}); }), "");
  EXPECT_NE(message_of([&] { (void)checkpoint.floats("w", {6, 1}, 4); }), "");
}

TEST_F(Quantized, ProductsAreRoundedOnce) {
  const float third = 1.0F / 3.0F;
  Checkpoint checkpoint = with({{"w", "F8_E4M3", "[1,1]", "\x3F"}, scales("[1,1]", {third})});
  checkpoint.set_scale_blocks(128, 128);
  EXPECT_EQ(checkpoint.floats("w", {1, 1})[0], static_cast<float>(1.875 * static_cast<double>(third)));
}

TEST_F(Quantized, FP8NeedsBlocksAndScales) {
  Checkpoint bare = with({ones("[2,2]", 4)});
  EXPECT_NE(message_of([&] { (void)bare.floats("w", {2, 2}); }).find("quantization_config"), std::string::npos);
  bare.set_scale_blocks(2, 2);
  EXPECT_NE(message_of([&] { (void)bare.floats("w", {2, 2}); }).find("\"w_scale_inv\" is missing"), std::string::npos);
  EXPECT_THROW(bare.set_scale_blocks(0, 2), ArgumentError);
  Checkpoint vector = with({ones("[4]", 4), scales("[1,1]", {1})});
  vector.set_scale_blocks(2, 2);
  EXPECT_NE(message_of([&] { (void)vector.floats("w", {4}); }).find("no matrix"), std::string::npos);
}

TEST_F(Quantized, MicroscaledFours) {
  // Columns 0 and 1 in the first byte, the even one low: the codes 0 … 15, twice.
  Bytes codes;
  for (int i = 0; i < 32; i += 2) codes.push_back(static_cast<std::uint8_t>((i % 16) | (i + 1) % 16 << 4));
  codes.insert(codes.end(), 48, 0x22);
  const Bytes exponents{128, 0, 127, 255};
  Checkpoint checkpoint =
      with({{"w", "U8", "[2,32]", bytes_of(codes)}, {"w_scale", "U8", "[2,2]", bytes_of(exponents)}});
  const Floats values = checkpoint.floats("w", {2, 64});
  const Floats doubled{0, 1, 2, 3, 4, 6, 8, 12};
  for (std::size_t i = 0; i < 32; ++i) {
    const float size = doubled[i % 8];
    EXPECT_EQ(values[i], i % 16 < 8 ? size : -size) << i;
  }
  EXPECT_EQ(values[32], 0x1p-127F);
  EXPECT_EQ(values[64], 1.0F);
  EXPECT_TRUE(std::isnan(values[96]));
  EXPECT_EQ(checkpoint.stored_type("w"), DType::bf16);
  EXPECT_EQ(checkpoint.parameters(), 128);
  EXPECT_NO_THROW(checkpoint.finish());
}

TEST_F(Quantized, MicroscaledFoursAreMatricesOfWholeBlocks) {
  const Part codes{"w", "U8", "[1,24]", std::string(24, '\0')};
  Checkpoint checkpoint = with({codes, {"w_scale", "U8", "[1,1]", std::string(1, '\x7F')}});
  EXPECT_NE(message_of([&] { (void)checkpoint.floats("w", {1, 48}); }).find("whole blocks"), std::string::npos);
  EXPECT_NE(message_of([&] { (void)checkpoint.floats("w", {1, 32}); }).find("shape"), std::string::npos);
  Checkpoint bytes = with({codes});
  EXPECT_NE(message_of([&] { (void)bytes.floats("w", {1, 24}); }).find("stored as U8"), std::string::npos);
}

}  // namespace
}  // namespace tessera::test
