#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "cli/codec_rates.h"
#include "cli/codes_file.h"
#include "cli/command.h"
#include "cli/exit_code.h"
#include "cli/inspect_report.h"
#include "cli/language_model.h"
#include "cli/output.h"
#include "cli/picture_model.h"
#include "cli/session.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "cli/usage_error.h"
#include "codec/checkpoint/checkpoint.h"
#include "codec/image_codec.h"
#include "kernels/error.h"
#include "media/audio.h"
#include "media/image.h"

namespace tessera::cli {
namespace {

namespace fs = std::filesystem;
using nlohmann::ordered_json;

enum class Content { checkpoint, codes, media };

std::string first_bytes(const std::string& path) {
  std::string head(16, '\0');
  std::ifstream(path, std::ios::binary).read(head.data(), static_cast<std::streamsize>(head.size()));
  return head;
}

bool holds_codes(const std::string& path) {
  const SafetensorsFile file(path);
  const auto format = file.metadata().find("format");
  return format != file.metadata().end() && format->second == "tessera.codes";
}

Content content_of(const std::string& path) {
  std::error_code ignored;
  if (fs::is_directory(path, ignored)) return Content::checkpoint;
  const std::string head = first_bytes(path);
  const bool safetensors = head.compare(8, 2, "{\"") == 0;
  if (safetensors) return holds_codes(path) ? Content::codes : Content::checkpoint;
  return head[0] == '{' || head.compare(0, 6, "\x93NUMPY") == 0 ? Content::codes : Content::media;
}

ordered_json bit_rates(const AudioCodecInfo& info) {
  ordered_json table = ordered_json::array();
  for (int levels = 1; levels <= info.levels; ++levels) {
    table.push_back({{"levels", levels}, {"kbps", kilobits_per_second(info, levels)}});
  }
  return table;
}

/// What the configuration calls its bandwidths, for those who know a codec by them.
ordered_json bandwidths(const AudioCodecInfo& info) {
  ordered_json table = ordered_json::array();
  for (const auto& [kbps, levels] : info.bandwidths) table.push_back({{"kbps", kbps}, {"levels", levels}});
  return table;
}

ordered_json checkpoint_json(const std::string& path, const AudioCodecInfo& info) {
  ordered_json json = {{"input", path},
                       {"status", "ok"},
                       {"kind", "checkpoint"},
                       {"family", info.family},
                       {"parameters", info.parameters},
                       {"sample_rate", info.sample_rate},
                       {"channels", info.channels},
                       {"hop", info.hop},
                       {"frame_rate", info.frame_rate()},
                       {"levels", info.levels}};
  if (is_multi_rate(info)) {
    json["level_multiples"] = info.level_multiples;
    json["level_rates"] = level_rates(info, info.levels);
  }
  json["codebook_sizes"] = info.codebook_sizes;
  json["bit_rates"] = bit_rates(info);
  if (!info.bandwidths.empty()) json["bandwidths"] = bandwidths(info);
  json["streams"] = info.streams;
  json["encode_latency_samples"] = info.encode_latency;
  json["decode_latency_samples"] = info.decode_latency;
  json["segmented"] = info.segmented;
  json["scaled"] = info.scaled;
  json["segmenting"] = info.segmenting;
  return json;
}

ordered_json picture_checkpoint_json(const std::string& path, const ImageCodec& codec, const Context& context) {
  const ImageCodecInfo& info = codec.info();
  return {{"input", path},
          {"status", "ok"},
          {"kind", "checkpoint"},
          {"family", info.family},
          {"parameters", info.parameters},
          {"levels", info.levels},
          {"codebook_sizes", info.codebook_sizes},
          {"pixels_per_code", info.factor},
          {"frames_per_code", info.time_factor > 0 ? ordered_json(info.time_factor) : ordered_json(nullptr)},
          {"decodes", info.decodes},
          {"memory", memory_table(codec, context)}};
}

ordered_json picture_json(const std::string& path, const media::ImageInfo& info) {
  return {{"input", path},
          {"status", "ok"},
          {"kind", "picture"},
          {"format", info.format},
          {"width", info.columns},
          {"height", info.rows},
          {"orientation", info.orientation}};
}

ordered_json media_json(const std::string& path, const media::AudioInfo& info) {
  ordered_json tags = ordered_json::object();
  for (const auto& [key, value] : info.tags) tags[key] = value;
  return {{"input", path},
          {"status", "ok"},
          {"kind", "media"},
          {"container", info.container},
          {"codec", info.codec},
          {"sample_rate", info.sample_rate},
          {"channels", info.channels},
          {"samples", info.samples >= 0 ? ordered_json(info.samples) : ordered_json(nullptr)},
          {"seconds", info.seconds >= 0 ? ordered_json(info.seconds) : ordered_json(nullptr)},
          {"stream", info.stream},
          {"streams", info.streams},
          {"tags", tags}};
}

/// What a codes file holds in all.
struct CodesSummary {
  std::int64_t ok = 0;
  std::int64_t errors = 0;
  std::int64_t frames = 0;
  double seconds = 0;
  std::string codec;
  int sample_rate = 0;
  int channels = 0;
  double frame_rate = 0;
  int levels = 0;
  std::vector<double> level_rates;

