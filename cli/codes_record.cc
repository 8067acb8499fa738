#include "cli/codes_record.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>

#include "cli/codec_rates.h"
#include "kernels/error.h"

namespace tessera::cli {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr int kMaxDepth = 8;
constexpr std::size_t kMaxRecordLevels = 1024;

template <class Integer>
bool is_whole(const json& value) {
  return value.is_number_integer() && value.get<std::int64_t>() >= 0 &&
         value.get<std::int64_t>() <= std::numeric_limits<Integer>::max();
}

std::string place(std::size_t level, std::size_t frame) {
  return "level " + std::to_string(level) + ", frame " + std::to_string(frame);
}

[[noreturn]] void no_code(const json& id, std::size_t level, std::size_t frame, const std::string& where) {
  bad_codes(where, id.dump() + " is no code (" + place(level, frame) + ")");
}

/// Sees a record while it is parsed. Codes go into rows at once and never become JSON values, which take sixteen bytes
/// each: two hours of sound have millions. Stops at nesting that no record has, before memory is spent on it.
class RecordFilter {
 public:
  RecordFilter(std::vector<std::vector<std::int32_t>>& rows, const std::string& where) : rows_(rows), where_(where) {}

  /// False: the value stays out of the tree.
  bool keep(int depth, json::parse_event_t event, const json& value) {
    using Event = json::parse_event_t;
    if (depth > kMaxDepth) bad_codes(where_, "the JSON is nested too deep");
    if (depth == 1 && event == Event::key) {
      in_codes_ = value == "codes";
      if (in_codes_) rows_.clear();
    }
    if (!in_codes_) return true;
    if (depth == 2 && event == Event::array_start) add_row();
    if (depth != 3 || event != Event::value) return true;
    if (rows_.empty() || !is_whole<std::int32_t>(value))
      no_code(value, level(), rows_.empty() ? 0 : rows_.back().size(), where_);
    rows_.back().push_back(value.get<std::int32_t>());
    return false;
  }

 private:
  [[nodiscard]] std::size_t level() const { return rows_.empty() ? 0 : rows_.size() - 1; }

  void add_row() {
    if (rows_.size() == kMaxRecordLevels)
      bad_codes(where_, "more than " + std::to_string(kMaxRecordLevels) + " levels");
    const std::size_t expected = rows_.empty() ? 0 : rows_.back().size();
    rows_.emplace_back().reserve(expected);
  }

  std::vector<std::vector<std::int32_t>>& rows_;
  const std::string& where_;
  bool in_codes_ = false;
};

json parse_filtered(const std::string& line, std::vector<std::vector<std::int32_t>>& rows, const std::string& where) {
  RecordFilter filter(rows, where);
  const auto keep = [&](int depth, json::parse_event_t event, const json& value) {
    return filter.keep(depth, event, value);
  };
  try {
    return json::parse(line, keep);
  } catch (const json::parse_error& error) {
    bad_codes(where, "malformed JSON at byte " + std::to_string(error.byte));
  } catch (const json::exception&) {
    bad_codes(where, "a number in the JSON is out of range");
  }
}

class Fields {
 public:
  Fields(const json& object, const std::string& where) : object_(object), where_(where) {}

  [[nodiscard]] const json* find(const char* key) const {
    const auto found = object_.find(key);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
  }

  void read(const char* key, std::string& out) const {
    const json* value = find(key);
    if (value == nullptr) return;
    if (!value->is_string()) wrong(key, "a string");
    out = value->get<std::string>();
  }

  template <class Integer>
  void read_integer(const char* key, Integer& out) const {
    const json* value = find(key);
    if (value == nullptr) return;
    if (!is_whole<Integer>(*value)) wrong(key, "a whole number");
    out = value->get<Integer>();
  }

  void read_number(const char* key, double& out) const {
    const json* value = find(key);
    if (value == nullptr) return;
    if (!value->is_number()) wrong(key, "a number");
    out = value->get<double>();
  }

  void read_integers(const char* key, std::vector<std::int64_t>& out) const {
    for (const json& value : list(key)) {
      if (!is_whole<std::int64_t>(value)) wrong(key, "a list of whole numbers");
      out.push_back(value.get<std::int64_t>());
    }
  }

  [[nodiscard]] std::vector<double> numbers(const char* key) const {
    std::vector<double> values;
    for (const json& value : list(key)) {
      if (!value.is_number()) wrong(key, "a list of numbers");
      values.push_back(value.get<double>());
    }
    return values;
  }

 private:
  /// Empty when the key is absent.
  [[nodiscard]] const json& list(const char* key) const {
    static const json nothing = json::array();
    const json* value = find(key);
    if (value == nullptr) return nothing;
    if (!value->is_array()) wrong(key, "a list");
    return *value;
  }

