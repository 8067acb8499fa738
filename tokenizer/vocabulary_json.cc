#include <nlohmann/json.hpp>

#include "tokenizer/json_fields.h"
#include "tokenizer/vocabulary.h"

namespace tessera {
namespace {

using detail::JsonFields;
using nlohmann::json;
using nlohmann::ordered_json;

constexpr int kVocabularyDepth = 8;
constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();

ordered_json range_json(const VocabularyRange& range) {
  ordered_json value = {{"name", range.name}, {"first", range.first}, {"count", range.count}};
  if (!range.codec.empty()) value["codec"] = range.codec;
  if (range.level >= 0) value["level"] = range.level;
  if (range.step >= 0) value["step"] = range.step;
  if (range.own_table) value["own_table"] = true;
  return value;
}

int optional_integer(const JsonFields& fields, const char* key) {
  return fields.find(key) == nullptr ? -1 : static_cast<int>(fields.integer(key, 0, kMost));
}

VocabularyRange read_range(const JsonFields& fields) {
  VocabularyRange range;
  range.name = fields.string("name");
  range.first = fields.integer("first", 0, kMost);
  range.count = fields.integer("count", 1, kMost);
  range.codec = fields.string("codec", "");
  range.level = optional_integer(fields, "level");
  range.step = optional_integer(fields, "step");
  range.own_table = fields.boolean("own_table", false);
  return range;
}

std::vector<int> read_integers(const JsonFields& fields, const char* key) {
  std::vector<int> values;
  for (const json& value : fields.array(key)) {
    values.push_back(static_cast<int>(JsonFields::checked(value, fields.path(key), 0, kMost)));
  }
  return values;
}

MultiLevelPattern read_pattern(const JsonFields& fields) {
  return {static_cast<int>(fields.integer("group", 1, kMost)), read_integers(fields, "delays"),
          read_integers(fields, "empty")};
}

}  // namespace

std::string to_json(const Vocabulary& vocabulary) {
  ordered_json ranges = ordered_json::array();
  for (const VocabularyRange& range : vocabulary.ranges()) ranges.push_back(range_json(range));
  ordered_json value = {{"size", vocabulary.size()},
                        {"ranges", std::move(ranges)},
                        {"specials", ordered_json(vocabulary.specials())},
                        {"layout", vocabulary.pattern() ? "multi-level" : "flat"}};
  if (const auto& pattern = vocabulary.pattern()) {
    value["pattern"] = {{"group", pattern->group}, {"delays", pattern->delays}, {"empty", pattern->empty_ids}};
  }
  return value.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

Vocabulary parse_vocabulary(std::string_view text, const std::string& name) {
  const json root = detail::parse_json(text, name, kVocabularyDepth);
  const JsonFields file(root, name + ": ");
  std::vector<VocabularyRange> ranges;
  for (const json& value : file.array("ranges")) ranges.push_back(read_range(JsonFields(value, file.path("ranges"))));
  std::map<std::string, std::int64_t> specials;
  const JsonFields names = file.object("specials");
  for (const auto& [special, id] : names.json().items()) {
    specials[special] = JsonFields::checked(id, names.path(detail::quote(special)), 0, kMost);
  }
  const std::string layout = file.string("layout");
  if (layout != "flat" && layout != "multi-level") {
    throw CheckpointError(file.path("layout") + ": " + detail::quote(layout) + " is neither flat nor multi-level");
  }
  std::optional<MultiLevelPattern> pattern;
  if (layout == "multi-level") pattern = read_pattern(file.object("pattern"));
  return {file.integer("size", 1, kMost), std::move(ranges), std::move(specials), std::move(pattern), name};
}

}  // namespace tessera