  void add(const CodesRecord& record) {
    if (record.status == "error") ++errors;
    if (record.status == "error" || record.first_frame) return;
    ++ok;
    frames += record.has_codes ? record.codes.frames() : record.frames;
    if (record.sample_rate > 0 && record.codes.samples > 0) {
      seconds += static_cast<double>(record.codes.samples) / record.sample_rate;
    }
    if (ok > 1) return;
    codec = record.codec;
    sample_rate = record.sample_rate;
    channels = record.channels;
    frame_rate = record.frame_rate;
    level_rates = record.level_rates;
    levels = record.levels > 0 ? record.levels : static_cast<int>(record.codes.rows.size());
  }
};

ordered_json codes_json(const std::string& path, const CodesSummary& summary) {
  ordered_json json = {{"input", path},
                       {"status", "ok"},
                       {"kind", "codes"},
                       {"codec", summary.codec},
                       {"sample_rate", summary.sample_rate},
                       {"channels", summary.channels},
                       {"frame_rate", summary.frame_rate},
                       {"levels", summary.levels}};
  if (!summary.level_rates.empty()) json["level_rates"] = summary.level_rates;
  json["inputs"] = summary.ok;
  json["errors"] = summary.errors;
  json["frames"] = summary.frames;
  json["seconds"] = summary.seconds;
  return json;
}

std::string plain(const ordered_json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_null()) return "unknown";
  return value.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

/// Of levels and kbps, a row a line, in the order the rows name them.
std::string table_text(const ordered_json& table) {
  std::string text;
  for (const ordered_json& row : table) {
    const std::string levels = plain(row.at("levels")) + (row.at("levels") == 1 ? " level" : " levels");
    const std::string rate = plain(row.at("kbps")) + " kbit/s";
    const bool levels_first = row.begin().key() == "levels";
    text += "\n    " + (levels_first ? levels + "\t" + rate : rate + "\t" + levels);
  }
  return text;
}

/// What memory_json() made, of one picture or of several.
std::string memory_lines(const ordered_json& memory) {
  if (memory.is_null()) return "unknown";
  if (memory.is_object()) return memory_text(memory) + " (" + plain(memory.at("model")) + ")";
  std::string text;
  for (const ordered_json& entry : memory) text += "\n    " + memory_text(entry);
  return text;
}

/// One "key: value" a line, for people.
std::string text_of(const ordered_json& object) {
  std::string text = plain(object.at("input")) + "\n";
  for (const auto& [key, value] : object.items()) {
    if (key == "input" || key == "status") continue;
    std::string name = key;
    for (char& c : name) c = c == '_' ? ' ' : c;
    const bool table = key == "bit_rates" || key == "bandwidths";
    const std::string shown = table ? table_text(value) : key == "memory" ? memory_lines(value) : plain(value);
    text += "  " + name + ": " + shown + "\n";
  }
  return text;
}

class Inspect final : public Command {
 public:
  void declare(OptionList& list) override;
  int run() override;

