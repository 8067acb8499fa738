#include "cli/clip_writer.h"

#include <algorithm>

#include "cli/signals.h"
#include "cli/usage_error.h"
#include "kernels/error.h"

namespace tessera::cli {
namespace {

constexpr std::int64_t kHeldFrames = 4;  // more than any codec pads

std::unique_ptr<media::AudioWriter> create(const std::string& path, media::SampleFormat format, int sample_rate) {
  media::WriteOptions options;
  options.sample_rate = sample_rate;
  options.sample_format = format;
  try {
    return media::create_audio(path, options);
  } catch (const ArgumentError& error) {
    throw UsageError(error.what());
  }
}

Codes slice(const Codes& codes, std::int64_t first, std::int64_t count) {
  Codes part;
  for (const auto& row : codes.rows) part.rows.emplace_back(row.begin() + first, row.begin() + first + count);
  return part;
}

bool is_rectangular(const Codes& codes) {
  return std::all_of(codes.rows.begin(), codes.rows.end(),
                     [&](const auto& row) { return row.size() == codes.rows.front().size(); });
}

}  // namespace

ClipWriter::ClipWriter(const AudioCodec& codec, Context& context, const std::string& path, media::SampleFormat format,
                       std::int64_t samples, std::int64_t step)
    : path_(path),
      stream_(codec.decode_stream(context)),
      writer_(create(path, format, codec.info().sample_rate)),
      samples_(samples),
      step_(step),
      held_(kHeldFrames * codec.info().hop) {}

void ClipWriter::push(const Codes& codes) {
  const std::int64_t frames = codes.frames();
  const std::int64_t step = step_ > 0 && is_rectangular(codes) ? step_ : std::max<std::int64_t>(1, frames);
  for (std::int64_t first = 0; first < frames; first += step) {
    check_interrupted();
    const std::int64_t count = std::min(step, frames - first);
    take(stream_->push(count == frames ? codes : slice(codes, first, count)));
  }
}

void ClipWriter::take(const std::vector<float>& samples) {
  pending_.insert(pending_.end(), samples.begin(), samples.end());
  const auto ready = static_cast<std::int64_t>(pending_.size());
  put(samples_ >= 0 ? ready : ready - held_);
}

void ClipWriter::put(std::int64_t count) {
  if (count <= 0) return;
  const std::int64_t wanted = samples_ >= 0 ? std::min(count, samples_ - written_) : count;
  if (wanted > 0) writer_->write(pending_.data(), wanted);
  written_ += std::max<std::int64_t>(0, wanted);
  pending_.erase(pending_.begin(), pending_.begin() + count);
}

void ClipWriter::finish(std::int64_t samples) {
  take(stream_->finish());
  samples_ = samples;
  put(static_cast<std::int64_t>(pending_.size()));
}

}  // namespace tessera::cli
