#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <utility>

#include "tests/checkpoint/files.h"

namespace tessera::test {
namespace {

using Type = StoredTensor::Type;

SafetensorsFile parse(const std::string& bytes) {
  return {reinterpret_cast<const std::byte*>(bytes.data()), bytes.size(), "x"};
}

std::string refusal_of_bytes(const std::string& bytes) {
  return message_of([&] { parse(bytes); });
}

/// Of a file with the header `{"a":BODY}` and `size` bytes of data.
std::string refusal_of_entry(const std::string& body, std::size_t size = 8) {
  return refusal_of_bytes(safetensors("{\"a\":" + body + "}", std::string(size, '\0')));
}

std::string with_length(std::uint64_t length, const std::string& rest) {
  std::string out = safetensors("") + rest;
  std::memcpy(out.data(), &length, sizeof length);
  return out;
}

std::string nested_arrays(int depth) {
  return "{\"a\":" + std::string(static_cast<std::size_t>(depth), '[') +
         std::string(static_cast<std::size_t>(depth), ']') + "}";
}

TEST(Safetensors, ReadsTensorsAndMetadata) {
  const std::string header = "{\"__metadata__\":{\"format\":\"pt\"}," + entry("b", "I64", "[1]", 8, 16) + "," +
                             entry("a", "F32", "[2,1]", 0, 8) + "}   ";
  const std::string bytes = safetensors(header, bytes_of<float>({1, 2}) + bytes_of<std::int64_t>({-3}));
  const SafetensorsFile file = parse(bytes);
  ASSERT_EQ(file.tensors().size(), 2U);
  const StoredTensor& a = file.tensors().at("a");
  EXPECT_EQ(a.type, Type::f32);
  EXPECT_EQ(a.shape, (Shape{2, 1}));
  EXPECT_EQ(a.bytes, 8U);
  EXPECT_EQ(std::memcmp(a.data, bytes.data() + bytes.size() - 16, 8), 0);
  EXPECT_EQ(file.tensors().at("b").type, Type::i64);
  EXPECT_EQ(file.metadata(), (std::map<std::string, std::string>{{"format", "pt"}}));
}

TEST(Safetensors, ReadsEveryType) {
  const std::array<std::pair<const char*, std::uint64_t>, 17> types = {{{"F32", 4},
                                                                        {"F16", 2},
                                                                        {"BF16", 2},
                                                                        {"F64", 8},
                                                                        {"I64", 8},
                                                                        {"I32", 4},
                                                                        {"I16", 2},
                                                                        {"I8", 1},
                                                                        {"U64", 8},
                                                                        {"U32", 4},
                                                                        {"U16", 2},
                                                                        {"U8", 1},
                                                                        {"BOOL", 1},
                                                                        {"F8_E4M3", 1},
                                                                        {"F8_E5M2", 1},
                                                                        {"F8_E8M0", 1},
                                                                        {"C64", 8}}};
  for (const auto& [name, size] : types) {
    const std::string bytes =
        safetensors("{" + entry("a", name, "[3]", 0, 3 * size) + "}", std::string(3 * size, '\0'));
    EXPECT_STREQ(name_of(parse(bytes).tensors().at("a").type), name);
  }
}

TEST(Safetensors, ReadsScalarsAndEmptyTensors) {
  const std::string header = "{" + entry("none", "F32", "[0,7]", 4, 4) + "," + entry("one", "F32", "[]", 0, 4) + "," +
                             entry("first", "F32", "[0]", 0, 0) + "}";
  const std::string bytes = safetensors(header, std::string(4, '\0'));
  EXPECT_EQ(parse(bytes).tensors().at("none").bytes, 0U);
  EXPECT_EQ(parse(bytes).tensors().at("one").shape, Shape{});
  EXPECT_TRUE(parse(safetensors("{}")).tensors().empty());
}

TEST(Safetensors, IgnoresFurtherMembersOfAnEntry) {
  EXPECT_EQ(refusal_of_entry(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8],"note":{"by":[1]}})"), "");
}

TEST(Safetensors, RefusesABadLength) {
  EXPECT_EQ(refusal_of_bytes("1234567"), "x: not a safetensors file: shorter than 8 bytes");
  EXPECT_EQ(refusal_of_bytes(with_length(3, "{}")),
            "x: not a safetensors file: its header would take 3 bytes, more than the file has");
  EXPECT_EQ(
      refusal_of_bytes(with_length(UINT64_MAX, "{}")),
      "x: not a safetensors file: its header would take 18446744073709551615 bytes, more than the 100000000 allowed");
  EXPECT_EQ(refusal_of_bytes(with_length(100'000'001, "{}")),
            "x: not a safetensors file: its header would take 100000001 bytes, more than the 100000000 allowed");
  EXPECT_EQ(refusal_of_bytes(with_length(100'000'000, "{}")),
            "x: not a safetensors file: its header would take 100000000 bytes, more than the file has");
}

TEST(Safetensors, NamesALargeFilePointer) {
  EXPECT_EQ(refusal_of_bytes("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"),
            "x: a Git LFS pointer, not the weights: run git lfs pull");
}

TEST(Safetensors, RefusesAHeaderThatIsNoObject) {
  const std::string message = "x: not a safetensors file: the header does not begin with '{'";
  for (const char* header : {"", "[]", " {}", "3", "\"a\""}) EXPECT_EQ(refusal_of_bytes(safetensors(header)), message);
}

TEST(Safetensors, RefusesMalformedJson) {
  EXPECT_EQ(refusal_of_bytes(safetensors("{\"a\":")), "x: header: malformed JSON at line 1, column 6");
  EXPECT_EQ(refusal_of_bytes(safetensors("{} {}")), "x: header: malformed JSON at line 1, column 4");
  EXPECT_EQ(refusal_of_bytes(safetensors({"{}\0 more", 8})), "x: header: malformed JSON at line 1, column 3");
  EXPECT_EQ(refusal_of_bytes(safetensors("{\"\xFF\":1}")), "x: header: malformed JSON at line 1, column 3");
  EXPECT_EQ(refusal_of_bytes(safetensors("{\"a\":1e999}")), "x: header: a number in the JSON is out of range");
}

TEST(Safetensors, RefusesDeepJson) {
  EXPECT_EQ(refusal_of_bytes(safetensors(nested_arrays(7))), "x: tensor \"a\": must be an object, is an array of 1");
  EXPECT_EQ(refusal_of_bytes(safetensors(nested_arrays(8))), "x: header: JSON nested deeper than 8 levels");
  EXPECT_EQ(refusal_of_bytes(safetensors(nested_arrays(1'000'000))), "x: header: JSON nested deeper than 8 levels");
}

TEST(Safetensors, RefusesAKeyTwice) {
  const std::string a = entry("a", "F32", "[2]", 0, 8);
  EXPECT_EQ(refusal_of_bytes(safetensors("{" + a + "," + a + "}", std::string(8, '\0'))),
            "x: header: key \"a\" appears twice in one object");
  EXPECT_EQ(refusal_of_entry(R"({"dtype":"U8","shape":[2],"data_offsets":[0,8],"dtype":"F32"})"),
            "x: header: key \"dtype\" appears twice in one object");
  EXPECT_EQ(refusal_of_bytes(safetensors(R"({"__metadata__":{},"__metadata__":{}})")),
            "x: header: key \"__metadata__\" appears twice in one object");
}

TEST(Safetensors, RefusesBadMetadata) {
  EXPECT_EQ(refusal_of_bytes(safetensors(R"({"__metadata__":[]})")),
            "x: \"__metadata__\" must be an object, is an array of 0");
  EXPECT_EQ(refusal_of_bytes(safetensors(R"({"__metadata__":{"a":1}})")),
            "x: \"__metadata__\": \"a\" must be a string, is 1");
}

TEST(Safetensors, RefusesAnEntryThatIsIncomplete) {
  EXPECT_EQ(refusal_of_entry("3"), "x: tensor \"a\": must be an object, is 3");
  EXPECT_EQ(refusal_of_entry("{}"), "x: tensor \"a\": has no \"dtype\"");
  EXPECT_EQ(refusal_of_entry(R"({"dtype":"F32"})"), "x: tensor \"a\": has no \"shape\"");
  EXPECT_EQ(refusal_of_entry(R"({"dtype":"F32","shape":[2]})"), "x: tensor \"a\": has no \"data_offsets\"");
}

TEST(Safetensors, RefusesABadType) {
  EXPECT_EQ(refusal_of_entry(R"({"dtype":4})"), "x: tensor \"a\": \"dtype\" must be a string, is 4");
  EXPECT_EQ(refusal_of_entry(R"({"dtype":"F4"})"), "x: tensor \"a\": unknown dtype \"F4\"");
}

TEST(Safetensors, RefusesABadShape) {
  const auto refused = [](const std::string& shape) {
    return refusal_of_entry(R"({"dtype":"F32","data_offsets":[0,8],"shape":)" + shape + "}");
  };
  EXPECT_EQ(refused("2"), "x: tensor \"a\": \"shape\" must be an array of at most 16, is 2");
  EXPECT_EQ(refused("[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,2]"),
            "x: tensor \"a\": \"shape\" must be an array of at most 16, is an array of 17");
  const std::string holds = "x: tensor \"a\": \"shape\" must hold integers from 0 to 2^63 - 1, holds ";
  EXPECT_EQ(refused("[-2]"), holds + "-2");
  EXPECT_EQ(refused("[2.0]"), holds + "2.0");
  EXPECT_EQ(refused("[\"2\"]"), holds + "\"2\"");
  EXPECT_EQ(refused("[null]"), holds + "null");
  EXPECT_EQ(refused("[[2]]"), holds + "an array of 1");
  EXPECT_EQ(refused("[9223372036854775808]"), holds + "9223372036854775808");
}

TEST(Safetensors, RefusesAShapeThatOverflows) {
  const auto refused = [](const std::string& shape) {
    return refusal_of_entry(R"({"dtype":"F32","data_offsets":[0,8],"shape":)" + shape + "}");
  };
  EXPECT_EQ(refused("[4611686018427387904]"), "x: tensor \"a\": shape [4611686018427387904] overflows");
  EXPECT_EQ(refused("[2147483648, 2147483648, 4]"), "x: tensor \"a\": shape [2147483648, 2147483648, 4] overflows");
  EXPECT_EQ(refused("[9223372036854775807, 0]"), "x: tensor \"a\": shape [9223372036854775807, 0] overflows");
}

TEST(Safetensors, RefusesBadOffsets) {
  const auto refused = [](const std::string& offsets) {
    return refusal_of_entry(R"({"dtype":"F32","shape":[2],"data_offsets":)" + offsets + "}");
  };
  EXPECT_EQ(refused("8"), "x: tensor \"a\": \"data_offsets\" must be an array of at most 2, is 8");
  EXPECT_EQ(refused("[8]"), "x: tensor \"a\": \"data_offsets\" must be an array of 2, is an array of 1");
  EXPECT_EQ(refused("[0,4,8]"), "x: tensor \"a\": \"data_offsets\" must be an array of at most 2, is an array of 3");
  EXPECT_EQ(refused("[0,-8]"), "x: tensor \"a\": \"data_offsets\" must hold integers from 0 to 2^63 - 1, holds -8");
  EXPECT_EQ(refused("[8,0]"), "x: tensor \"a\": data_offsets [8, 0] run backwards");
  EXPECT_EQ(refused("[0,9]"),
            "x: tensor \"a\": data_offsets [0, 9] end beyond the 8 bytes of data: the file is cut short");
  EXPECT_EQ(refused("[0,4]"), "x: tensor \"a\": F32 [2] takes 8 bytes, data_offsets give 4");
}

TEST(Safetensors, RefusesOverlaps) {
  const std::string header = "{" + entry("a", "U8", "[5]", 0, 5) + "," + entry("b", "U8", "[4]", 4, 8) + "}";
  EXPECT_EQ(refusal_of_bytes(safetensors(header, "12345678")), "x: tensor \"b\" overlaps the one before it");
  const std::string same = "{" + entry("a", "U8", "[8]", 0, 8) + "," + entry("b", "I8", "[8]", 0, 8) + "}";
  EXPECT_EQ(refusal_of_bytes(safetensors(same, "12345678")), "x: tensor \"b\" overlaps the one before it");
  const std::string inside = "{" + entry("a", "U8", "[8]", 0, 8) + "," + entry("b", "U8", "[0]", 3, 3) + "}";
  EXPECT_EQ(refusal_of_bytes(safetensors(inside, "12345678")), "x: tensor \"b\" overlaps the one before it");
}

TEST(Safetensors, RefusesHoles) {
  EXPECT_EQ(refusal_of_bytes(safetensors("{" + entry("a", "U8", "[7]", 1, 8) + "}", "12345678")),
            "x: 1 bytes before tensor \"a\" belong to no tensor");
  EXPECT_EQ(refusal_of_bytes(safetensors("{" + entry("a", "U8", "[6]", 0, 6) + "}", "12345678")),
            "x: the last 2 bytes belong to no tensor");
  EXPECT_EQ(refusal_of_bytes(safetensors("{}", "1")), "x: the last 1 bytes belong to no tensor");
}

TEST(Safetensors, RefusesEveryPrefixOfAFile) {
  const std::string bytes = counting_file("a", 5);
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_NE(refusal_of_bytes(bytes.substr(0, size)), "") << size;
  EXPECT_EQ(refusal_of_bytes(bytes), "");
}

TEST(Safetensors, SurvivesEveryChangeOfAByte) {
  const std::string bytes = counting_file("a", 2);
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    for (int value = 0; value < 256; ++value) {
      std::string changed = bytes;
      changed[at] = static_cast<char>(value);
      refusal_of_bytes(changed);
    }
  }
}