  [[noreturn]] void wrong(const char* key, const char* expected) const {
    bad_codes(where_, std::string("\"") + key + "\" is not " + expected);
  }

  const json& object_;
  const std::string& where_;
};

float to_float(double value) {
  const bool fits = std::abs(value) <= std::numeric_limits<float>::max();
  return fits ? static_cast<float>(value) : std::numeric_limits<float>::infinity();
}

/// Ids of a level for one frame of row 0; nothing when the record does not say or its rates are no whole multiples.
std::optional<std::size_t> stated_multiple(const CodesRecord& record, std::size_t level) {
  if (record.level_rates.empty()) return std::nullopt;
  const double ratio = record.level_rates[level] / record.level_rates[0];
  const bool whole = ratio >= 1 && ratio <= 1e6 && std::abs(ratio - std::round(ratio)) <= 1e-6 * ratio;
  return whole ? std::optional(static_cast<std::size_t>(std::llround(ratio))) : std::nullopt;
}

void check_rows(const CodesRecord& record, const std::string& where) {
  const auto& rows = record.codes.rows;
  if (!record.level_rates.empty() && record.level_rates.size() != rows.size()) {
    bad_codes(where, "\"level_rates\" has " + std::to_string(record.level_rates.size()) + " figures for " +
                         std::to_string(rows.size()) + " rows");
  }
  const std::size_t frames = rows[0].size();
  for (std::size_t level = 1; level < rows.size(); ++level) {
    const std::size_t found = rows[level].size();
    const auto multiple = stated_multiple(record, level);
    const bool fits = multiple ? found == frames * *multiple : frames == 0 ? found == 0 : found % frames == 0;
    if (fits && (frames == 0 || found > 0)) continue;
    bad_codes(where, "rows of unequal length: level 0 has " + std::to_string(frames) + " frames, level " +
                         std::to_string(level) + " has " + std::to_string(found));
  }
}

void check_chunks(const Codes& codes, const std::string& where) {
  std::int64_t left = codes.frames();
  for (const std::int64_t frames : codes.chunks) {
    if (frames < 1) bad_codes(where, "a chunk of " + std::to_string(frames) + " frames");
    left -= std::min(frames, left + 1);
  }
  if (!codes.chunks.empty() && left != 0) {
    bad_codes(where, "the chunks do not add up to the " + std::to_string(codes.frames()) + " frames of row 0");
  }
  if (!codes.scales.empty() && codes.scales.size() != codes.chunks.size()) {
    bad_codes(where,
              std::to_string(codes.scales.size()) + " scales for " + std::to_string(codes.chunks.size()) + " chunks");
  }
  const auto good = [](float scale) { return std::isfinite(scale) && scale > 0; };
  if (!std::all_of(codes.scales.begin(), codes.scales.end(), good)) {
    bad_codes(where, "a scale that is not finite and positive");
  }
}

/// What the filter left of the codes: empty rows, or what is no code.
void check_codes(const json& rest, CodesRecord& record, const std::string& where) {
  if (!rest.is_array() || rest.empty()) bad_codes(where, "\"codes\" is not a list of rows, one a level");
  for (std::size_t level = 0; level < rest.size(); ++level) {
    if (!rest[level].is_array()) bad_codes(where, "\"codes\" is not a list of rows, one a level");
    if (!rest[level].empty()) no_code(rest[level].front(), level, record.codes.rows[level].size(), where);
  }
  record.has_codes = true;
  check_shape(record, where);
}

void read_fields(const Fields& fields, CodesRecord& record) {
  fields.read("input", record.input);
  fields.read("status", record.status);
  fields.read("kind", record.kind);
  fields.read("codec", record.codec);
  fields.read("math", record.math);
  fields.read_integer("sample_rate", record.sample_rate);
  fields.read_integer("channels", record.channels);
  fields.read_integer("width", record.width);
  fields.read_integer("height", record.height);
  fields.read_integer("samples", record.codes.samples);
  fields.read_number("frame_rate", record.frame_rate);
  fields.read_integer("frames", record.frames);
  fields.read_integer("levels", record.levels);
  record.level_rates = fields.numbers("level_rates");
  fields.read_integers("chunks", record.codes.chunks);
  for (const double scale : fields.numbers("scales")) record.codes.scales.push_back(to_float(scale));
  fields.read("warning", record.warning);
  fields.read("error", record.error);
  fields.read("reason", record.reason);
}

constexpr std::int64_t kMostSide = 1 << 20;

/// "grid": [rows, columns].
void read_grid(const Fields& fields, CodesRecord& record, const std::string& where) {
  std::vector<std::int64_t> sides;
  fields.read_integers("grid", sides);
  if (sides.empty()) return;
  const auto good = [](std::int64_t side) { return side > 0 && side <= kMostSide; };
  if (sides.size() != 2 || !good(sides[0]) || !good(sides[1])) bad_codes(where, "\"grid\" is not [rows, columns]");
  record.codes.grid = {1, sides[0], sides[1]};
}

void put_chunks(const Codes& codes, ordered_json& line) {
  if (!codes.chunks.empty()) line["chunks"] = codes.chunks;
  if (!codes.scales.empty()) line["scales"] = codes.scales;
}

/// "[[1,2],[3,4]]". A tree of JSON values would take sixteen bytes a code.
void append_rows(const Codes& codes, std::string& text) {
  const char* before_row = "[";
  for (const auto& row : codes.rows) {
    text += before_row;
    const char* before_id = "[";
    for (const std::int32_t id : row) {
      char digits[16];
      text += before_id;
      text.append(digits, std::to_chars(digits, digits + sizeof digits, id).ptr);
      before_id = ",";
    }
    text += row.empty() ? "[]" : "]";
    before_row = ",";
  }
  text += codes.rows.empty() ? "[]" : "]";
}

}  // namespace

