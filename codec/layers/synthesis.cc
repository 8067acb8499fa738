#include "codec/layers/synthesis.h"

#include <algorithm>

#include "kernels/spectrum.h"

namespace tessera {
namespace {

// Keeps a wild log-magnitude from overflowing (Vocos).
constexpr float kMostMagnitude = 100.0F;

}  // namespace

Synthesis::Synthesis(Context& context, Checkpoint& checkpoint, const std::string& name, const SynthesisShape& shape)
    : shape_(shape),
      window_(hann_window(shape.n_fft, shape.n_fft)),
      out_(context, checkpoint, {{name + ".out.weight", name + ".out.bias", 2 * (shape.n_fft / 2 + 1)}}, shape.width),
      overlap_(pack_inverse_stft(context, shape.n_fft, shape.hop, window_)) {}

std::vector<float> Synthesis::push(Context& context, State& state, ConstMatrix x) const {
  const Tensor polar = out_.forward(context, x);
  const Tensor spectrum = context.scratch(polar.shape());
  spectrum_from_polar(context, polar, kMostMagnitude, spectrum);
  const Tensor added = overlap_.advance(context, state.overlap, spectrum);
  state.frames += x.rows;
  return normalise(context, state, added, state.added + added.dim(0), -1);
}

std::vector<float> Synthesis::finish(Context& context, State& state) const {
  if (state.frames == 0) return {};
  const std::int64_t extra = overlap_.shape().taps() - 1;
  const Tensor none = context.scratch({0, overlap_.shape().in_channels});
  const Tensor added = overlap_.advance(context, state.overlap, none, extra);
  const std::int64_t end = (state.frames - 1) * shape_.hop + shape_.n_fft - shape_.trim();
  return normalise(context, state, added, end, state.frames);
}

// Drops the trimmed samples and divides by the windows that overlap under each of the others.
std::vector<float> Synthesis::normalise(Context& context, State& state, const Tensor& added, std::int64_t end,
                                        std::int64_t frames) const {
  const std::int64_t first = std::max(state.added, shape_.trim());
  const std::int64_t skipped = first - state.added;
  const std::int64_t count = std::min(end, state.added + added.dim(0)) - first;
  state.added += added.dim(0);
  if (count <= 0) return {};
  std::vector<float> samples(static_cast<std::size_t>(count));
  context.download(added.bytes() + static_cast<std::size_t>(skipped) * sizeof(float), samples.data(),
                   samples.size() * sizeof(float));
  const std::vector<float> envelope = window_envelope(window_, shape_.hop, first, count, frames);
  for (std::size_t i = 0; i < samples.size(); ++i) samples[i] /= envelope[i];
  return samples;
}

}  // namespace tessera
