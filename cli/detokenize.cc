#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/clip_writer.h"
#include "cli/codes_check.h"
#include "cli/codes_file.h"
#include "cli/command.h"
#include "cli/exit_code.h"
#include "cli/language_model.h"
#include "cli/output.h"
#include "cli/picture_model.h"
#include "cli/progress.h"
#include "cli/session.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "cli/text_files.h"
#include "cli/usage_error.h"
#include "kernels/error.h"

namespace tessera::cli {
namespace {

using nlohmann::ordered_json;

constexpr double kDecodedSeconds = 2;

std::string extension_of(const std::string& path) {
  std::string extension = std::filesystem::path(path).extension();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return extension;
}

bool is_sound_name(const std::string& path) {
  constexpr std::array known = {".wav", ".flac", ".opus", ".ogg", ".mp3"};
  return std::find(known.begin(), known.end(), extension_of(path)) != known.end();
}

bool is_picture_name(const std::string& path) {
  constexpr std::array known = {".png", ".jpg", ".jpeg", ".webp"};
  return std::find(known.begin(), known.end(), extension_of(path)) != known.end();
}

/// What of a codes file makes one output: a line, or the parts that `tokenize --stream` printed of one input.
struct Item {
  std::string input;
  std::string where;        ///< its last line so far
  std::int64_t frames = 0;  ///< so far
  bool failed = false;      ///< reported already: the rest of its parts is passed over
};

/// What the codec itself finds wrong does not say where that was.
InputError located(const InputError& error, const std::string& where) {
  const std::string what = error.what();
  return what.rfind(where, 0) == 0 ? error : InputError(error.reason(), where + ": " + what);
}

class Detokenize final : public Command {
 public:
  void declare(OptionList& list) override;
  int run() override;

 private:
  void check();
  void check_name() const;
  void open_models();
  void open_pictures();
  /// Whether codes of this kind go to an image codec: with a checkpoint named, all go to it.
  [[nodiscard]] bool is_picture(const CodesRecord& record) const;
  void plan_outputs();
  void count_outputs(const std::string& path, std::size_t& count);
  [[nodiscard]] std::string name_for(const CodesRecord& record);

  void read_file(const std::string& path);
  void take(CodesReader& reader, CodesRecord& record);
  void begin(const CodesRecord& record);
  void check_order(const CodesRecord& record) const;
  void push(CodesRecord& record);
  void take_picture(const CodesRecord& record);
  void write_picture(const std::string& path, const media::Image& image) const;
  void end(const CodesRecord& record);
  void end_open_item();
  void fail_item(const InputError& error);
  void report(const std::string& input, const std::string& message, const std::string& reason);

  CommonOptions common_;
  std::vector<std::string> paths_;
  std::string sample_format_ = "s16";
  int levels_ = 0;
  bool stream_ = false;

