#include <algorithm>
#include <bit>
#include <cmath>

#include "tests/checkpoint/files.h"

namespace tessera::test {
namespace {

std::string refusal(const std::filesystem::path& path) {
  return message_of([&] { Checkpoint checkpoint(path); });
}

constexpr const char* kIndex = "model.safetensors.index.json";

/// A folder with the shards one.safetensors (tensor "a") and two.safetensors (tensor "b").
class Shards : public ::testing::Test {
 protected:
  Shards() {
    folder_.write("one.safetensors", counting_file("a", 2));
    folder_.write("two.safetensors", counting_file("b", 3));
  }

  [[nodiscard]] std::string refusal_of_index(const std::string& index) const {
    folder_.write(kIndex, index);
    return refusal(folder_.path());
  }

  /// `what`, as the index is blamed for it.
  [[nodiscard]] std::string blamed(const std::string& what) const {
    return (folder_.path() / kIndex).string() + ": " + what;
  }

  TemporaryFolder folder_;
};

TEST(Checkpoint, ReadsAFolderAndAFile) {
  const TemporaryFolder folder;
  const auto file = folder.write("model.safetensors", counting_file("a", 3));
  for (const auto& path : {folder.path(), file}) {
    Checkpoint checkpoint(path);
    EXPECT_EQ(checkpoint.name(), path.string());
    EXPECT_EQ(checkpoint.floats("a", {3}), (std::vector<float>{0, 1, 2}));
    checkpoint.finish();
  }
}

TEST(Checkpoint, ReadsTheOnlyFileWhateverItsName) {
  const TemporaryFolder folder;
  folder.write("tokenizer-e351c8d8.safetensors", counting_file("a", 1));
  folder.write("optimizer.bin", "pickle");
  EXPECT_TRUE(Checkpoint(folder.path()).has("a"));
}

TEST(Checkpoint, PrefersTheWholeFile) {
  const TemporaryFolder folder;
  folder.write("model.safetensors", counting_file("a", 1));
  folder.write(kIndex, "malformed");
  EXPECT_TRUE(Checkpoint(folder.path()).has("a"));
}

TEST(Checkpoint, RefusesAFolderWithoutWeights) {
  const TemporaryFolder folder;
  const std::string name = folder.path().string();
  EXPECT_EQ(refusal(folder.path()), name + ": no model.safetensors and no model.safetensors.index.json in this folder");
  EXPECT_EQ(refusal(folder.path() / "missing"), name + "/missing: no such file or folder");
  folder.write("one.safetensors", counting_file("a", 1));
  folder.write("two.safetensors", counting_file("b", 1));
  EXPECT_EQ(refusal(folder.path()),
            name + ": several .safetensors files and no model.safetensors.index.json; name one of them");
}

TEST(Checkpoint, RefusesWhatCannotBeRead) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "model.safetensors";
  std::filesystem::create_directory(file);
  EXPECT_EQ(refusal(folder.path()), file.string() + ": not a regular file");
  std::filesystem::remove(file);
  std::filesystem::create_symlink(file, file);
  EXPECT_EQ(refusal(folder.path()), file.string() + ": cannot read: Too many levels of symbolic links");
  std::filesystem::remove(file);
  folder.write("model.safetensors", "");
  EXPECT_EQ(refusal(folder.path()), file.string() + ": the file is empty");
}

TEST(Checkpoint, RefusesPickledWeightsWithACommand) {
  const std::pair<const char*, const char*> cases[] = {{"pytorch_model.bin", "transformers"},
                                                       {"a.pth", "dac"},
                                                       {"a.pt", "dac"},
                                                       {"a.th", "encodec"},
                                                       {"a.ckpt", "wavtokenizer --yaml CONFIG.yaml"}};
  for (const auto& [name, family] : cases) {
    const TemporaryFolder folder;
    const std::string file = folder.write(name, "pickle").string();
    const bool whole_folder = std::string(name) == "pytorch_model.bin";
    const std::string message = file +
                                ": pickled weights are not read; make a folder of safetensors of them: python3 "
                                "training/convert/convert_codec.py " +
                                family + " '" + (whole_folder ? folder.path().string() : file) + "' --out '" +
                                folder.path().string() + "-safetensors'";
    EXPECT_EQ(refusal(folder.path()), message);
    EXPECT_EQ(refusal(file), message);
  }
}

TEST(Checkpoint, TellsSnacByItsConfiguration) {
  const TemporaryFolder folder;
  folder.write("pytorch_model.bin", "pickle");
  folder.write("config.json", "{\"vq_strides\": [4, 2, 1]}");
  EXPECT_NE(refusal(folder.path()).find("convert_codec.py snac '"), std::string::npos);
}

TEST(Checkpoint, QuotesNamesInTheCommand) {
  const TemporaryFolder folder;
  const std::string message = refusal(folder.write("it's $(x).th", "pickle"));
  EXPECT_NE(message.find("/it'\\''s $(x).th' --out '"), std::string::npos) << message;
}

TEST_F(Shards, AreRead) {
  folder_.write(kIndex, R"({"metadata":{"total_size":20},"weight_map":{"a":"one.safetensors","b":"two.safetensors"}})");
  Checkpoint checkpoint(folder_.path());
  EXPECT_EQ(checkpoint.floats("a", {2}), (std::vector<float>{0, 1}));
  EXPECT_EQ(checkpoint.floats("b", {3}), (std::vector<float>{0, 1, 2}));
  EXPECT_EQ(checkpoint.parameters(), 5);
  checkpoint.finish();
}

TEST_F(Shards, OutliveAMove) {
  folder_.write(kIndex, R"({"weight_map":{"a":"one.safetensors","b":"two.safetensors"}})");
  Checkpoint first(folder_.path());
  Checkpoint second = std::move(first);
  EXPECT_EQ(second.floats("b", {3}), (std::vector<float>{0, 1, 2}));
}

TEST_F(Shards, UnnamedFilesStayClosed) {
  folder_.write(kIndex, R"({"weight_map":{"a":"one.safetensors"}})");
  EXPECT_FALSE(Checkpoint(folder_.path()).has("b"));
}

TEST_F(Shards, MayBeSymbolicLinks) {
  std::filesystem::rename(folder_.path() / "one.safetensors", folder_.path() / "blob");
  std::filesystem::create_symlink("blob", folder_.path() / "one.safetensors");
  EXPECT_EQ(refusal_of_index(R"({"weight_map":{"a":"one.safetensors"}})"), "");
}

TEST_F(Shards, RefuseABadIndex) {
  EXPECT_EQ(refusal_of_index("{"), blamed("malformed JSON at line 1, column 2"));
  for (const char* index : {"[]", "3", "{}", R"({"weight_map":[]})", R"({"weight_map":null})"}) {
    EXPECT_EQ(refusal_of_index(index), blamed("has no \"weight_map\" object"));
  }
  EXPECT_EQ(refusal_of_index(R"({"weight_map":{"a":1}})"), blamed("the shard of \"a\" must be a string, is 1"));
  EXPECT_EQ(refusal_of_index(R"({"weight_map":{"a":"one.safetensors","a":"two.safetensors"}})"),
            blamed("key \"a\" appears twice in one object"));
  EXPECT_EQ(refusal_of_index("{\"x\":[[[[[[[[[]]]]]]]]]}"), blamed("JSON nested deeper than 8 levels"));
}

TEST_F(Shards, RefuseAPathOutOfTheFolder) {
  for (const char* shard : {"../one.safetensors", "/etc/one.safetensors", "sub/one.safetensors", "./one.safetensors",
                            R"(sub\\one.safetensors)", "one.safetensors/", "..", ".", "", ".safetensors", "one.bin",
                            R"(one.safetensors\u0000.safetensors)"}) {
    EXPECT_EQ(refusal_of_index("{\"weight_map\":{\"a\":\"" + std::string(shard) + "\"}}"),
              blamed("shard \"" + std::string(shard) +
                     "\" must be the plain name of a .safetensors file in the same folder"));
  }
}

TEST_F(Shards, NameTheMissingOne) {
  EXPECT_EQ(refusal_of_index(R"({"weight_map":{"a":"one.safetensors","b":"three.safetensors"}})"),
            blamed("shard \"three.safetensors\" is missing from the folder"));
}

TEST_F(Shards, MustHoldWhatTheIndexPromises) {
  EXPECT_EQ(refusal_of_index(R"({"weight_map":{"a":"two.safetensors"}})"),
            folder_.path().string() +
                ": tensor \"a\" is not in two.safetensors, where model.safetensors.index.json promises it");
}

TEST_F(Shards, MustNotShareATensor) {
  folder_.write("two.safetensors", counting_file("a", 2));
  EXPECT_EQ(refusal_of_index(R"({"weight_map":{"a":"one.safetensors","b":"two.safetensors"}})"),
            folder_.path().string() + ": tensor \"a\" is in two shards");
}

/// A checkpoint with "weight" F32 [2, 3], "half" F16 [2], "brain" BF16 [2], "wide" F64 [1], "steps" I64 [1].
class Stored : public ::testing::Test {
 protected:
  Stored() : checkpoint_(folder_.write("model.safetensors", file())) {}

