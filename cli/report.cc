#include "cli/report.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>

#include "cli/figure.h"
#include "cli/html.h"
#include "cli/png.h"
#include "cli/report_tables.h"
#include "cli/signals.h"
#include "cli/spectrogram.h"
#include "kernels/error.h"
#include "media/channels.h"

namespace tessera::cli {
namespace {

using nlohmann::ordered_json;

constexpr double kReportSeconds = 2;
constexpr double kLongestSeconds = 600;                             // of an input, which is held in memory
constexpr double kPlayedSeconds = 60;                               // of each sound in the page
constexpr std::size_t kMostPlayed = std::size_t{32} * 1024 * 1024;  // samples of all sounds in the page

std::vector<float> read_clip(AudioSource& source) {
  std::vector<float> clip;
  std::vector<float> block;
  while (source.next(kReportSeconds, block)) {
    check_interrupted();
    clip.insert(clip.end(), block.begin(), block.end());
  }
  return clip;
}

std::vector<float> mono_of(const std::vector<float>& samples, int channels) {
  std::vector<float> mono(samples.size() / static_cast<std::size_t>(channels));
  media::fold_to_mono(samples.data(), static_cast<std::int64_t>(mono.size()), channels, mono.data());
  return mono;
}

Quality measure(const ReportCodec& codec, const ReportClip& clip) {
  ChannelsMeter meter(codec.tables, codec.info().channels);
  meter.original(clip.original);
  meter.reconstruction(clip.copy);
  return meter.finish();
}

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

ReportClip make_clip(const ReportCodec& codec, const std::string& path, const SourceOptions& options) {
  const AudioCodecInfo& info = codec.info();
  Context& context = *codec.session->context;
  AudioSource source(context, path, info, options);
  ReportClip clip;
  clip.original = read_clip(source);
  clip.seconds = static_cast<double>(clip.original.size()) / info.channels / info.sample_rate;
  if (clip.seconds > kLongestSeconds) {
    throw InputError("too_long",
                     path + ": a report shows at most 10 minutes of a file: choose with --start and --duration");
  }
  auto start = std::chrono::steady_clock::now();
  clip.codes = encode(*codec.session->codec, context, clip.original, codec.levels);
  clip.encode_seconds = seconds_since(start);
  start = std::chrono::steady_clock::now();
  clip.copy = decode(*codec.session->codec, context, clip.codes);
  clip.decode_seconds = seconds_since(start);
  clip.quality = measure(codec, clip);
  return clip;
}

void add_clip(ReportCodec& codec, const ReportClip& clip) {
  codec.use.add(clip.codes);
  codec.qualities.push_back(clip.quality);
  codec.seconds += clip.seconds;
  codec.encode_seconds += clip.encode_seconds;
  codec.decode_seconds += clip.decode_seconds;
}

ordered_json record_of(const std::string& path, const ReportCodec& codec, const ReportClip& clip) {
  ordered_json quality = to_json(clip.quality);
  CodeUse use(codec.info());
  use.add(clip.codes);
  put_json(use, codec.info(), quality);
  return {{"input", path},
          {"status", "ok"},
          {"kind", "report"},
          {"model", codec.model},
          {"codec", codec.info().family},
          {"seconds", rounded(clip.seconds)},
          {"frames", clip.codes.frames()},
          {"levels", clip.codes.rows.size()},
          {"quality", quality},
          {"encode_s", rounded(clip.encode_seconds)},
          {"decode_s", rounded(clip.decode_seconds)}};
}

/// The clip that keeps most of the file.
std::size_t richest(const std::vector<ReportCodec>& codecs) {
  const auto less = [](const ReportCodec& a, const ReportCodec& b) {
    return std::int64_t{a.info().sample_rate} * a.info().channels <
           std::int64_t{b.info().sample_rate} * b.info().channels;
  };
  return static_cast<std::size_t>(std::max_element(codecs.begin(), codecs.end(), less) - codecs.begin());
}

}  // namespace

ReportCodec::ReportCodec(const Session& session_, Context& meter, std::string model_, int levels_)
    : session(&session_),
      model(std::move(model_)),
      levels(levels_),
      label(report_label(model, levels)),
      tables(meter, session->codec->info().sample_rate),
      use(session->codec->info()) {}

SoundReport::SoundReport(std::vector<ReportCodec> codecs, ReportFolder& folder)
    : codecs_(std::move(codecs)), folder_(&folder) {
  make_labels_unique(codecs_);
}

std::string SoundReport::pictures(const ReportCodec& codec, const ReportClip& clip, const std::string& stem) {
  const int channels = codec.info().channels;
  const LogMel& mel = codec.tables.mel;
  const Spectrograms drawn =
      draw(mel.of_clip(mono_of(clip.original, channels)), mel.of_clip(mono_of(clip.copy, channels)));
  std::string html = report_title(codec.label, codecs_.size()) + "<div class=\"beside\">";
  const std::string label = codecs_.size() == 1 ? "" : codec.label;
  for (const auto& [name, picture] :
       {std::pair{"original", &drawn.original}, std::pair{"reconstruction", &drawn.reconstruction},
        std::pair{"difference", &drawn.difference}}) {
    html += folder_->picture(stem, label, name, name, png_bytes(*picture));
  }
  return html + "</div>\n";
}

std::string SoundReport::player(const std::string& label, const std::vector<float>& samples,
                                const AudioCodecInfo& codec) {
  const auto most =
      static_cast<std::size_t>(kPlayedSeconds * codec.sample_rate) * static_cast<std::size_t>(codec.channels);
  const std::size_t count = std::min(samples.size(), most);
  if (played_ + count > kMostPlayed) return {};
  played_ += count;
  const std::string cut = count < samples.size() ? ", the first minute" : "";
  return html_figure(label + cut, html_player({samples.data(), count}, codec.sample_rate, codec.channels));
}

std::string SoundReport::players(const std::vector<ReportClip>& clips) {
  const std::size_t best = richest(codecs_);
  std::string html = player("original", clips[best].original, codecs_[best].info());
  for (std::size_t i = 0; i < clips.size(); ++i) {
    html += player(codecs_.size() == 1 ? "reconstruction" : codecs_[i].label, clips[i].copy, codecs_[i].info());
  }
  if (html.empty()) return "<p>The page holds as much sound as it may: no players here.</p>\n";
  return "<div class=\"beside\">" + html + "</div>\n";
}

std::vector<ordered_json> SoundReport::add(const std::string& path, const SourceOptions& options) {
  std::vector<ReportClip> clips;
  for (const ReportCodec& codec : codecs_) clips.push_back(make_clip(codec, path, options));
  const std::string stem = folder_->stem_for(path);
  std::vector<ordered_json> records;
  sections_ += "<h2>" + html_text(path) + "</h2>\n" + players(clips);
  for (std::size_t i = 0; i < clips.size(); ++i) {
    sections_ += pictures(codecs_[i], clips[i], stem);
    add_clip(codecs_[i], clips[i]);
    rows_ += input_row(path, codecs_[i], clips[i]);
    records.push_back(record_of(path, codecs_[i], clips[i]));
  }
  return records;
}

std::string SoundReport::html() const {
  std::string page = codecs_table(codecs_) + report_definitions(codecs_.front().session->context->threads()) +
                     "<h2>Inputs</h2>\n" + inputs_table(rows_);
  for (const ReportCodec& codec : codecs_) page += code_use_table(codec.label, codec.use);
  return page + sections_;
}

}  // namespace tessera::cli
