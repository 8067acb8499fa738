#include "cli/report.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/codec_rates.h"
#include "cli/log_mel.h"
#include "cli/quality.h"
#include "cli/signals.h"
#include "cli/spectrogram.h"
#include "kernels/error.h"
#include "media/channels.h"

namespace tessera::cli {
namespace {

constexpr double kBlockSeconds = 2;
constexpr double kLongestSeconds = 600;  // both sounds are kept in the page

std::string base64(const std::string& bytes) {
  constexpr const char* digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      group = group << 8 | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0U);
    }
    for (int shift = 18; shift >= 0; shift -= 6) text += digits[group >> shift & 63];
  }
  const std::size_t missing = (3 - bytes.size() % 3) % 3;
  text.replace(text.size() - missing, missing, missing, '=');
  return text;
}

std::string escape(const std::string& text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '&':
        result += "&amp;";
        break;
      case '"':
        result += "&quot;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

std::string number(double value, int digits) {
  if (!std::isfinite(value)) return "–";
  char text[32];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::string little_endian(std::uint32_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> 8 * i & 0xff);
  return text;
}

/// 16-bit WAV in memory.
std::string wav_bytes(const std::vector<float>& samples, const AudioCodecInfo& codec) {
  const auto rate = static_cast<std::uint32_t>(codec.sample_rate);
  const auto channels = static_cast<std::uint32_t>(codec.channels);
  const auto bytes = static_cast<std::uint32_t>(samples.size() * 2);
  std::string wav = "RIFF" + little_endian(36 + bytes, 4) + "WAVEfmt " + little_endian(16, 4) + little_endian(1, 2) +
                    little_endian(channels, 2) + little_endian(rate, 4) + little_endian(rate * channels * 2, 4) +
                    little_endian(channels * 2, 2) + little_endian(16, 2) + "data" + little_endian(bytes, 4);
  for (const float sample : samples) {
    const long value = std::lrint(std::clamp(sample * 32768.0F, -32768.0F, 32767.0F));
    wav += little_endian(static_cast<std::uint32_t>(value), 2);
  }
  return wav;
}

std::vector<float> read_clip(AudioSource& source) {
  std::vector<float> clip;
  std::vector<float> block;
  while (source.next(kBlockSeconds, block)) {
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

Quality measure(Context& context, const AudioCodecInfo& codec, const std::vector<float>& x,
                const std::vector<float>& y) {
  ChannelsMeter meter(context, codec);
  meter.original(x);
  meter.reconstruction(y);
  return meter.finish();
}

std::string image(const std::string& name, const std::string& png) {
  return "<figure><figcaption>" + name + "</figcaption><img alt=\"" + name + "\" src=\"data:image/png;base64," +
         base64(png) + "\"></figure>\n";
}

std::string player(const std::string& name, const std::string& wav) {
  return "<p><span>" + name + "</span> <audio controls src=\"data:audio/wav;base64," + base64(wav) +
         "\"></audio></p>\n";
}

/// Entropy in bits of how often each code occurs.
double entropy(const std::vector<std::int32_t>& row, std::vector<std::int64_t>& counts) {
  for (const std::int32_t id : row) ++counts[static_cast<std::size_t>(id)];
  double bits = 0;
  for (const std::int64_t count : counts) {
    const double share = static_cast<double>(count) / static_cast<double>(row.size());
    if (count > 0) bits -= share * std::log2(share);
  }
  return bits;
}

std::string code_use(const Codes& codes, const AudioCodecInfo& info) {
  std::string html =
      "<table><tr><th>level</th><th>codebook</th><th>codes used</th><th>share</th><th>entropy, bits</th></tr>\n";
  for (std::size_t level = 0; level < codes.rows.size(); ++level) {
    const int size = info.codebook_sizes[level];
    std::vector<std::int64_t> counts(static_cast<std::size_t>(size));
    const double bits = entropy(codes.rows[level], counts);
    const auto used = std::count_if(counts.begin(), counts.end(), [](std::int64_t count) { return count > 0; });
    html += "<tr><td>" + std::to_string(level) + "</td><td>" + std::to_string(size) + "</td><td>" +
            std::to_string(used) + "</td><td>" + number(100.0 * static_cast<double>(used) / size, 1) + " %</td><td>" +
            number(bits, 2) + "</td></tr>\n";
  }
  return html + "</table>\n";
}

std::string figures_row(const std::string& name, double seconds, std::int64_t frames, const Quality& quality) {
  return "<tr><td>" + escape(name) + "</td><td>" + number(seconds, 2) + "</td><td>" + std::to_string(frames) +
         "</td><td>" + number(quality.mel_distance, 3) + "</td><td>" + number(quality.si_sdr_db, 2) + "</td><td>" +
         number(quality.snr_db, 2) + "</td></tr>\n";
}

constexpr const char* kHead =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>tessera report</title>\n"
    "<style>body{font:15px/1.5 sans-serif;margin:2em auto;max-width:70em;padding:0 1em}table{border-collapse:collapse}"
    "td,th{border:1px solid #bbb;padding:.2em .7em;text-align:right}td:first-child{text-align:left}"
    "img{max-width:100%;height:160px;image-rendering:pixelated}figure{margin:.6em 0}p span{display:inline-block;"
    "width:9em}</style></head><body>\n";

constexpr const char* kDefinitions =
    "<p>mel distance: mean absolute difference of natural-log mel magnitudes (80 bands, window 1024, hop 256); "
    "SNR and SI-SDR in dB against the sound that was encoded. A dash: no finite value. Of several channels, the mean "
    "of their figures; pictures show the mean of the channels.</p>\n";

}  // namespace

void Report::add(const std::string& path, const SourceOptions& options) {
  const AudioCodecInfo& info = codec_.info();
  AudioSource source(context_, path, info, options);
  const std::vector<float> original = read_clip(source);
  const double seconds = static_cast<double>(original.size()) / info.channels / info.sample_rate;
  if (seconds > kLongestSeconds) {
    throw InputError("too_long",
                     path + ": a report shows at most 10 minutes of a file: choose with --start and --duration");
  }
  const Codes codes = encode(codec_, context_, original);
  const std::vector<float> copy = decode(codec_, context_, codes);
  const LogMel mel(meter_, info.sample_rate);
  const Spectrograms drawn =
      draw(mel.of_clip(mono_of(original, info.channels)), mel.of_clip(mono_of(copy, info.channels)));

  const std::string stem = names_.name_for(path);
  const std::string pictures[] = {png_bytes(drawn.original), png_bytes(drawn.reconstruction),
                                  png_bytes(drawn.difference)};
  write_file(stem + ".original.png", pictures[0], overwrite_);
  write_file(stem + ".reconstruction.png", pictures[1], overwrite_);
  write_file(stem + ".difference.png", pictures[2], overwrite_);

  const Quality quality = measure(meter_, info, original, copy);
  table_ += figures_row(path, seconds, codes.frames(), quality);
  sections_ += "<h2>" + escape(path) + "</h2>\n" + player("original", wav_bytes(original, info)) +
               player("reconstruction", wav_bytes(copy, info)) + image("original", pictures[0]) +
               image("reconstruction", pictures[1]) + image("difference", pictures[2]) + code_use(codes, info);
}

void Report::finish(const std::string& model) {
  const AudioCodecInfo& info = codec_.info();
  const std::string title = "<h1>" + escape(info.family) + "</h1>\n<p>" + escape(model) + ": " +
                            std::to_string(info.sample_rate) + " Hz, " + number(info.frame_rate(), 2) +
                            " frames a second, " + std::to_string(info.levels) + " levels, " +
                            number(kilobits_per_second(info, info.levels), 3) + " kbit/s</p>\n";
  const std::string table =
      "<table><tr><th>input</th><th>seconds</th><th>frames</th><th>mel distance</th><th>SI-SDR, dB</th><th>SNR, dB</th>"
      "</tr>\n" +
      table_ + "</table>\n";
  write_file((std::filesystem::path(folder_) / "index.html").string(),
             kHead + title + table + kDefinitions + sections_ + "</body></html>\n", overwrite_);
}

}  // namespace tessera::cli
