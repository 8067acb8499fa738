#include <algorithm>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>

#include "cli/audio_source.h"
#include "cli/codec_rates.h"
#include "cli/codes_file.h"
#include "cli/command.h"
#include "cli/exit_code.h"
#include "cli/inputs.h"
#include "cli/language_model.h"
#include "cli/ordered_work.h"
#include "cli/output.h"
#include "cli/picture_model.h"
#include "cli/progress.h"
#include "cli/quality.h"
#include "cli/session.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "cli/text_files.h"
#include "cli/usage_error.h"
#include "codec/audio/chunked_stream.h"
#include "kernels/error.h"

namespace tessera::cli {
namespace {

using nlohmann::ordered_json;

constexpr double kBlockSeconds = 2;

/// An input's record and its quality (null: not asked for).
struct Outcome {
  CodesRecord record;
  ordered_json quality;
};

/// What one worker computes with. Figures of quality are the CPU's wherever the codec runs.
struct Worker {
  Context* codec;
  std::unique_ptr<Context> own;
  std::unique_ptr<Context> cpu;  // for the meter when the codec runs elsewhere
  std::unique_ptr<QualityTables> meter;
};

class Tokenize final : public Command {
 public:
  void declare(OptionList& list) override;
  int run() override;

 private:
  using PartSink = std::function<void(const Codes&)>;

  void check() const;
  void check_pictures() const;
  [[nodiscard]] bool is_text() const;
  [[nodiscard]] int run_texts();
  void choose_models();
  void open_models();
  [[nodiscard]] std::string extension() const { return format_ == "npy" ? ".npy" : ".safetensors"; }
  void plan_outputs();
  void check_codec() const;
  [[nodiscard]] SourceOptions source_options() const;
  [[nodiscard]] std::size_t worker_count() const;
  void make_workers();
  void make_meter(Worker& worker) const;

  [[nodiscard]] Outcome outcome_of(const Input& input, const Worker& worker, const PartSink& part) const;
  [[nodiscard]] Outcome encode_input(const Input& input, const Worker& worker, const PartSink& part) const;
  [[nodiscard]] Outcome encode_picture(const Input& input, const Worker& worker) const;
  void encode_file(const std::string& path, const Worker& worker, const PartSink& part, Outcome& outcome) const;

  void write_all();
  void write_stream();
  void write(std::size_t item, Outcome& outcome);
  void write_array(std::size_t item, Outcome& outcome);
  void report(const CodesRecord& record);

  CommonOptions common_;
  InputOptions input_options_;
  std::string format_ = "jsonl";
  std::string pcm_;
  int rate_ = 0;
  double start_ = 0;
  std::optional<double> duration_;
  int levels_ = 0;
  int batch_ = 0;
  bool stream_ = false;
  bool quality_ = false;
  bool allow_truncated_ = false;

