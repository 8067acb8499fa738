#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "cli/audio_source.h"
#include "cli/bench.h"
#include "cli/bench_agreement.h"
#include "cli/figure.h"
#include "cli/picture_model.h"
#include "cli/session.h"
#include "cli/signals.h"

namespace tessera::cli {
namespace {

using nlohmann::ordered_json;

constexpr double kSyntheticSeconds = 10;

struct Clip {
  std::string name;
  std::vector<float> samples;  // channels interleaved
};

double seconds_of(const Clip& clip, const AudioCodecInfo& codec) {
  return static_cast<double>(clip.samples.size()) / codec.channels / codec.sample_rate;
}

/// A gliding tone with overtones and a little noise, which differs between channels: something of everything a codec
/// meets.
Clip synthetic_clip(const AudioCodecInfo& codec) {
  const int rate = codec.sample_rate * codec.channels;
  Clip clip{"synthetic", std::vector<float>(static_cast<std::size_t>(kSyntheticSeconds * rate))};
  std::uint32_t noise = 1;
  double phase = 0;
  for (std::size_t i = 0; i < clip.samples.size(); ++i) {
    const double t = static_cast<double>(i) / rate;
    phase += 2 * M_PI * (150 + 50 * std::sin(t)) / rate;
    noise = noise * 1664525 + 1013904223;
    const double hiss = static_cast<double>(noise >> 16) / 65536 - 0.5;
    clip.samples[i] = static_cast<float>(0.2 * std::sin(phase) + 0.1 * std::sin(3 * phase) + 0.02 * hiss);
  }
  return clip;
}

Clip read_clip(Context& context, const std::string& path, const AudioCodecInfo& codec) {
  AudioSource source(context, path, codec, {});
  Clip clip{path, {}};
  std::vector<float> block;
  while (source.next(2, block)) clip.samples.insert(clip.samples.end(), block.begin(), block.end());
  return clip;
}

/// Seconds from the first sample of a live stream until codes come out, the sound's own time left out: the work.
double first_frame_work(const AudioCodec& codec, Context& context, const Clip& clip) {
  const auto hop = static_cast<std::size_t>(codec.info().hop) * static_cast<std::size_t>(codec.info().channels);
  return best_seconds([&] {
    const auto encoder = codec.encode_stream(context);
    std::size_t at = 0;
    while (at + hop <= clip.samples.size()) {
      const Codes codes = encoder->push({clip.samples.data() + at, hop});
      at += hop;
      if (codes.frames() > 0) break;
    }
  });
}

void bench_stream(const AudioCodec& codec, Context& context, const Clip& clip, const BenchPrinter& printer) {
  const AudioCodecInfo& info = codec.info();
  const double wait = static_cast<double>(info.hop + info.encode_latency) / info.sample_rate;
  printer.print_result({{"bench", "stream"},
                        {"threads", context.threads()},
                        {"streams", info.streams},
                        {"first_frame_of_sound_s", rounded(wait)},
                        {"first_frame_work_s", rounded(first_frame_work(codec, context, clip))}});
}

void bench_clip(const AudioCodec& codec, Context& context, const Clip& clip, bool operations,
                const BenchPrinter& printer) {
  const double seconds = seconds_of(clip, codec.info());
  const auto bench = [&](const std::string& name, const std::function<void()>& work) {
    const double time = best_seconds(work);
    printer.print_result({{"bench", name},
                          {"threads", context.threads()},
                          {"clip_s", rounded(seconds)},
                          {"s", rounded(time)},
                          {"times_real_time", std::round(seconds / time * 10) / 10}});
    if (operations) bench_operations(context, name, work, printer);
  };
  Codes codes;
  bench("encode " + clip.name, [&] { codes = encode(codec, context, clip.samples); });
  bench("decode " + clip.name, [&] { (void)decode(codec, context, codes); });
}

/// Fast math beside exact math; nothing when fast is what this machine has not.
void bench_agreement(const CommonOptions& options, const Session& session, const std::vector<Clip>& clips,
                     const BenchPrinter& printer) {
  if (session.context->math() == Math::exact) return;
  CommonOptions as_exact = options;
  as_exact.math = "exact";
  const Session exact = open_session(as_exact);
  for (const Clip& clip : clips) {
    Agreement of;
    of.exact_codes = encode(*exact.codec, *exact.context, clip.samples);
    of.fast_codes = encode(*session.codec, *session.context, clip.samples);
    of.exact_samples = decode(*exact.codec, *exact.context, of.exact_codes);
    of.fast_samples = decode(*session.codec, *session.context, of.exact_codes);
    printer.print_result(describe_agreement(clip.name, *session.context, of));
  }
}

}  // namespace

void bench_codec(const CommonOptions& options, const std::vector<std::string>& files, const BenchPrinter& printer) {
  if (is_picture_model(options)) return bench_pictures(options, files, printer);
  const std::string path = model_path(options);
  const auto start = std::chrono::steady_clock::now();
  const Session session = open_session(options);
  const double first = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const double again = best_seconds([&] { (void)load_audio_codec(*session.context, path); }, 0);
  const AudioCodecInfo& info = session.codec->info();
  printer.print_result({{"bench", "load"},
                        {"model", path},
                        {"family", info.family},
                        {"parameters", info.parameters},
                        {"first_s", rounded(first)},
                        {"again_s", rounded(again)}});
  std::vector<Clip> clips;
  for (const std::string& file : files) clips.push_back(read_clip(*session.context, file, info));
  if (clips.empty()) clips.push_back(synthetic_clip(info));
  bench_agreement(options, session, clips, printer);
  const int most = thread_count(options);
  std::set<int> counts = {most};
  for (int threads = 1; options.threads == 0 && threads < most; threads *= 2) counts.insert(threads);
  for (const int threads : counts) {
    const auto context = make_context(options, threads);
    for (const Clip& clip : clips) bench_clip(*session.codec, *context, clip, options.verbose, printer);
    bench_stream(*session.codec, *context, clips.front(), printer);
  }
}

}  // namespace tessera::cli
