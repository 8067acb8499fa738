#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "codec/codec.h"

namespace tessera::cli {

/// One line of what `tokenize` writes: the codes of an input, a part of them (--stream), or why there are none.
struct CodesRecord {
  std::string input;
  std::string status;  ///< "ok" or "error"; empty for a part of a stream
  std::string kind = "audio";
  std::string codec;  ///< family; empty when a line does not say, as every figure below is 0
  std::string math = "exact";
  int sample_rate = 0;
  int channels = 0;
  int width = 0;  ///< of a picture, as it was encoded; its grid is in `codes`
  int height = 0;
  double frame_rate = 0;
  std::int64_t frames = 0;
  int levels = 0;
  std::vector<double> level_rates;          ///< ids a second of each level; empty when all are frame_rate
  std::optional<std::int64_t> first_frame;  ///< of a part
  Codes codes;                              ///< with `samples`, -1 when not said
  bool has_codes = false;
  std::vector<std::int32_t> ids;  ///< of a unified model: the codes in its vocabulary, with their delimiters
  std::string warning;
  std::string error;
  std::string reason;
};

/// What every record made with `codec` says.
[[nodiscard]] CodesRecord describe_codec(const AudioCodecInfo& codec, int levels);

/// The keys in the documented order but for the codes; `quality` (null: absent) goes before `chunks` and `scales`.
[[nodiscard]] nlohmann::ordered_json to_json(const CodesRecord& record, const nlohmann::ordered_json& quality);
[[nodiscard]] nlohmann::ordered_json part_json(const std::string& input, std::int64_t first_frame, const Codes& codes);
[[nodiscard]] nlohmann::ordered_json error_json(const std::string& input, const std::string& error,
                                                const std::string& reason);
/// The whole record with its codes: one line with its end.
[[nodiscard]] std::string line_of(const CodesRecord& record, const nlohmann::ordered_json& quality);
/// Compact, one line with its end; bytes that are not UTF-8 become U+FFFD.
[[nodiscard]] std::string line_of(const nlohmann::ordered_json& json);

/// Reads a line that anybody may have written. `where` ("codes.jsonl, line 3") begins every message.
/// Throws InputError("bad_codes").
[[nodiscard]] CodesRecord parse_record(const std::string& line, const std::string& where);

/// What holds of the codes of every codec: rows of whole multiples of row 0, at the rates the record says; chunks that
/// add up to row 0; a finite, positive scale for each or none. Throws InputError("bad_codes").
void check_shape(const CodesRecord& record, const std::string& where);

/// Throws InputError("bad_codes") that begins with `where`.
[[noreturn]] void bad_codes(const std::string& where, const std::string& what);

}  // namespace tessera::cli
