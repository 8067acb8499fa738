#include "cli/picture_memory.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "cli/picture_model.h"
#include "kernels/error.h"
#include "kernels/memory_limit.h"

namespace tessera::cli {
namespace {

using nlohmann::ordered_json;

// The float32 values of three channels that go in, and those that come out.
constexpr std::int64_t kValueBytes = 12;

std::int64_t bytes_for(const PictureMemory& memory, PictureWork work, std::int64_t pixels) {
  switch (work) {
    case PictureWork::encode:
      return memory.encode + kValueBytes * pixels;
    case PictureWork::decode:
      return memory.decode + kValueBytes * pixels;
    case PictureWork::both:
      break;
  }
  return memory.both + 2 * kValueBytes * pixels;
}

const char* name_of(PictureWork work) {
  switch (work) {
    case PictureWork::encode:
      return "encoding";
    case PictureWork::decode:
      return "decoding";
    case PictureWork::both:
      break;
  }
  return "encoding and decoding";
}

std::string size_text(std::int64_t rows, std::int64_t columns) {
  return std::to_string(columns) + " by " + std::to_string(rows);
}

std::string counted(std::int64_t bytes) { return bytes_text(bytes) + " (" + std::to_string(bytes) + " bytes)"; }

/// Memory grows with the pixels; a tenth of the side is left for what does not.
std::string size_that_fits(std::int64_t rows, std::int64_t columns, double share, int factor) {
  const auto fit = [&](std::int64_t side) {
    return static_cast<std::int64_t>(0.9 * std::sqrt(share) * static_cast<double>(side)) / factor * factor;
  };
  if (fit(rows) == 0 || fit(columns) == 0) return "";
  return " (about " + size_text(fit(rows), fit(columns)) + " fit)";
}

std::string advice(const PictureModel& model, PictureWork work, const std::string& fitting) {
  if (work == PictureWork::decode) return "decode on a machine with more memory, or encode smaller pictures" + fitting;
  const std::string who =
      model.fitted
          ? "the checkpoint's preprocessor_config.json asks for this size: lower it there" + fitting
          : "resize the picture" + fitting + ", or put a preprocessor_config.json that does so beside the checkpoint";
  return who + (model.memory.sharers > 1 ? ", or have fewer in work at once (--batch 1)" : "");
}

}  // namespace

MemoryLimit share_of(const MemoryLimit& limit, std::size_t sharers) {
  return {limit.bytes / static_cast<std::int64_t>(sharers), sharers};
}

void require_memory(const PictureModel& model, const Context& context, std::int64_t rows, std::int64_t columns,
                    PictureWork work, const std::string& where) {
  const std::int64_t needed = bytes_for(picture_memory(*model.codec, context, rows, columns), work, rows * columns);
  const MemoryLimit& limit = model.memory;
  if (needed <= limit.bytes) return;
  const double share = static_cast<double>(limit.bytes) / static_cast<double>(needed);
  const std::string each =
      limit.sharers > 1 ? " for each of " + std::to_string(limit.sharers) + " inputs in work at once" : "";
  throw InputError("too_large",
                   where + ": " + name_of(work) + " " + size_text(rows, columns) + " pixels takes " + counted(needed) +
                       " of memory, and there are " + counted(limit.bytes) + each + ": " +
                       advice(model, work, size_that_fits(rows, columns, share, model.codec->info().factor)));
}

ordered_json memory_json(const ImageCodec& codec, const Context& context, std::int64_t rows, std::int64_t columns) {
  const PictureMemory memory = picture_memory(codec, context, rows, columns);
  ordered_json decode = nullptr;
  if (codec.info().decodes) decode = bytes_for(memory, PictureWork::decode, rows * columns);
  return {{"width", columns},
          {"height", rows},
          {"encode_bytes", bytes_for(memory, PictureWork::encode, rows * columns)},
          {"decode_bytes", decode}};
}

ordered_json memory_table(const ImageCodec& codec, const Context& context) {
  ordered_json table = ordered_json::array();
  const int factor = codec.info().factor;
  for (const int wanted : {256, 512, 1024, 2048}) {
    const int side = (wanted + factor - 1) / factor * factor;
    table.push_back(memory_json(codec, context, side, side));
  }
  return table;
}

std::string memory_text(const ordered_json& entry) {
  const auto text = [&](const char* key) {
    return entry.at(key).is_null() ? "cannot" : bytes_text(entry.at(key).get<std::int64_t>());
  };
  return size_text(entry.at("height").get<std::int64_t>(), entry.at("width").get<std::int64_t>()) + " pixels: encode " +
         text("encode_bytes") + ", decode " + text("decode_bytes");
}

}  // namespace tessera::cli
