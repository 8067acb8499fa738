#include "cli/codes_record.h"

#include <limits>
#include <nlohmann/json.hpp>

#include "kernels/error.h"

namespace tessera::cli {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;

constexpr int kMaxDepth = 8;
constexpr std::size_t kMaxLevels = 1024;

/// Stops at nesting that no record has, before memory is spent on it.
json parse_shallow(const std::string& line, const std::string& where) {
  const auto shallow = [&](int depth, json::parse_event_t, const json&) {
    if (depth > kMaxDepth) bad_codes(where, "the JSON is nested too deep");
    return true;
  };
  try {
    return json::parse(line, shallow);
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
    const bool fits = value->is_number_integer() && value->get<std::int64_t>() >= 0 &&
                      value->get<std::int64_t>() <= std::numeric_limits<Integer>::max();
    if (!fits) wrong(key, "a whole number");
    out = value->get<Integer>();
  }

  void read_number(const char* key, double& out) const {
    const json* value = find(key);
    if (value == nullptr) return;
    if (!value->is_number()) wrong(key, "a number");
    out = value->get<double>();
  }

 private:
  [[noreturn]] void wrong(const char* key, const char* expected) const {
    bad_codes(where_, std::string("\"") + key + "\" is not " + expected);
  }

  const json& object_;
  const std::string& where_;
};

std::string place(std::size_t level, std::size_t frame) {
  return "level " + std::to_string(level) + ", frame " + std::to_string(frame);
}

std::vector<std::int32_t> read_row(const json& row, std::size_t level, const std::string& where) {
  if (!row.is_array()) bad_codes(where, "\"codes\" is not a list of rows, one a level");
  std::vector<std::int32_t> ids;
  ids.reserve(row.size());
  for (const json& id : row) {
    const bool fits = id.is_number_integer() && id.get<std::int64_t>() >= 0 &&
                      id.get<std::int64_t>() <= std::numeric_limits<std::int32_t>::max();
    if (!fits) bad_codes(where, id.dump() + " is no code (" + place(level, ids.size()) + ")");
    ids.push_back(id.get<std::int32_t>());
  }
  return ids;
}

void check_rectangular(const Codes& codes, const std::string& where) {
  for (std::size_t level = 1; level < codes.rows.size(); ++level) {
    if (codes.rows[level].size() == codes.rows[0].size()) continue;
    bad_codes(where, "rows of unequal length: level 0 has " + std::to_string(codes.rows[0].size()) + " frames, level " +
                         std::to_string(level) + " has " + std::to_string(codes.rows[level].size()));
  }
}

void read_codes(const json& rows, bool multi_rate, CodesRecord& record, const std::string& where) {
  if (!rows.is_array() || rows.empty()) bad_codes(where, "\"codes\" is not a list of rows, one a level");
  if (rows.size() > kMaxLevels) bad_codes(where, std::to_string(rows.size()) + " levels are too many");
  for (const json& row : rows) record.codes.rows.push_back(read_row(row, record.codes.rows.size(), where));
  if (!multi_rate) check_rectangular(record.codes, where);
  record.has_codes = true;
}

void read_fields(const Fields& fields, CodesRecord& record) {
  fields.read("input", record.input);
  fields.read("status", record.status);
  fields.read("kind", record.kind);
  fields.read("codec", record.codec);
  fields.read("math", record.math);
  fields.read_integer("sample_rate", record.sample_rate);
  fields.read_integer("channels", record.channels);
  fields.read_integer("samples", record.codes.samples);
  fields.read_number("frame_rate", record.frame_rate);
  fields.read_integer("frames", record.frames);
  fields.read_integer("levels", record.levels);
  fields.read("warning", record.warning);
  fields.read("error", record.error);
  fields.read("reason", record.reason);
}

}  // namespace

void bad_codes(const std::string& where, const std::string& what) {
  throw InputError("bad_codes", where + ": " + what);
}

CodesRecord describe_codec(const AudioCodecInfo& codec, int levels) {
  CodesRecord record;
  record.status = "ok";
  record.codec = codec.family;
  record.sample_rate = codec.sample_rate;
  record.channels = codec.channels;
  record.frame_rate = codec.frame_rate();
  record.levels = levels;
  return record;
}

ordered_json to_json(const CodesRecord& record, const ordered_json& quality) {
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
  if (!record.warning.empty()) line["warning"] = record.warning;
  if (!quality.is_null()) line["quality"] = quality;
  if (record.has_codes) line["codes"] = record.codes.rows;
  return line;
}

ordered_json part_json(const std::string& input, std::int64_t first_frame, const Codes& codes) {
  return {{"input", input}, {"frame", first_frame}, {"codes", codes.rows}};
}

ordered_json error_json(const std::string& input, const std::string& error, const std::string& reason) {
  return {{"input", input}, {"status", "error"}, {"error", error}, {"reason", reason}};
}

std::string line_of(const ordered_json& json) {
  return json.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

CodesRecord parse_record(const std::string& line, const std::string& where) {
  const json object = parse_shallow(line, where);
  if (!object.is_object()) bad_codes(where, "not a JSON object");
  const Fields fields(object, where);
  CodesRecord record;
  read_fields(fields, record);
  if (fields.find("frame") != nullptr) fields.read_integer("frame", record.first_frame.emplace(0));
  const json* codes = fields.find("codes");
  if (codes != nullptr) read_codes(*codes, fields.find("level_rates") != nullptr, record, where);
  return record;
}

}  // namespace tessera::cli