  bool to_folder_ = false;
  bool by_kind_ = false;         // no checkpoint is named: each line goes to the embedded one of its kind
  bool makes_pictures_ = false;  // the checkpoint named, or the file -o, is for pictures
  bool any_pictures_ = false;    // seen so far
  std::optional<PictureModel> pictures_;
  std::optional<media::Image> only_picture_;  // kept back as only_ is
  std::unique_ptr<OutputNames> sound_names_, picture_names_;
  Session session_;
  std::unique_ptr<Progress> progress_;
  std::optional<Item> item_;
  std::unique_ptr<ClipWriter> clip_;
  std::unique_ptr<ClipWriter> only_;  // whole, but kept back until it is known that nothing follows
  std::size_t outputs_ = 0;
  bool any_bad_ = false;
};

void Detokenize::declare(OptionList& list) {
  list.positional("CODES", paths_, "what tokenize wrote: JSON lines, .npy or .safetensors; - is standard input");
  list.choice("--sample-format", sample_format_, {"s16", "f32"}, "samples of a WAV file");
  list.integer("--levels", "N", levels_, 0, 1024, "decode only the first N levels").default_text =
      "every level there is";
  list.flag("--stream", stream_, "write frame by frame as codes arrive");
  declare_common(list, common_);
}

void Detokenize::check() {
  check_common(common_);
  if (paths_.empty()) throw UsageError("a CODES file is missing");
  const std::string& output = common_.output;
  if (output.empty()) throw UsageError("-o is missing: a folder, a sound file, or - for WAV on standard output");
  to_folder_ = is_folder_path(output) || (output != "-" && std::filesystem::path(output).extension().empty());
  by_kind_ = named_model(common_).empty();
  makes_pictures_ = by_kind_ ? !to_folder_ && is_picture_name(output) : is_picture_model(common_);
  if (!to_folder_ && output != "-" && !std::filesystem::exists(output)) check_name();
  if (makes_pictures_ && stream_) throw UsageError("--stream: the checkpoint decodes pictures");
  if (sample_format_ == "f32" && !to_folder_ && output != "-" && extension_of(output) != ".wav") {
    throw UsageError("--sample-format is for WAV: " + output + " has its own");
  }
  if (output == "-" && common_.json) throw UsageError("--json and -o - would both write to standard output");
}

void Detokenize::check_name() const {
  if (makes_pictures_ ? is_picture_name(common_.output) : is_sound_name(common_.output)) return;
  throw UsageError("-o " + common_.output +
                   (makes_pictures_ ? ": pictures are written as .png, .jpg or .webp"
                                    : ": sound is written as .wav, .flac, .opus, .ogg or .mp3"));
}

bool Detokenize::is_picture(const CodesRecord& record) const {
  return by_kind_ && to_folder_ ? record.kind == "image" : makes_pictures_;
}

void Detokenize::count_outputs(const std::string& path, std::size_t& count) {
  const auto reader = open_codes(path);
  CodesRecord record;
  std::string open;  // the input whose parts are being read
  bool in_parts = false;
  while (true) {
    check_interrupted();
    try {
      if (!reader->next(record)) break;
    } catch (const InputError& error) {
      if (error.reason() != "bad_codes") throw;  // a file that cannot be read never ends
      continue;
    }
    const bool continues = in_parts && record.input == open;
    in_parts = record.first_frame.has_value();
    open = record.input;
    if (continues || record.status == "error") continue;
    ++count;
    any_pictures_ = any_pictures_ || is_picture(record);
    (void)name_for(record);
  }
}

/// Before any work: is there one output where only one fits, and would any replace a file? Standard input cannot be
/// read twice; there the same is found out on the way.
void Detokenize::plan_outputs() {
  if (!to_folder_) refuse_existing(common_.output, common_.overwrite);
  std::size_t count = 0;
  sound_names_ = std::make_unique<OutputNames>(common_.output, ".wav");
  picture_names_ = std::make_unique<OutputNames>(common_.output, ".png");
  for (const std::string& path : paths_) {
    if (!std::filesystem::is_regular_file(path)) continue;
    try {
      count_outputs(path, count);
    } catch (const InputError&) {
      continue;  // reported when its turn comes
    }
  }
  if (!to_folder_ && count > 1) {
    throw UsageError(std::to_string(count) + " inputs do not fit in one file: give a folder (-o out/)");
  }
}

std::string Detokenize::name_for(const CodesRecord& record) {
  if (!to_folder_) return common_.output;
  std::string name = (is_picture(record) ? picture_names_ : sound_names_)->name_for(record.input);
  refuse_existing(name, common_.overwrite);
  return name;
}

void Detokenize::report(const std::string& input, const std::string& message, const std::string& reason) {
  any_bad_ = true;
  progress_->clear();
  complain(message);
  if (common_.json) print(line_of(error_json(input, message, reason)));
}

void Detokenize::fail_item(const InputError& error) {
  check_interrupted();
  clip_.reset();
  if (!item_->failed) report(item_->input, error.what(), error.reason());
  item_->failed = true;
}

void Detokenize::begin(const CodesRecord& record) {
  if (!to_folder_ && ++outputs_ > 1) {
    throw UsageError("more than one input does not fit in one file: give a folder (-o out/)");
  }
  media::WriteOptions options;
  options.sample_format = sample_format_ == "f32" ? media::SampleFormat::f32 : media::SampleFormat::s16;
  options.overwrite = common_.overwrite;
  const double frame_rate = session_.codec->info().frame_rate();
  const std::int64_t step =
      stream_ ? 1 : std::max<std::int64_t>(1, static_cast<std::int64_t>(kDecodedSeconds * frame_rate));
  clip_ = std::make_unique<ClipWriter>(*session_.codec, *session_.context, name_for(record), options,
                                       record.codes.samples, step);
}

/// A part that got lost would shift all that follows.
void Detokenize::check_order(const CodesRecord& record) const {
  const std::int64_t frames = record.first_frame.value_or(record.frames);
  const bool whole = record.has_codes && !record.first_frame;
  if (whole || frames == item_->frames) return;
  bad_codes(item_->where, record.input + ": " + std::to_string(item_->frames) + " frames came before one that says " +
                              std::to_string(frames));
}

void Detokenize::push(CodesRecord& record) {
  const auto have = static_cast<int>(record.codes.rows.size());
  if (levels_ > have)
    bad_codes(item_->where,
              "--levels " + std::to_string(levels_) + ", but only " + std::to_string(have) + " are there");
  if (levels_ > 0) record.codes.rows.resize(static_cast<std::size_t>(levels_));
  if (!clip_) begin(record);
  clip_->push(record.codes);
  item_->frames += record.codes.frames();
}

void Detokenize::write_picture(const std::string& path, const media::Image& image) const {
  media::ImageWriteOptions options;
  options.overwrite = common_.overwrite;
  media::write_image(path, image, options);
}

void Detokenize::take_picture(const CodesRecord& record) {
  if (!pictures_) open_pictures();
  const ImageCodec& codec = *pictures_->codec;
  if (!to_folder_ && ++outputs_ > 1) {
    throw UsageError("more than one input does not fit in one file: give a folder (-o out/)");
  }
  media::Image image = decode_picture(*pictures_, *session_.context, record, item_->where);
  const std::string name = name_for(record);
  progress_->add(0);
  if (common_.json) {
    print(line_of({{"input", record.input},
                   {"status", "ok"},
                   {"output", name},
                   {"codec", codec.info().family},
                   {"math", name_of(session_.context->math())},
                   {"width", image.columns},
                   {"height", image.rows}}));
  }
  if (to_folder_) return write_picture(name, image);
  only_picture_ = std::move(image);
}

void Detokenize::end(const CodesRecord& record) {
  if (!clip_) bad_codes(item_->where, "there are no codes");
  clip_->finish(record.codes.samples);
  const AudioCodecInfo& info = session_.codec->info();
  progress_->add(static_cast<double>(clip_->written()) / info.sample_rate);
  if (common_.json) {
    print(line_of({{"input", record.input},
                   {"status", "ok"},
                   {"output", clip_->path()},
                   {"codec", info.family},
                   {"math", name_of(session_.context->math())},
                   {"sample_rate", info.sample_rate},
                   {"channels", info.channels},
                   {"samples", clip_->written()}}));
  }
  if (to_folder_) clip_->commit();
  if (!to_folder_) only_ = std::move(clip_);
  clip_.reset();
}

/// A stream that ended without its last line was cut off.
void Detokenize::end_open_item() {
  if (!item_) return;
  fail_item(InputError("bad_codes", item_->where + ": " + item_->input + ": the stream ends without its last line"));
  item_.reset();
}

void Detokenize::take(CodesReader& reader, CodesRecord& record) {
  if (item_ && item_->input != record.input) end_open_item();
  if (!item_) item_ = Item{record.input, {}};
  item_->where = reader.where();
  const bool part = record.first_frame.has_value();
  try {
    if (record.status == "error") throw InputError("skipped", item_->where + ": passed over: " + record.error);
    if (!item_->failed && is_picture(record)) {
      take_picture(record);
    } else if (!item_->failed) {
      check_record(record, session_.codec->info(), item_->where);
      check_order(record);
      if (record.has_codes && record.codes.frames() > 0) push(record);
      if (!part) end(record);
    }
  } catch (const InputError& error) {
    fail_item(located(error, item_->where));
  } catch (const ArgumentError& error) {
    fail_item(InputError("bad_codes", item_->where + ": " + error.what()));
  }
  if (!part) item_.reset();
}

void Detokenize::read_file(const std::string& path) {
  std::unique_ptr<CodesReader> reader;
  CodesRecord record;
  bool more = true;
  while (more) {
    check_interrupted();
    try {
      if (!reader) reader = open_codes(path);
      more = reader->next(record);
    } catch (const InputError& error) {
      check_interrupted();
      item_ ? fail_item(error) : report(path, error.what(), error.reason());
      more = reader != nullptr && error.reason() == "bad_codes";
      continue;
    }
    if (more) take(*reader, record);
  }
  end_open_item();
}

void Detokenize::open_pictures() {
  const std::string path = picture_model_path(common_);
  pictures_ = open_picture_model(*session_.context, path);
  if (pictures_->codec->info().decodes) return;
  throw CheckpointError(path + ": this checkpoint of " + pictures_->codec->info().family + " has an encoder only");
}

void Detokenize::open_models() {
  if (makes_pictures_) {
    session_.context = make_context(common_);
  } else {
    session_ = open_session(common_);
  }
  if (makes_pictures_ || any_pictures_) open_pictures();
}

int Detokenize::run() {
  const std::string named = named_model(common_);
  if (!named.empty() && is_text_model(named)) {
    if (paths_.empty()) throw UsageError("a CODES file is missing");
    return detokenize_texts(common_, paths_);
  }
  check();
  plan_outputs();
  open_models();
  sound_names_ = std::make_unique<OutputNames>(common_.output, ".wav");
  picture_names_ = std::make_unique<OutputNames>(common_.output, ".png");
  progress_ = std::make_unique<Progress>(common_, 0);
  if (to_folder_) make_folder(common_.output);
  for (const std::string& path : paths_) read_file(path);
  if (only_) only_->commit();
  if (only_picture_) write_picture(common_.output, *only_picture_);
  return any_bad_ ? kBadInput : kDone;
}

}  // namespace

const CommandInfo kDetokenize = {
    "detokenize",
    "CODES... -o PATH",
    "codes to media files, ids to texts",
    "Decodes what tokenize wrote. -o names a folder (one WAV file an input, named after it; a second one of the same "
    "name gets -2), one sound file (.wav, .flac, .opus, .ogg, .mp3), or - for WAV on standard output; of codes of "
    "pictures PNG files in the folder, or one picture (.png, .jpg, .webp), or with --model an image codec - for PNG. A "
    "clip is as long as the sound that was encoded where its line says so. With a text model the ids of texts become "
    "texts (.txt). Bad lines are named, the others are done, and the exit code is 65.",
    "  tessera detokenize codes.jsonl -o out/\n"
    "  tessera tokenize a.wav | tessera detokenize - -o copy.flac\n"
    "  arecord -f S16_LE -r 16000 | tessera tokenize --stream - | tessera detokenize --stream - -o - | aplay\n",
    false,
    [] { return std::unique_ptr<Command>(std::make_unique<Detokenize>()); },
};

}  // namespace tessera::cli
