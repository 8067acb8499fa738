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

}  // namespace

AudioSource::AudioSource(Context& context, const std::string& path, int sample_rate, const SourceOptions& options)
    : path_(path), reader_(open_reader(path, options)), resampler_(context, info().sample_rate, sample_rate) {}

bool AudioSource::next(double seconds, std::vector<float>& out) {
  out.clear();
  if (ended_) return false;
  const auto frames = std::max<std::int64_t>(1, std::llround(std::ceil(seconds * info().sample_rate)));
  block_.clear();
  const std::int64_t count = reader_->read(frames, block_);
  ended_ = count == 0;
  any_ = any_ || count > 0;
  if (!any_) throw InputError("empty_media", path_ + ": the file holds no samples");
  if (ended_) {
    out = resampler_.finish();
    return true;
  }
  media::fold_to_mono(block_.data(), count, info().channels, block_.data());
  out = resampler_.push({block_.data(), static_cast<std::size_t>(count)});
  return true;
}

}  // namespace tessera::cli