 private:
  void check() const;
  void describe(const std::string& path);
  void describe_guarded(const std::string& path);
  [[nodiscard]] ordered_json describe_codes(const std::string& path);
  [[nodiscard]] ordered_json describe_checkpoint(const std::string& path) const;
  [[nodiscard]] ordered_json describe_picture(const std::string& path);
  [[nodiscard]] ordered_json picture_memory_json(const media::ImageInfo& info);
  void bad(const std::string& path, const std::string& message, const std::string& reason);

  CommonOptions common_;
  std::vector<std::string> paths_;
  ReportRequest report_;
  std::unique_ptr<Context> picture_context_;  // for what pictures need
  PictureModel picture_model_;
  std::unique_ptr<LineOutput> output_;
  bool any_bad_ = false;
};

void Inspect::declare(OptionList& list) {
  list.positional("PATH", paths_, "checkpoints, media files, codes files");
  list.path("--report", "DIR", report_.folder,
            "encode and decode media files; draw and play what was lost in DIR/index.html")
      .kind = ValueKind::folder;
  list.paths("--compare", "MODEL[@LEVELS]", report_.compare,
             "of --report: one more checkpoint to show beside --model, all its levels or the first so many");
  list.integer("--levels", "N", report_.levels, 0, 1024, "of --report: only the first N levels of --model")
      .default_text = "every level";
  list.flag("-r,--recursive", report_.recursive, "of --report: take the media files in folders");
  list.number("--start", "SECONDS", report_.start, 0, 1e9, "of --report: skip the beginning");
  list.number("--duration", "SECONDS", report_.duration, 1e-9, 1e9, "of --report: take at most so much");
  declare_common(list, common_);
}

void Inspect::check() const {
  check_common(common_);
  if (report_.folder.empty()) {
    if (!report_.compare.empty()) throw UsageError("--compare is for --report DIR");
    return refuse_existing(common_.output, common_.overwrite);
  }
  if (paths_.empty()) throw UsageError("--report needs media files to draw");
  if (!common_.output.empty()) throw UsageError("--report names the folder of the report: -o does not go with it");
}

ordered_json Inspect::describe_checkpoint(const std::string& path) const {
  if (is_text_model(path)) return describe_text_model(path);
  const auto context = make_context(common_);
  if (is_image_codec(path)) return picture_checkpoint_json(path, *load_image_codec(*context, path), *context);
  return checkpoint_json(path, load_audio_codec(*context, path)->info());
}

/// What the image codec that would encode it needs; null without one, and for a picture that it refuses.
ordered_json Inspect::picture_memory_json(const media::ImageInfo& info) {
  const bool named = !named_model(common_).empty();
  if (named ? !is_picture_model(common_) : embedded_model_path("image_codec").empty()) return nullptr;
  const std::string path = picture_model_path(common_);
  if (!picture_context_) {
    picture_context_ = make_context(common_);
    picture_model_ = open_picture_model(*picture_context_, path);
  }
  const bool turned = info.orientation > 4;
  const int rows = turned ? info.columns : info.rows;
  const int columns = turned ? info.rows : info.columns;
  try {
    const media::ImageSize size = media::shaped_size(processor_for(picture_model_, {rows, columns}), rows, columns);
    ordered_json memory = memory_json(*picture_model_.codec, *picture_context_, size.rows, size.columns);
    memory["model"] = path;
    memory["available_bytes"] = picture_model_.memory.bytes;
    return memory;
  } catch (const InputError&) {
    return nullptr;
  }
}

ordered_json Inspect::describe_picture(const std::string& path) {
  const media::ImageInfo info = media::probe_image(path);
  ordered_json json = picture_json(path, info);
  json["memory"] = picture_memory_json(info);
  return json;
}

ordered_json Inspect::describe_codes(const std::string& path) {
  const auto reader = open_codes(path);
  CodesSummary summary;
  CodesRecord record;
  for (bool more = true; more;) {
    check_interrupted();
    try {
      more = reader->next(record);
      if (more) summary.add(record);
    } catch (const InputError& error) {
      if (error.reason() != "bad_codes") throw;
      bad(path, error.what(), error.reason());
    }
  }
  return codes_json(path, summary);
}

void Inspect::describe(const std::string& path) {
  ordered_json result;
  switch (content_of(path)) {
    case Content::checkpoint:
      result = describe_checkpoint(path);
      break;
    case Content::codes:
      result = describe_codes(path);
      break;
    case Content::media:
      result = media::is_image_file(path) ? describe_picture(path) : media_json(path, media::probe_audio(path));
      break;
  }
  output_->write(common_.json ? line_of(result) : text_of(result));
}

void Inspect::bad(const std::string& path, const std::string& message, const std::string& reason) {
  any_bad_ = true;
  complain(message);
  if (common_.json) output_->write(line_of(error_json(path, message, reason)));
}

void Inspect::describe_guarded(const std::string& path) {
  try {
    describe(path);
  } catch (const InputError& error) {
    check_interrupted();
    bad(path, error.what(), error.reason());
  } catch (const CheckpointError& error) {
    // A checkpoint that is looked at, not worked with, is an input like any other, unless it is the only one.
    if (paths_.size() <= 1) throw;
    bad(path, error.what(), error.reason());
  }
}

int Inspect::run() {
  check();
  output_ = std::make_unique<LineOutput>(common_.output, common_.overwrite);
  if (!report_.folder.empty()) {
    report_.paths = paths_;
    write_report(report_, common_,
                 {[&](const ordered_json& record) {
                    if (common_.json) output_->write(line_of(record));
                  },
                  [&](const auto& path, const auto& message, const auto& reason) { bad(path, message, reason); }});
    return any_bad_ ? kBadInput : kDone;
  }
  if (paths_.empty()) paths_ = {model_path(common_)};
  for (const std::string& path : paths_) describe_guarded(path);
  output_->finish();
  return any_bad_ ? kBadInput : kDone;
}

}  // namespace

const CommandInfo kInspect = {
    "inspect",
    "[PATH...]",
    "what a checkpoint, a media file or a codes file is",
    "Describes each PATH, by its content; without one, the checkpoint that --model names. A checkpoint's bit rates are "
    "listed by the number of levels, and the other way round for the bandwidths its configuration names. Of an image "
    "codec, and of a picture with the one that would encode it, the memory that encoding and decoding take beside the "
    "weights. --report DIR "
    "encodes and decodes media files and writes DIR/index.html, a page that needs no other file: figures of quality as "
    "of tokenize --quality, bit rates as they are and entropy-coded, speed, how much of each codebook is used, both "
    "sounds (the first minute), log-mel spectrograms of the original, the reconstruction and their difference; of "
    "pictures PSNR and SSIM, both pictures and their difference, scaled as its caption says, and a plot of how often "
    "the "
    "entries of the codebook occur. Sounds go to the audio codecs, pictures to the image codecs among the checkpoints. "
    "With --compare it shows several checkpoints side by side, with their means over all inputs; --json prints a line "
    "an "
    "input and checkpoint.",
    "  tessera inspect\n"
    "  tessera inspect --json clip.flac codes.jsonl\n"
    "  tessera inspect --report report/ clip.flac\n"
    "  tessera inspect --report report/ clip.flac photo.jpg\n"
    "  tessera inspect --report report/ -r speech/ --compare encodec/@8 --compare snac/\n",
    false,
    [] { return std::unique_ptr<Command>(std::make_unique<Inspect>()); },
};

}  // namespace tessera::cli
