#include <nlohmann/json.hpp>

#include "tests/checkpoint/files.h"

namespace tessera::test {
namespace {

constexpr const char* kText = R"({
  "rate": 24000.0, "levels": 32, "big": 18446744073709551615, "negative": -3, "half": 0.5, "huge": 1e300,
  "causal": true, "name": "mimi", "none": null, "ratios": [8, 6, 5.0, 4], "mixed": [8, "x"],
  "rope_parameters": {"rope_theta": 10000.0, "deep": {"on": false}}
})";

Config config() { return Config::parse(kText, "config.json"); }

template <typename Getter>
std::string refusal_by(Getter getter) {
  return message_of([&] { (void)getter(config()); });
}

std::string refusal_of_integer(const char* key, std::int64_t least = 1, std::int64_t most = 65536) {
  return refusal_by([&](const Config& c) { return c.integer(key, least, most); });
}

std::string refusal_of_text(std::string_view text) {
  return message_of([&] { (void)Config::parse(text, "config.json"); });
}

TEST(Config, ReadsValues) {
  const Config c = config();
  EXPECT_EQ(c.integer("levels", 1, 32), 32);
  EXPECT_EQ(c.integer("levels", 32, 32), 32);
  EXPECT_EQ(c.integer("negative", INT64_MIN, INT64_MAX), -3);
  EXPECT_EQ(c.number("half"), 0.5);
  EXPECT_EQ(c.number("levels"), 32.0);
  EXPECT_TRUE(c.boolean("causal"));
  EXPECT_EQ(c.string("name"), "mimi");
  EXPECT_EQ(c.name(), "config.json");
  EXPECT_EQ(c.json().size(), 12U);
}

TEST(Config, TakesWholeFloatsForIntegers) {
  EXPECT_EQ(config().integer("rate", 1, 1'000'000), 24000);
  EXPECT_EQ(config().integers("ratios", 1, 100), (std::vector<std::int64_t>{8, 6, 5, 4}));
}

TEST(Config, DescendsByDots) {
  const Config c = config();
  EXPECT_EQ(c.number("rope_parameters.rope_theta"), 10000.0);
  EXPECT_FALSE(c.boolean("rope_parameters.deep.on"));
  EXPECT_TRUE(c.has("rope_parameters.deep"));
  EXPECT_FALSE(c.has("rope_parameters.deep.off"));
  EXPECT_FALSE(c.has("levels.deep"));
  EXPECT_FALSE(c.has(""));
  EXPECT_FALSE(c.has("."));
  EXPECT_FALSE(c.has("rope_parameters."));
}

TEST(Config, HasWhatIsPresentAndNotNull) {
  EXPECT_TRUE(config().has("causal"));
  EXPECT_FALSE(config().has("none"));
  EXPECT_FALSE(config().has("absent"));
}

TEST(Config, NamesWhatIsMissing) {
  EXPECT_EQ(refusal_of_integer("absent"), "config.json: \"absent\" is missing");
  EXPECT_EQ(refusal_of_integer("levels.deep"), "config.json: \"levels.deep\" is missing");
  EXPECT_EQ(refusal_by([](const Config& c) { return c.string("rope_parameters.kind"); }),
            "config.json: \"rope_parameters.kind\" is missing");
}

TEST(Config, RefusesWhatIsNoInteger) {
  EXPECT_EQ(refusal_of_integer("name"), "config.json: \"name\" must be an integer from 1 to 65536, is \"mimi\"");
  EXPECT_EQ(refusal_of_integer("half"), "config.json: \"half\" must be an integer from 1 to 65536, is 0.5");
  EXPECT_EQ(refusal_of_integer("causal"), "config.json: \"causal\" must be an integer from 1 to 65536, is true");
  EXPECT_EQ(refusal_of_integer("none"), "config.json: \"none\" must be an integer from 1 to 65536, is null");
  EXPECT_EQ(refusal_of_integer("ratios"),
            "config.json: \"ratios\" must be an integer from 1 to 65536, is an array of 4");
  EXPECT_EQ(refusal_of_integer("rope_parameters"),
            "config.json: \"rope_parameters\" must be an integer from 1 to 65536, is an object");
}

TEST(Config, RefusesIntegersOutOfRange) {
  EXPECT_EQ(refusal_of_integer("levels", 1, 31), "config.json: \"levels\" must be an integer from 1 to 31, is 32");
  EXPECT_EQ(refusal_of_integer("levels", 33, 40), "config.json: \"levels\" must be an integer from 33 to 40, is 32");
  EXPECT_EQ(refusal_of_integer("big", 0, INT64_MAX),
            "config.json: \"big\" must be an integer from 0 to 9223372036854775807, is 18446744073709551615");
  EXPECT_EQ(refusal_of_integer("huge", 0, INT64_MAX),
            "config.json: \"huge\" must be an integer from 0 to 9223372036854775807, is 1e+300");
}

