#include "cli/codes_check.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "kernels/error.h"

namespace tessera::cli {
namespace {

[[noreturn]] void wrong_codec(const std::string& where, const std::string& theirs, const std::string& ours) {
  throw InputError("wrong_codec", where + ": the codes are " + theirs + ", but the checkpoint is " + ours +
                                      ": name the one they were made with (--model)");
}

std::string hertz(double value) { return nlohmann::json(value).dump() + " Hz"; }

void check_codec(const CodesRecord& record, const AudioCodecInfo& codec, const std::string& where) {
  if (record.kind != "audio") wrong_codec(where, "of kind \"" + record.kind + "\"", "an audio codec");
  if (!record.codec.empty() && record.codec != codec.family) wrong_codec(where, record.codec, codec.family);
  if (record.sample_rate > 0 && record.sample_rate != codec.sample_rate) {
    wrong_codec(where, record.codec + " at " + std::to_string(record.sample_rate) + " Hz",
                codec.family + " at " + std::to_string(codec.sample_rate) + " Hz");
  }
  if (record.channels > 0 && record.channels != codec.channels) {
    wrong_codec(where, record.codec + " of " + std::to_string(record.channels) + " channels",
                codec.family + " of " + std::to_string(codec.channels));
  }
  const bool same_frames = std::abs(record.frame_rate - codec.frame_rate()) <= 1e-6 * codec.frame_rate();
  if (record.frame_rate > 0 && !same_frames) {
    wrong_codec(where, record.codec + " with frames at " + hertz(record.frame_rate),
                codec.family + " with frames at " + hertz(codec.frame_rate()));
  }
}

void check_rates(const CodesRecord& record, const AudioCodecInfo& codec, const std::string& where) {
  for (std::size_t level = 0; level < record.level_rates.size(); ++level) {
    const double ours = codec.frame_rate() * static_cast<double>(codec.multiple(level));
    if (std::abs(record.level_rates[level] - ours) <= 1e-6 * ours) continue;
    wrong_codec(where, "at " + hertz(record.level_rates[level]) + " on level " + std::to_string(level),
                codec.family + " at " + hertz(ours));
  }
}

void check_levels(const std::string& where, int levels, const AudioCodecInfo& codec) {
  if (levels <= codec.levels) return;
  wrong_codec(where, "on " + std::to_string(levels) + " levels",
              codec.family + " with " + std::to_string(codec.levels) + " levels");
}

void check_lengths(const Codes& codes, const AudioCodecInfo& codec, const std::string& where) {
  for (std::size_t level = 0; level < codes.rows.size(); ++level) {
    const std::int64_t wanted = codes.frames() * codec.multiple(level);
    const auto found = static_cast<std::int64_t>(codes.rows[level].size());
    if (found == wanted) continue;
    bad_codes(where, "rows of unequal length: level " + std::to_string(level) + " has " + std::to_string(found) +
                         " codes where " + std::to_string(codes.frames()) + " frames ask for " +
                         std::to_string(wanted));
  }
}

void check_scales(const Codes& codes, const AudioCodecInfo& codec, const std::string& where) {
  if (codec.scaled && codes.scales.empty() && codes.frames() > 0) {
    bad_codes(where, codec.family + " encodes chunks with a scale each: \"chunks\" and \"scales\" are missing");
  }
  if (!codec.scaled && !codes.scales.empty()) {
    bad_codes(where, "has \"scales\", of which " + codec.family + " knows nothing");
  }
}

/// A line that was cut or edited no longer agrees with its own figures.
void check_totals(const CodesRecord& record, const std::string& where) {
  const auto rows = static_cast<int>(record.codes.rows.size());
  if (record.levels > 0 && record.levels != rows) {
    bad_codes(where, "says " + std::to_string(record.levels) + " levels and has " + std::to_string(rows) + " rows");
  }
  if (record.frames > 0 && record.frames != record.codes.frames()) {
    bad_codes(where, "says " + std::to_string(record.frames) + " frames and has " +
                         std::to_string(record.codes.frames()) + " in row 0");
  }
}

}  // namespace

void check_record(const CodesRecord& record, const AudioCodecInfo& codec, const std::string& where) {
  check_codec(record, codec, where);
  check_levels(where, std::max(record.levels, static_cast<int>(record.level_rates.size())), codec);
  check_rates(record, codec, where);
  if (record.has_codes && !record.first_frame) check_totals(record, where);
  check_ids(record.codes, codec, where);
  if (record.has_codes) check_scales(record.codes, codec, where);
}

void check_ids(const Codes& codes, const AudioCodecInfo& codec, const std::string& where) {
  check_levels(where, static_cast<int>(codes.rows.size()), codec);
  check_lengths(codes, codec, where);
  for (std::size_t level = 0; level < codes.rows.size(); ++level) {
    const auto& row = codes.rows[level];
    const std::int32_t size = codec.codebook_sizes[level];
    const auto bad = std::find_if(row.begin(), row.end(), [size](std::int32_t id) { return id < 0 || id >= size; });
    if (bad == row.end()) continue;
    bad_codes(where, "code " + std::to_string(*bad) + " (level " + std::to_string(level) + ", frame " +
                         std::to_string(bad - row.begin()) + ") is out of range: the codebook has " +
                         std::to_string(size));
  }
}

}  // namespace tessera::cli