TEST(Safetensors, KeepsMessagesPrintable) {
  EXPECT_EQ(refusal_of_bytes(safetensors(R"({"a\n\u0000":1})")), R"(x: tensor "a\n\u0000": must be an object, is 1)");
  const std::string name = std::string(99, 'n') + "\xC3\xA9 and more";
  EXPECT_EQ(refusal_of_bytes(safetensors("{\"" + name + "\":1}")),
            "x: tensor \"" + std::string(99, 'n') + "...\": must be an object, is 1");
}

TEST(SafetensorsFile, MapsAFileThatMoves) {
  const TemporaryFolder folder;
  SafetensorsFile first(folder.write("a.safetensors", counting_file("a", 3)));
  const std::byte* const data = first.tensors().at("a").data;
  SafetensorsFile second = std::move(first);
  EXPECT_EQ(second.tensors().at("a").data, data);
  first = std::move(second);
  EXPECT_EQ(first.tensors().at("a").data, data);
  EXPECT_EQ(std::memcmp(data, bytes_of<float>({0, 1, 2}).data(), 12), 0);
}

/// Kilobytes of mapped files in memory.
long resident_file_kilobytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.rfind("RssFile:", 0) == 0) return std::stol(line.substr(8));
  }
  return 0;
}

float sum_of(const StoredTensor& tensor) {
  float sum = 0;
  for (std::size_t i = 0; i < tensor.bytes; i += sizeof(float)) {
    float value = 0;
    std::memcpy(&value, tensor.data + i, sizeof value);
    sum += value > 0 ? 1.0F : 0.0F;
  }
  return sum;
}

