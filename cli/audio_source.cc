#include "cli/audio_source.h"

#include <algorithm>
#include <cmath>

#include "kernels/error.h"
#include "media/channels.h"

namespace tessera::cli {
namespace {

std::unique_ptr<media::AudioReader> open_reader(const std::string& path, const SourceOptions& options) {
  return options.raw ? media::open_raw(path, *options.raw, options.read) : media::open_audio(path, options.read);
}

/// One signal is the same in every channel.
std::vector<float> interleave(std::vector<std::vector<float>> signals, int channels) {
  if (channels == 1) return std::move(signals.front());
  const auto frames = static_cast<std::int64_t>(signals.front().size());
  std::vector<float> interleaved(static_cast<std::size_t>(frames) * static_cast<std::size_t>(channels));
  for (int channel = 0; channel < channels; ++channel) {
    const auto& signal = signals.size() == 1 ? signals.front() : signals[static_cast<std::size_t>(channel)];
    media::put_channel(signal.data(), frames, channels, channel, interleaved.data());
  }
  return interleaved;
}

}  // namespace

AudioSource::AudioSource(Context& context, const std::string& path, const AudioCodecInfo& codec,
                         const SourceOptions& options)
    : path_(path), reader_(open_reader(path, options)), channels_(codec.channels) {
  if (channels_ != 1 && info().channels != 1 && info().channels != channels_) {
    throw InputError("unsupported_channels", path_ + ": " + std::to_string(info().channels) +
                                                 " channels do not fit a codec of " + std::to_string(channels_) +
                                                 ": mix them to " + std::to_string(channels_) + " or to mono first");
  }
  add_resamplers(context, codec.sample_rate);
}

void AudioSource::add_resamplers(Context& context, int sample_rate) {
  const int count = info().channels == 1 ? 1 : channels_;
  try {
    for (int i = 0; i < count; ++i) resamplers_.emplace_back(context, info().sample_rate, sample_rate);
  } catch (const ArgumentError&) {
    throw InputError("unsupported_rate", path_ + ": sound at " + std::to_string(info().sample_rate) +
                                             " Hz cannot be resampled to " + std::to_string(sample_rate) +
                                             " Hz: the ratio needs too long a filter; convert the file to a common "
                                             "rate such as 48000 Hz first");
  }
}

std::vector<float> AudioSource::convert(std::int64_t frames, std::size_t channel) {
  if (frames == 0) return resamplers_[channel].finish();
  channel_.resize(static_cast<std::size_t>(frames));
  if (channels_ == 1) {
    media::fold_to_mono(block_.data(), frames, info().channels, channel_.data());
  } else {
    media::take_channel(block_.data(), frames, info().channels, static_cast<int>(channel), channel_.data());
  }
  return resamplers_[channel].push(channel_);
}

bool AudioSource::next(double seconds, std::vector<float>& out) {
  out.clear();
  if (ended_) return false;
  const auto frames = std::max<std::int64_t>(1, std::llround(std::ceil(seconds * info().sample_rate)));
  block_.clear();
  const std::int64_t count = reader_->read(frames, block_);
  ended_ = count == 0;
  any_ = any_ || count > 0;
  if (!any_) throw InputError("empty_media", path_ + ": the file holds no samples");
  std::vector<std::vector<float>> signals;
  for (std::size_t channel = 0; channel < resamplers_.size(); ++channel) signals.push_back(convert(count, channel));
  out = interleave(std::move(signals), channels_);
  return true;
}

}  // namespace tessera::cli
