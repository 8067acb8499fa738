#include "codec/audio/segments.h"

#include <algorithm>
#include <cmath>

#include "codec/audio/chunked_stream.h"
#include "kernels/error.h"

namespace tessera {
namespace {

constexpr float kScaleFloor = 1e-8F;

std::vector<float> triangle(std::int64_t length) {
  std::vector<float> weights(static_cast<std::size_t>(length));
  for (std::int64_t i = 0; i < length; ++i) {
    const double t = static_cast<double>(i + 1) / static_cast<double>(length + 1);
    weights[static_cast<std::size_t>(i)] = static_cast<float>(0.5 - std::abs(t - 0.5));
  }
  return weights;
}

std::int64_t segments_over(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

[[noreturn]] void bad_codes(const std::string& what) { throw InputError("bad_codes", "codes: " + what); }

}  // namespace

float segment_scale(std::span<const float> samples, int channels) {
  const std::size_t count = samples.size() / static_cast<std::size_t>(channels);
  double sum = 0;
  for (std::size_t i = 0; i < count; ++i) {
    double mono = 0;
    for (int c = 0; c < channels; ++c)
      mono += samples[i * static_cast<std::size_t>(channels) + static_cast<std::size_t>(c)];
    mono /= channels;
    sum += mono * mono;
  }
  return static_cast<float>(std::sqrt(sum / static_cast<double>(count))) + kScaleFloor;
}

SegmentEncodeStream::SegmentEncodeStream(Context& context, const SegmentShape& shape, int levels, Encode encode)
    : context_(context), shape_(shape), levels_(levels), encode_(std::move(encode)) {}

// Segment offsets are those below the length, so a segment is whole only when it is there to its end.
Codes SegmentEncodeStream::push(std::span<const float> samples) {
  total_ += static_cast<std::int64_t>(samples.size());
  pending_.insert(pending_.end(), samples.begin(), samples.end());
  Codes codes = no_codes(levels_);
  const std::int64_t whole = shape_.length == SegmentShape::kWhole ? shape_.length : shape_.length * shape_.channels;
  while (static_cast<std::int64_t>(pending_.size()) >= whole) encode_first(whole, codes);
  return codes;
}

Codes SegmentEncodeStream::finish() {
  Codes codes = no_codes(levels_);
  while (!pending_.empty()) encode_first(static_cast<std::int64_t>(pending_.size()), codes);
  codes.samples = total_ / shape_.channels;
  return codes;
}

void SegmentEncodeStream::encode_first(std::int64_t values, Codes& codes) {
  context_.check_interrupt();
  std::vector<float> segment(pending_.begin(), pending_.begin() + values);
  const auto stride = shape_.stride == SegmentShape::kWhole ? values : shape_.stride * shape_.channels;
  pending_.erase(pending_.begin(), pending_.begin() + std::min(stride, values));
  Codes part;
  if (shape_.normalize) {
    const float level = segment_scale(segment, shape_.channels);
    for (float& sample : segment) sample /= level;
    part = encode_(segment);
    part.scales = {level};
  } else {
    part = encode_(segment);
  }
  part.chunks = {part.frames()};
  append_codes(codes, part);
}

SegmentDecodeStream::SegmentDecodeStream(Context& context, const SegmentShape& shape, const AudioCodecInfo& info,
                                         Decode decode)
    : context_(context), shape_(shape), info_(info), decode_(std::move(decode)) {}

std::vector<std::int64_t> SegmentDecodeStream::chunks_of(const Codes& codes) const {
  if (!codes.chunks.empty() || codes.frames() == 0) return codes.chunks;
  const std::int64_t whole = segments_over(shape_.length, shape_.hop);
  std::vector<std::int64_t> chunks;
  std::int64_t left = codes.frames();
  for (std::int64_t at = 0; left > 0; at += shape_.stride) {
    const std::int64_t samples =
        codes.samples < 0 ? shape_.length : std::clamp<std::int64_t>(codes.samples - at, 1, shape_.length);
    chunks.push_back(std::min({left, whole, segments_over(samples, shape_.hop)}));
    left -= chunks.back();
  }
  return chunks;
}

float SegmentDecodeStream::scale_of(const Codes& codes, std::size_t chunk) const {
  if (!shape_.normalize) return 1.0F;
  if (chunk >= codes.scales.size()) bad_codes("a scale is missing: this codec has one for each chunk");
  return codes.scales[chunk];
}

std::vector<float> SegmentDecodeStream::push(const Codes& codes) {
  check_codes(info_, codes);
  if (whole()) {
    append_codes(pending_, codes);
    return {};
  }
  return decode_chunks(codes);
}

std::vector<float> SegmentDecodeStream::finish() {
  if (!whole()) return take(last_);
  if (pending_.frames() == 0) return {};
  std::vector<float> samples = decode_(pending_);
  const float scale = scale_of(pending_, 0);
  for (float& sample : samples) sample *= scale;
  return samples;
}

std::vector<float> SegmentDecodeStream::decode_chunks(const Codes& codes) {
  std::vector<float> samples;
  std::int64_t frame = 0;
  const std::vector<std::int64_t> chunks = chunks_of(codes);
  for (std::size_t chunk = 0; chunk < chunks.size(); ++chunk) {
    context_.check_interrupt();
    if (chunks[chunk] <= 0 || frame + chunks[chunk] > codes.frames())
      bad_codes("the chunks do not add up to the frames");
    std::vector<float> segment = decode_(slice_codes(info_, codes, frame, chunks[chunk]));
    const float scale = scale_of(codes, chunk);
    for (float& sample : segment) sample *= scale;
    if (!triangle_.empty()) {
      const std::vector<float> done = take(shape_.stride);
      samples.insert(samples.end(), done.begin(), done.end());
    }
    add(segment);
    frame += chunks[chunk];
  }
  if (frame != codes.frames()) bad_codes("the chunks do not add up to the frames");
  return samples;
}

void SegmentDecodeStream::add(const std::vector<float>& segment) {
  const auto channels = static_cast<std::size_t>(shape_.channels);
  last_ = static_cast<std::int64_t>(segment.size() / channels);
  if (triangle_.empty()) triangle_ = triangle(last_);
  if (last_ > static_cast<std::int64_t>(triangle_.size())) bad_codes("a chunk is longer than the first one");
  if (sum_.size() < segment.size()) sum_.resize(segment.size(), 0.0F);
  weight_.resize(sum_.size() / channels, 0.0F);
  for (std::size_t i = 0; i < segment.size(); ++i) sum_[i] += triangle_[i / channels] * segment[i];
  for (std::size_t i = 0; i < segment.size() / channels; ++i) weight_[i] += triangle_[i];
}

// The first samples, which nothing is added to any more.
std::vector<float> SegmentDecodeStream::take(std::int64_t samples) {
  const auto channels = static_cast<std::size_t>(shape_.channels);
  const auto count = static_cast<std::size_t>(samples);
  if (weight_.size() < count) bad_codes("a chunk before the last one is shorter than the step between chunks");
  std::vector<float> done(sum_.begin(), sum_.begin() + static_cast<std::ptrdiff_t>(count * channels));
  for (std::size_t i = 0; i < done.size(); ++i) done[i] /= weight_[i / channels];
  sum_.erase(sum_.begin(), sum_.begin() + static_cast<std::ptrdiff_t>(done.size()));
  weight_.erase(weight_.begin(), weight_.begin() + static_cast<std::ptrdiff_t>(count));
  return done;
}

}  // namespace tessera