  static std::string file() {
    const std::string header = "{" + entry("weight", "F32", "[2,3]", 0, 24) + "," +
                               entry("half", "F16", "[2]", 24, 28) + "," + entry("brain", "BF16", "[2]", 28, 32) + "," +
                               entry("wide", "F64", "[1]", 32, 40) + "," + entry("steps", "I64", "[1]", 40, 48) + "}";
    return safetensors(header, bytes_of<float>({1, 2, 3, 4, 5, 6}) + bytes_of<std::uint16_t>({0x3C00, 0xC000}) +
                                   bytes_of<std::uint16_t>({0x3F80, 0xC000}) + std::string(16, '\0'));
  }

  [[nodiscard]] std::string refused(const char* name, const Shape& shape) {
    const std::string message = message_of([&] { (void)checkpoint_.floats(name, shape); });
    EXPECT_TRUE(message.starts_with(checkpoint_.name() + ": ")) << message;
    return message.substr(std::min(message.size(), checkpoint_.name().size() + 2));
  }

  TemporaryFolder folder_;
  Checkpoint checkpoint_;
};

TEST_F(Stored, TensorsWiden) {
  EXPECT_EQ(checkpoint_.floats("weight", {2, 3}), (std::vector<float>{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(checkpoint_.floats("half", {2}), (std::vector<float>{1, -2}));
  EXPECT_EQ(checkpoint_.floats("brain", {2}), (std::vector<float>{1, -2}));
  EXPECT_EQ(checkpoint_.stored_type("weight"), DType::f32);
  EXPECT_EQ(checkpoint_.stored_type("half"), DType::f16);
  EXPECT_EQ(checkpoint_.stored_type("brain"), DType::bf16);
  EXPECT_EQ(checkpoint_.stored_type("steps"), DType::f32);
}

TEST_F(Stored, ShapesAreKnown) {
  EXPECT_TRUE(checkpoint_.has("half"));
  EXPECT_FALSE(checkpoint_.has("hal"));
  EXPECT_EQ(checkpoint_.shape_of("weight"), (Shape{2, 3}));
}

TEST_F(Stored, RefusesWhatIsMissing) {
  EXPECT_EQ(refused("w", {2}), "tensor \"w\" is missing");
  const std::string message = checkpoint_.name() + ": tensor \"w\" is missing";
  EXPECT_EQ(message_of([&] { (void)checkpoint_.shape_of("w"); }), message);
  EXPECT_EQ(message_of([&] { (void)checkpoint_.stored_type("w"); }), message);
}

TEST_F(Stored, RefusesAnotherShape) {
  EXPECT_EQ(refused("weight", {3, 2}), "tensor \"weight\" has shape [2, 3], must be [3, 2]");
  EXPECT_EQ(refused("weight", {6}), "tensor \"weight\" has shape [2, 3], must be [6]");
}

TEST_F(Stored, RefusesTypesThatDoNotWiden) {
  EXPECT_EQ(refused("wide", {1}), "tensor \"wide\" is stored as F64, must be F32, F16 or BF16");
  EXPECT_EQ(refused("steps", {1}), "tensor \"steps\" is stored as I64, must be F32, F16 or BF16");
}

TEST_F(Stored, CountsEveryTensorOnce) {
  EXPECT_EQ(checkpoint_.parameters(), 0);
  checkpoint_.ignore_suffix("half");
  for (const char* name : {"half", "brain", "half"}) (void)checkpoint_.floats(name, {2});
  EXPECT_EQ(checkpoint_.parameters(), 4);
}

TEST_F(Stored, NamesTheSurplus) {
  (void)checkpoint_.floats("half", {2});
  EXPECT_EQ(
      message_of([&] { checkpoint_.finish(); }),
      checkpoint_.name() + ": tensors that this loader does not know: \"brain\", \"steps\", \"weight\", \"wide\"");
  checkpoint_.ignore_suffix("ain");
  checkpoint_.ignore_suffix("steps");
  EXPECT_EQ(message_of([&] { checkpoint_.finish(); }),
            checkpoint_.name() + ": tensors that this loader does not know: \"weight\", \"wide\"");
  checkpoint_.ignore_suffix("w");
  checkpoint_.ignore_suffix("weight");
  checkpoint_.ignore_suffix("wide");
  EXPECT_EQ(message_of([&] { checkpoint_.finish(); }), "");
}

TEST_F(Stored, LooksForTheSurplusUnderItsPrefixOnly) {
  checkpoint_.ignore_outside("w");
  (void)checkpoint_.floats("half", {2});
  EXPECT_EQ(message_of([&] { checkpoint_.finish(); }),
            checkpoint_.name() + ": tensors that this loader does not know: \"weight\", \"wide\"");
}

TEST(Checkpoint, NamesAtMostTenOfTheSurplus) {
  std::string header = "{";
  for (int i = 10; i < 23; ++i) header += (i > 10 ? "," : "") + entry("t" + std::to_string(i), "F32", "[0]", 0, 0);
  const TemporaryFolder folder;
  const auto path = folder.write("model.safetensors", safetensors(header + "}"));
  const std::string message = message_of([&] { Checkpoint(path).finish(); });
  EXPECT_TRUE(message.ends_with("\"t18\", \"t19\" and 3 more")) << message;
}

/// All 65536 patterns of a 16-bit type, at an odd address.
std::vector<float> widened_patterns(const std::string& type) {
  std::vector<std::uint16_t> patterns(65536);
  for (std::size_t i = 0; i < patterns.size(); ++i) patterns[i] = static_cast<std::uint16_t>(i);
  std::string header = "{" + entry("a", type, "[65536]", 0, 131072) + "}";
  if (header.size() % 2 == 0) header += ' ';
  const TemporaryFolder folder;
  Checkpoint checkpoint(folder.write("model.safetensors", safetensors(header, bytes_of(patterns))));
  return checkpoint.floats("a", {65536});
}

/// The value of an IEEE-like pattern, by its definition.
double meaning(std::uint32_t bits, int exponent_bits, int mantissa_bits) {
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const int exponent = static_cast<int>(bits >> mantissa_bits) & ((1 << exponent_bits) - 1);
  const auto mantissa = static_cast<double>(bits & ((1U << mantissa_bits) - 1)) / (1 << mantissa_bits);
  const double magnitude = exponent == 0 ? std::ldexp(mantissa, 1 - bias) : std::ldexp(1 + mantissa, exponent - bias);
  return (bits >> (exponent_bits + mantissa_bits)) != 0 ? -magnitude : magnitude;
}

void expect_patterns(const std::string& type, int exponent_bits, int mantissa_bits) {
  const std::vector<float> values = widened_patterns(type);
  const std::uint32_t top = ((1U << exponent_bits) - 1) << mantissa_bits;
  for (std::uint32_t bits = 0; bits < 65536; ++bits) {
    const auto wide = std::bit_cast<std::uint32_t>(values[bits]);
    if ((bits & top) != top) {
      ASSERT_EQ(wide, std::bit_cast<std::uint32_t>(static_cast<float>(meaning(bits, exponent_bits, mantissa_bits))))
          << bits;
    } else {
      const std::uint32_t payload = (bits & ((1U << mantissa_bits) - 1)) << (23 - mantissa_bits);
      ASSERT_EQ(wide, (bits >> 15) << 31 | 0x7F800000U | payload) << bits;
    }
  }
}

TEST(Widening, IsExactForEveryHalf) { expect_patterns("F16", 5, 10); }
TEST(Widening, IsExactForEveryBfloat) { expect_patterns("BF16", 8, 7); }

}  // namespace
}  // namespace tessera::test