void bad_codes(const std::string& where, const std::string& what) {
  throw InputError("bad_codes", where + ": " + what);
}

void check_shape(const CodesRecord& record, const std::string& where) {
  check_rows(record, where);
  check_chunks(record.codes, where);
  const std::int64_t positions = record.codes.grid.positions();
  if (positions == 0 || positions == record.codes.frames()) return;
  bad_codes(where, std::to_string(record.codes.frames()) + " codes do not fill a grid of " + std::to_string(positions));
}

CodesRecord describe_codec(const AudioCodecInfo& codec, int levels) {
  CodesRecord record;
  record.status = "ok";
  record.codec = codec.family;
  record.sample_rate = codec.sample_rate;
  record.channels = codec.channels;
  record.frame_rate = codec.frame_rate();
  record.levels = levels;
  if (is_multi_rate(codec)) record.level_rates = level_rates(codec, levels);
  return record;
}

namespace {

ordered_json picture_json(const CodesRecord& record) {
  return {{"input", record.input},   {"status", record.status},
          {"kind", record.kind},     {"codec", record.codec},
          {"math", record.math},     {"width", record.width},
          {"height", record.height}, {"grid", {record.codes.grid.rows, record.codes.grid.columns}},
          {"levels", record.levels}};
}

ordered_json sound_json(const CodesRecord& record) {
  ordered_json line = {{"input", record.input},
                       {"status", record.status},
                       {"kind", record.kind},
                       {"codec", record.codec},
                       {"math", record.math},
                       {"sample_rate", record.sample_rate},
                       {"channels", record.channels},
                       {"samples", record.codes.samples},
                       {"frame_rate", record.frame_rate},
                       {"frames", record.frames},
                       {"levels", record.levels}};
  if (!record.level_rates.empty()) line["level_rates"] = record.level_rates;
  return line;
}

}  // namespace

ordered_json to_json(const CodesRecord& record, const ordered_json& quality) {
  ordered_json line = record.kind == "image" ? picture_json(record) : sound_json(record);
  if (!record.warning.empty()) line["warning"] = record.warning;
  if (!quality.is_null()) line["quality"] = quality;
  if (!record.ids.empty()) line["ids"] = record.ids;
  if (record.has_codes) put_chunks(record.codes, line);
  return line;
}

std::string line_of(const CodesRecord& record, const ordered_json& quality) {
  std::string line = line_of(to_json(record, quality));
  if (!record.has_codes) return line;
  line.resize(line.size() - std::strlen("}\n"));
  line += ",\"codes\":";
  append_rows(record.codes, line);
  return line += "}\n";
}

ordered_json part_json(const std::string& input, std::int64_t first_frame, const Codes& codes) {
  ordered_json line = {{"input", input}, {"frame", first_frame}};
  put_chunks(codes, line);
  line["codes"] = codes.rows;
  return line;
}

ordered_json error_json(const std::string& input, const std::string& error, const std::string& reason) {
  return {{"input", input}, {"status", "error"}, {"error", error}, {"reason", reason}};
}

std::string line_of(const ordered_json& json) {
  return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

CodesRecord parse_record(const std::string& line, const std::string& where) {
  CodesRecord record;
  const json object = parse_filtered(line, record.codes.rows, where);
  if (!object.is_object()) bad_codes(where, "not a JSON object");
  const Fields fields(object, where);
  read_fields(fields, record);
  read_grid(fields, record, where);
  if (fields.find("frame") != nullptr) fields.read_integer("frame", record.first_frame.emplace(0));
  const json* codes = fields.find("codes");
  if (codes != nullptr) check_codes(*codes, record, where);
  return record;
}

}  // namespace tessera::cli