TEST(Config, RefusesOtherTypes) {
  EXPECT_EQ(refusal_by([](const Config& c) { return c.number("name"); }),
            "config.json: \"name\" must be a number, is \"mimi\"");
  EXPECT_EQ(refusal_by([](const Config& c) { return c.boolean("levels"); }),
            "config.json: \"levels\" must be true or false, is 32");
  EXPECT_EQ(refusal_by([](const Config& c) { return c.string("causal"); }),
            "config.json: \"causal\" must be a string, is true");
  EXPECT_EQ(refusal_by([](const Config& c) { return c.integers("levels", 1, 9); }),
            "config.json: \"levels\" must be an array of integers, is 32");
}

TEST(Config, NamesTheElementOfAnArray) {
  EXPECT_EQ(refusal_by([](const Config& c) { return c.integers("mixed", 1, 9); }),
            "config.json: \"mixed[1]\" must be an integer from 1 to 9, is \"x\"");
  EXPECT_EQ(refusal_by([](const Config& c) { return c.integers("ratios", 1, 7); }),
            "config.json: \"ratios[0]\" must be an integer from 1 to 7, is 8");
}

TEST(Config, RefusesMalformedText) {
  EXPECT_EQ(refusal_of_text(""), "config.json: malformed JSON at line 1, column 1");
  EXPECT_EQ(refusal_of_text("{\n \"a\": 1,\n}"), "config.json: malformed JSON at line 3, column 1");
  EXPECT_EQ(refusal_of_text("{\"a\": NaN}"), "config.json: malformed JSON at line 1, column 7");
  EXPECT_EQ(refusal_of_text("{} x"), "config.json: malformed JSON at line 1, column 4");
  EXPECT_EQ(refusal_of_text({"{}\n\0{}", 6}), "config.json: malformed JSON at line 2, column 1");
  EXPECT_EQ(refusal_of_text("{\"a\": 1e999}"), "config.json: a number in the JSON is out of range");
  EXPECT_EQ(refusal_of_text("[1]"), "config.json: must be an object, is an array of 1");
  EXPECT_EQ(refusal_of_text("{\"a\": {\"b\": 1, \"b\": 2}}"), "config.json: key \"b\" appears twice in one object");
}

TEST(Config, AllowsOneKeyInTwoObjects) {
  EXPECT_EQ(refusal_of_text(R"({"a": {"b": 1}, "c": [{"b": 1}, {"b": 2}], "b": 3})"), "");
}

TEST(Config, RefusesDeepText) {
  const auto nested = [](std::size_t depth) {
    return "{\"a\":" + std::string(depth, '[') + std::string(depth, ']') + "}";
  };
  EXPECT_EQ(refusal_of_text(nested(63)), "");
  EXPECT_EQ(refusal_of_text(nested(64)), "config.json: JSON nested deeper than 64 levels");
  EXPECT_EQ(refusal_of_text(std::string(10'000'000, '[')), "config.json: JSON nested deeper than 64 levels");
}

TEST(Config, RefusesLongText) {
  EXPECT_EQ(refusal_of_text(std::string((16U << 20) + 1, ' ')), "config.json: more than 16777216 bytes");
}

TEST(Config, ReadsTheFileOfAFolder) {
  const TemporaryFolder folder;
  const std::string path = folder.write("config.json", kText).string();
  const auto weights = folder.write("model.safetensors", "");
  EXPECT_EQ(Config::read(folder.path()).name(), path);
  EXPECT_EQ(Config::read(weights).string("name"), "mimi");
}

TEST(Config, RefusesAFileThatCannotBeRead) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "config.json";
  const auto refused = [&] { return message_of([&] { (void)Config::read(folder.path()); }); };
  EXPECT_EQ(refused(), path.string() + ": cannot open: No such file or directory");
  folder.write("config.json", "");
  EXPECT_EQ(refused(), path.string() + ": the file is empty");
  std::filesystem::resize_file(path, (16U << 20) + 1);
  EXPECT_EQ(refused(), path.string() + ": 16777217 bytes, more than the 16777216 allowed");
}

TEST(Config, Moves) {
  Config first = config();
  Config second = std::move(first);
  first = std::move(second);
  EXPECT_EQ(first.string("name"), "mimi");
}

}  // namespace
}  // namespace tessera::test
