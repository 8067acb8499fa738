// Any line is either refused with an InputError or is a record whose codes fit the codec it is checked against.

#include <nlohmann/json.hpp>
#include <string>

#include "cli/codes_check.h"
#include "kernels/error.h"

namespace {

using namespace tessera;

void require(bool holds) {
  if (!holds) __builtin_trap();
}

AudioCodecInfo plain() {
  AudioCodecInfo info;
  info.family = "mimi";
  info.sample_rate = 24000;
  info.hop = 1920;
  info.levels = 3;
  info.codebook_sizes = {64, 64, 32};
  return info;
}

AudioCodecInfo multi_rate() {
  AudioCodecInfo info = plain();
  info.level_multiples = {1, 2, 4};
  return info;
}

AudioCodecInfo segmented() {
  AudioCodecInfo info = plain();
  info.channels = 2;
  info.segmented = info.scaled = true;
  return info;
}

void check(const cli::CodesRecord& record, const AudioCodecInfo& info) try {
  cli::check_record(record, info, "x");
  for (std::size_t level = 0; level < record.codes.rows.size(); ++level) {
    for (const std::int32_t id : record.codes.rows[level]) require(id >= 0 && id < info.codebook_sizes.at(level));
  }
} catch (const InputError& error) {
  require(nlohmann::json(error.what()).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).size() > 2);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const cli::CodesRecord record = cli::parse_record({reinterpret_cast<const char*>(data), size}, "x");
    for (const AudioCodecInfo& info : {plain(), multi_rate(), segmented()}) check(record, info);
    (void)cli::line_of(record, nullptr);
  } catch (const InputError&) {
    return 0;
  }
  return 0;
}
