#include "cli/clip_writer.h"

#include <algorithm>

#include "cli/signals.h"
#include "cli/usage_error.h"
#include "codec/audio/chunked_stream.h"
#include "kernels/error.h"

namespace tessera::cli {
namespace {

constexpr std::int64_t kHeldFrames = 4;

/// More samples than the codec pads: a few frames, or as many as a frame waits for in a window of attention.
std::int64_t held_samples(const AudioCodecInfo& codec) { return kHeldFrames * codec.hop + codec.encode_latency; }

std::unique_ptr<media::AudioWriter> create(const std::string& path, media::WriteOptions options,
                                           const AudioCodecInfo& codec) {
  options.sample_rate = codec.sample_rate;
  options.channels = codec.channels;
  try {
    return media::create_audio(path, options);
  } catch (const ArgumentError& error) {
    throw UsageError(error.what());
  }
}

}  // namespace

ClipWriter::ClipWriter(const AudioCodec& codec, Context& context, const std::string& path,
                       const media::WriteOptions& options, std::int64_t samples, std::int64_t step)
    : codec_(codec.info()),
      path_(path),
      stream_(codec.decode_stream(context)),
      writer_(create(path, options, codec_)),
      samples_(samples),
      step_(step),
      held_(held_samples(codec_)) {}

/// Frames of row 0 to decode at once: of each chunk, of a step, or all when only the codec can find the chunks.
std::vector<std::int64_t> ClipWriter::pieces_of(const Codes& codes) const {
  if (!codes.chunks.empty()) return codes.chunks;
  const std::int64_t frames = codes.frames();
  if (codec_.segmented) return {frames};
  std::vector<std::int64_t> pieces(static_cast<std::size_t>(frames / step_), step_);
  if (frames % step_ != 0) pieces.push_back(frames % step_);
  return pieces;
}

void ClipWriter::push(const Codes& codes) {
  const std::vector<std::int64_t> pieces = pieces_of(codes);
  if (pieces.size() == 1) return take(stream_->push(codes));
  std::int64_t first = 0;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    check_interrupted();
    Codes piece = slice_codes(codec_, codes, first, pieces[i]);
    if (!codes.chunks.empty()) piece.chunks = {pieces[i]};
    if (!codes.scales.empty()) piece.scales = {codes.scales[i]};
    take(stream_->push(piece));
    first += pieces[i];
  }
}

void ClipWriter::take(const std::vector<float>& samples) {
  pending_.insert(pending_.end(), samples.begin(), samples.end());
  const auto ready = static_cast<std::int64_t>(pending_.size()) / codec_.channels;
  put(samples_ >= 0 ? ready : ready - held_);
}

void ClipWriter::put(std::int64_t count) {
  if (count <= 0) return;
  const std::int64_t wanted = samples_ >= 0 ? std::min(count, samples_ - written_) : count;
  if (wanted > 0) writer_->write(pending_.data(), wanted);
  written_ += std::max<std::int64_t>(0, wanted);
  pending_.erase(pending_.begin(), pending_.begin() + count * codec_.channels);
}

void ClipWriter::finish(std::int64_t samples) {
  take(stream_->finish());
  samples_ = samples;
  put(static_cast<std::int64_t>(pending_.size()) / codec_.channels);
}

}  // namespace tessera::cli