  std::vector<Input> inputs_;
  std::vector<std::string> array_files_;  // one an input, for npy and safetensors
  Session session_;
  bool pictures_only_ = false;            // the checkpoint named is an image codec's
  std::optional<PictureModel> pictures_;  // for the inputs that are pictures
  std::vector<Worker> workers_;
  std::unique_ptr<LineOutput> lines_;
  std::unique_ptr<Progress> progress_;
  bool any_bad_ = false;
};

void Tokenize::declare(OptionList& list) {
  list.positional("INPUT", input_options_.paths, "media files, with a text model texts; - is standard input");
  list.choice("--format", format_, {"jsonl", "npy", "safetensors"},
              "jsonl: a line an input; npy, safetensors: a file an input in the folder -o, or of one input the file "
              "-o when its name ends so");
  list.flag("--stream", stream_, "print codes as frames complete, then a line with the totals");
  list.choice("--pcm", pcm_, {"s16", "f32"}, "inputs are raw mono PCM, little-endian; needs --rate");
  list.integer("--rate", "HZ", rate_, 0, 10'000'000, "sample rate of --pcm").default_text.clear();
  list.number("--start", "SECONDS", start_, 0, 1e9, "skip the beginning");
  list.number("--duration", "SECONDS", duration_, 1e-9, 1e9, "read at most so much");
  list.integer("--levels", "N", levels_, 0, 1024, "only the first N levels").default_text = "every level";
  list.integer("--batch", "N", batch_, 0, 4096, "inputs in work at once; the codes are the same").default_text =
      "one a thread";
  list.flag(
      "--quality", quality_,
      "decode again and add mel_distance, si_sdr_db, snr_db, stoi (of pictures psnr_db, ssim), bit rates and the use "
      "of the codes");
  list.flag("--allow-truncated", allow_truncated_, "take files shorter than their header says, with a warning");
  list.flag("-r,--recursive", input_options_.recursive, "take the media files in folders");
  list.paths("--input-list", "FILE", input_options_.lists,
             "read more inputs from FILE, one a line; - is standard input");
  declare_common(list, common_);
}

void Tokenize::check() const {
  check_common(common_);
  if (input_options_.paths.empty() && input_options_.lists.empty()) throw UsageError("an INPUT is missing");
  if (!pcm_.empty() && rate_ == 0) throw UsageError("--pcm needs --rate HZ");
  if (pcm_.empty() && rate_ != 0) throw UsageError("--rate is for raw PCM: add --pcm s16 or --pcm f32");
  if (format_ == "jsonl" && is_folder_path(common_.output)) {
    throw UsageError("-o " + common_.output + " is a folder; jsonl is one file");
  }
  if (format_ == "jsonl") return;
  if (common_.output.empty() || common_.output == "-") throw UsageError("--format " + format_ + " needs -o FOLDER");
  if (stream_) throw UsageError("--stream prints lines: it does not go with --format " + format_);
}

void Tokenize::plan_outputs() {
  if (format_ == "jsonl") return refuse_existing(common_.output, common_.overwrite);
  const bool one_file =
      !is_folder_path(common_.output) && std::filesystem::path(common_.output).extension() == extension();
  if (one_file && inputs_.size() > 1) {
    throw UsageError(std::to_string(inputs_.size()) + " inputs do not fit in " + common_.output +
                     ": give a folder (-o codes/)");
  }
  OutputNames names(common_.output, extension());
  for (const Input& input : inputs_) array_files_.push_back(one_file ? common_.output : names.name_for(input.path));
  for (const std::string& file : array_files_) refuse_existing(file, common_.overwrite);
}

/// Options that mean nothing to a picture.
void Tokenize::check_pictures() const {
  const ImageCodecInfo& info = pictures_->codec->info();
  const auto refuse = [&](const std::string& what) {
    throw UsageError(what + ": " + info.family + " encodes pictures");
  };
  if (stream_) refuse("--stream");
  if (!pcm_.empty()) refuse("--pcm");
  if (start_ > 0 || duration_) refuse("--start and --duration");
  if (levels_ > info.levels) refuse("--levels " + std::to_string(levels_));
  if (format_ == "npy") throw UsageError("--format npy does not hold the grid of a picture: use --format safetensors");
  if (quality_ && !info.decodes) throw UsageError("--quality: this checkpoint of " + info.family + " has no decoder");
}

bool Tokenize::is_text() const {
  const std::string path = named_model(common_);
  return !path.empty() && is_text_model(path);
}

int Tokenize::run_texts() {
  if (stream_ || quality_ || levels_ > 0 || !pcm_.empty() || start_ > 0 || duration_ || format_ != "jsonl") {
    throw UsageError(
        "--model is a text model: --stream, --quality, --levels, --pcm, --start, --duration and --format "
        "are for codes");
  }
  input_options_.sounds = false;
  input_options_.texts = true;
  refuse_existing(common_.output, common_.overwrite);
  return tokenize_texts(common_, expand_inputs(input_options_));
}

/// Without a checkpoint named there are two: each file goes to the one for what it is.
void Tokenize::choose_models() {
  pictures_only_ = !named_model(common_).empty() && is_picture_model(common_);
  input_options_.sounds = !pictures_only_;
  input_options_.pictures = pictures_only_ || (named_model(common_).empty() && pcm_.empty());
  inputs_ = expand_inputs(input_options_);
  if (!input_options_.pictures) return;
  for (Input& input : inputs_) {
    input.picture = pictures_only_ || (input.error.empty() && media::is_image_file(input.path));
  }
}

void Tokenize::open_models() {
  const auto is_picture = [](const Input& input) { return input.picture; };
  if (std::all_of(inputs_.begin(), inputs_.end(), is_picture)) {
    session_.context = make_context(common_);
  } else {
    session_ = open_session(common_);
    check_codec();
  }
  if (std::none_of(inputs_.begin(), inputs_.end(), is_picture)) return;
  pictures_ = open_picture_model(*session_.context, picture_model_path(common_));
  check_pictures();
}

/// What only the checkpoint tells, before any work.
void Tokenize::check_codec() const {
  const AudioCodecInfo& info = session_.codec->info();
  if (levels_ > info.levels) {
    throw UsageError("--levels " + std::to_string(levels_) + ": this checkpoint has " + std::to_string(info.levels));
  }
  if (format_ != "npy") return;
  const std::vector<double> rates = level_rates(info, levels_ > 0 ? levels_ : info.levels);
  const bool even = std::all_of(rates.begin(), rates.end(), [&](double rate) { return rate == rates.front(); });
  const char* what = info.segmented || info.scaled ? "chunks and scales" : "rows of unequal length";
  if (!even || info.segmented || info.scaled) {
    throw UsageError(std::string("--format npy holds one array, not the ") + what + " of " + info.family +
                     ": use --format safetensors");
  }
}

SourceOptions Tokenize::source_options() const {
  SourceOptions options;
  options.read.start = start_;
  options.read.duration = duration_;
  options.read.allow_truncated = allow_truncated_;
  if (pcm_.empty()) return options;
  const auto sample = pcm_ == "s16" ? media::RawFormat::Sample::s16 : media::RawFormat::Sample::f32;
  options.raw = media::RawFormat{.sample = sample, .sample_rate = rate_, .channels = 1};
  return options;
}

/// Standard input is read on the main thread alone, where Ctrl-C can wake it.
std::size_t Tokenize::worker_count() const {
  const bool piped = std::any_of(inputs_.begin(), inputs_.end(), [](const Input& input) { return input.path == "-"; });
  if (stream_ || piped) return 1;
  const int threads = thread_count(common_);
  const int most = batch_ > 0 ? std::min(batch_, threads) : threads;
  return std::clamp<std::size_t>(inputs_.size(), 1, static_cast<std::size_t>(most));
}

void Tokenize::make_meter(Worker& worker) const {
  if (worker.codec->device().is_cuda()) {
    CommonOptions options = common_;
    options.device = "cpu";
    worker.cpu = make_context(options, 1);
  }
  worker.meter =
      std::make_unique<QualityTables>(worker.cpu ? *worker.cpu : *worker.codec, session_.codec->info().sample_rate);
}

void Tokenize::make_workers() {
  const std::size_t count = worker_count();
  const int threads = std::max(1, thread_count(common_) / static_cast<int>(count));
  if (pictures_) pictures_->memory = share_of(pictures_->memory, count);
  for (std::size_t i = 0; i < count; ++i) {
    Worker worker{session_.context.get(), nullptr, nullptr, nullptr};
    if (count > 1) worker.own = make_context(common_, threads);
    if (count > 1) worker.codec = worker.own.get();
    if (quality_ && session_.codec) make_meter(worker);
    workers_.push_back(std::move(worker));
  }
}

void Tokenize::encode_file(const std::string& path, const Worker& worker, const PartSink& part,
                           Outcome& outcome) const {
  const AudioCodec& codec = *session_.codec;
  const AudioCodecInfo& info = codec.info();
  AudioSource source(*worker.codec, path, info, source_options());
  const auto encoder = codec.encode_stream(*worker.codec, levels_);
  std::unique_ptr<Reconstruction> check;
  if (quality_) check = std::make_unique<Reconstruction>(codec, *worker.codec, *worker.meter);
  Codes& codes = outcome.record.codes;
  const auto take = [&](const Codes& more) {
    if (more.frames() == 0) return;
    part(more);
    if (check) check->codes(more);
    outcome.record.frames += more.frames();
    if (!stream_) append_codes(codes, more);
  };
  std::vector<float> samples;
  while (source.next(stream_ ? 1 / info.frame_rate() : kBlockSeconds, samples)) {
    check_interrupted();
    if (check) check->original(samples);
    take(encoder->push(samples));
  }
  check_interrupted();  // the end too may be what Ctrl-C made of a pipe
  const Codes last = encoder->finish();
  take(last);
  codes.samples = last.samples;
  outcome.record.warning = source.warning();
  if (check) outcome.quality = check->finish();
}

Outcome Tokenize::encode_picture(const Input& input, const Worker& worker) const {
  Outcome outcome;
  outcome.record = cli::encode_picture(*pictures_, *worker.codec, input.path, allow_truncated_,
                                       quality_ ? &outcome.quality : nullptr);
  return outcome;
}

Outcome Tokenize::encode_input(const Input& input, const Worker& worker, const PartSink& part) const {
  if (!input.error.empty()) throw InputError(input.reason, input.error);
  if (input.picture) return encode_picture(input, worker);
  const AudioCodecInfo& info = session_.codec->info();
  Outcome outcome{describe_codec(info, levels_ > 0 ? levels_ : info.levels), nullptr};
  outcome.record.input = input.path;
  outcome.record.math = name_of(worker.codec->math());
  encode_file(input.path, worker, part, outcome);
  outcome.record.has_codes = !stream_;
  return outcome;
}

/// What is wrong with one input is its result; what is wrong with the machine ends the run.
Outcome Tokenize::outcome_of(const Input& input, const Worker& worker, const PartSink& part) const {
  Outcome bad;
  bad.record.input = input.path;
  bad.record.status = "error";
  try {
    return encode_input(input, worker, part);
  } catch (const InputError& error) {
    bad.record.error = error.what();
    bad.record.reason = error.reason();
  } catch (const ArgumentError& error) {
    bad.record.error = input.path + ": " + error.what();
    bad.record.reason = error.reason();
  }
  check_interrupted();
  return bad;
}

void Tokenize::report(const CodesRecord& record) {
  const bool bad = record.status == "error";
  any_bad_ = any_bad_ || bad;
  const std::string message = bad ? record.error : record.warning;
  if (message.empty() || (!bad && common_.quiet)) return;
  progress_->clear();
  complain(bad ? message : "warning: " + message);
}

void Tokenize::write_array(std::size_t item, Outcome& outcome) {
  CodesRecord& record = outcome.record;
  if (record.status == "ok") {
    try {
      write_file(array_files_[item], format_ == "npy" ? npy_bytes(record) : safetensors_bytes(record),
                 common_.overwrite);
    } catch (const InputError& error) {
      record.status = "error";
      record.error = error.what();
      record.reason = error.reason();
    }
  }
  if (!common_.json) return;
  record.has_codes = false;
  ordered_json line =
      record.status == "ok" ? to_json(record, outcome.quality) : error_json(record.input, record.error, record.reason);
  if (record.status == "ok") line["output"] = array_files_[item];
  print(line_of(line));
}

void Tokenize::write(std::size_t item, Outcome& outcome) {
  CodesRecord& record = outcome.record;
  if (!array_files_.empty()) {
    write_array(item, outcome);
  } else {
    const bool ok = record.status == "ok";
    lines_->write(ok ? line_of(record, outcome.quality)
                     : line_of(error_json(record.input, record.error, record.reason)));
  }
  report(record);
  const bool timed = record.sample_rate > 0;
  progress_->add(timed ? static_cast<double>(record.codes.samples) / record.sample_rate : 0);
}

void Tokenize::write_stream() {
  for (std::size_t item = 0; item < inputs_.size(); ++item) {
    std::int64_t frame = 0;
    const auto part = [&](const Codes& codes) {
      lines_->write(line_of(part_json(inputs_[item].path, frame, codes)));
      frame += codes.frames();
    };
    Outcome outcome = outcome_of(inputs_[item], workers_.front(), part);
    write(item, outcome);
  }
}

void Tokenize::write_all() {
  const auto make = [&](std::size_t item, std::size_t worker) {
    return outcome_of(inputs_[item], workers_[worker], [](const Codes&) {});
  };
  const auto take = [&](std::size_t item, Outcome outcome) { write(item, outcome); };
  OrderedWork<Outcome>(inputs_.size(), workers_.size(), make, take).run();
}

int Tokenize::run() {
  check();
  if (is_text()) return run_texts();
  choose_models();
  if (inputs_.empty()) throw UsageError("the list of inputs is empty");
  plan_outputs();
  open_models();
  const bool to_folder = !array_files_.empty() && array_files_.front() != common_.output;
  if (to_folder) make_folder(common_.output);
  make_workers();
  lines_ = std::make_unique<LineOutput>(array_files_.empty() ? common_.output : "", common_.overwrite);
  progress_ = std::make_unique<Progress>(common_, inputs_.size());
  stream_ ? write_stream() : write_all();
  lines_->finish();
  return any_bad_ ? kBadInput : kDone;
}

}  // namespace

const CommandInfo kTokenize = {
    "tokenize",
    "INPUT...",
    "media files to codes, texts to ids",
    "Prints the codes of every INPUT as one JSON object a line, in the order of the inputs. A bad input becomes a line "
    "with its error, the others are done, and the exit code is 65. The codes depend on the input, the checkpoint and "
    "the options that choose what is encoded, never on threads, batch, machine or --stream. --quality compares the "
    "reconstruction with the sound that was encoded: mel_distance is the mean absolute difference of natural-log mel "
    "magnitudes (80 HTK bands, Hann window of 1024 samples, hop 256, magnitudes clamped at 1e-5); snr_db is 10 log10 "
    "(sum x^2 / sum (x-y)^2); si_sdr_db is the same without means and with x scaled to fit y; stoi is short-time "
    "objective intelligibility at 10 kHz by the rule of the Python package pystoi, in parts of ten minutes; null "
    "where not finite. Of several channels each figure is the mean over those that have a finite one. kbps is the bit "
    "rate of the codes as they are, entropy_kbps what they would take with each level's codes entropy-coded by how "
    "often they occur in this input (of a short one too little to be true), code_use the entries used and the entropy "
    "by level. Pictures (JPEG, PNG, WebP, GIF, BMP, TIFF) go to the embedded image codec, or to --model when that is "
    "one: upright, alpha on white, sized and scaled as the checkpoint's preprocessor_config.json says, or without one "
    "at their own size, cut evenly to whole codes; width and height are what was encoded, grid is [rows, columns] of "
    "codes, which run in reading order. Where the tokenizer of Chameleon or Emu3 lies beside the codec, ids are the "
    "codes in the model's vocabulary with their delimiters. --quality gives psnr_db, ssim (structural similarity by "
    "the rule of scikit-image: windows of 7 by 7, the mean over the channels), bits_per_pixel, entropy_bits_per_pixel "
    "and code_use. A picture for which there is not enough memory is refused before the work. "
    "A codec of one channel takes the "
    "mean of a file's channels, any other the file's own or, of a mono file, the same sound in each; raw PCM is mono. "
    "With --format npy or safetensors -o is a folder, unless its name ends in .npy or .safetensors as the format does: "
    "then it is the one file of one input.",
    "  tessera tokenize clip.flac > codes.jsonl\n"
    "  tessera tokenize clip.flac photo.jpg\n"
    "  tessera tokenize -r speech/ -o codes.jsonl\n"
    "  tessera tokenize --format npy -r speech/ -o codes/\n"
    "  arecord -f S16_LE -r 16000 | tessera tokenize --stream -\n",
    false,
    [] { return std::unique_ptr<Command>(std::make_unique<Tokenize>()); },
};

}  // namespace tessera::cli