TEST(SafetensorsFile, ReleasedTensorsAreReadAgain) {
  constexpr int kCount = 1 << 20;
  const TemporaryFolder folder;
  const SafetensorsFile file(folder.write("a.safetensors", counting_file("a", kCount)));
  const StoredTensor& tensor = file.tensors().at("a");
  const float sum = sum_of(tensor);
  EXPECT_EQ(sum, kCount - 1);
  const long before = resident_file_kilobytes();
  file.release(tensor);
  EXPECT_LT(resident_file_kilobytes(), before - 3 * 1024);
  EXPECT_EQ(sum_of(tensor), sum);
}

TEST(SafetensorsFile, ReleasesNothingThatItHasNotMapped) {
  const TemporaryFolder folder;
  const SafetensorsFile file(folder.write("a.safetensors", counting_file("a", 3)));
  std::vector<float> values(1 << 16, 1.0F);
  const auto* data = reinterpret_cast<const std::byte*>(values.data());
  file.release({Type::f32, {1 << 16}, data, values.size() * sizeof(float)});
  EXPECT_EQ(std::count(values.begin(), values.end(), 1.0F), 1 << 16);
}

TEST(SafetensorsFile, RefusesWhatCannotBeRead) {
  const TemporaryFolder folder;
  const auto refused = [](const std::filesystem::path& path) {
    return message_of([&] { SafetensorsFile file(path); });
  };
  const auto missing = folder.path() / "missing.safetensors";
  EXPECT_EQ(refused(missing), missing.string() + ": cannot open: No such file or directory");
  EXPECT_EQ(refused(folder.path()), folder.path().string() + ": not a regular file");
  const auto empty = folder.write("empty.safetensors", "");
  EXPECT_EQ(refused(empty), empty.string() + ": the file is empty");
  const auto loop = folder.path() / "loop";
  std::filesystem::create_symlink(loop, loop);
  EXPECT_EQ(refused(loop), loop.string() + ": cannot open: Too many levels of symbolic links");
  const auto pipe = folder.path() / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  EXPECT_EQ(refused(pipe), pipe.string() + ": not a regular file");
}

TEST(SafetensorsFile, RefusesWithoutPermission) {
  if (::geteuid() == 0) GTEST_SKIP() << "root may read every file";
  const TemporaryFolder folder;
  const auto path = folder.write("a.safetensors", counting_file("a", 1));
  std::filesystem::permissions(path, std::filesystem::perms::none);
  EXPECT_EQ(message_of([&] { SafetensorsFile file(path); }), path.string() + ": cannot open: Permission denied");
}

}  // namespace
}  // namespace tessera::test
