#include "codec/layers/mel.h"

#include <algorithm>

namespace tessera {
namespace {

constexpr float kFloor = 1e-7F;

PackedWeights pack_bands(Context& context, const MelShape& s) {
  const std::vector<float> filters = mel_filters(s.sample_rate, s.n_fft, s.bands, s.f_min, s.f_max);
  return pack_weights(context, {filters.data(), s.bands, s.n_fft / 2 + 1});
}

}  // namespace

MelFrontEnd::MelFrontEnd(Context& context, const MelShape& shape)
    : shape_(shape),
      basis_(pack_stft(context, shape.n_fft, hann_window(shape.window, shape.n_fft))),
      bands_(pack_bands(context, shape)) {}

MelFrontEnd::State MelFrontEnd::start() const {
  State state;
  if (shape_.causal) {
    state.pending.assign(static_cast<std::size_t>(std::max<std::int64_t>(0, shape_.n_fft - shape_.hop)), 0.0F);
    state.started = true;
  }
  return state;
}

Tensor MelFrontEnd::push(Context& context, State& state, std::span<const float> samples) const {
  state.total += static_cast<std::int64_t>(samples.size());
  state.pending.insert(state.pending.end(), samples.begin(), samples.end());
  if (mirror() != 0) {
    state.recent.insert(state.recent.end(), samples.begin(), samples.end());
    const auto needed = static_cast<std::size_t>(mirror() + 1);
    if (state.recent.size() > needed) state.recent.erase(state.recent.begin(), state.recent.end() - needed);
  }
  if (!state.started && state.total > mirror()) begin(state);
  return frames(context, state);
}

// Puts the mirror image of samples 1…n_fft/2 in front.
void MelFrontEnd::begin(State& state) const {
  const auto count = static_cast<std::size_t>(mirror());
  std::vector<float> image(state.pending.begin() + 1, state.pending.begin() + 1 + count);
  std::reverse(image.begin(), image.end());
  state.pending.insert(state.pending.begin(), image.begin(), image.end());
  state.started = true;
}

Tensor MelFrontEnd::frames(Context& context, State& state) const {
  const auto available = static_cast<std::int64_t>(state.pending.size());
  const bool none = !state.started || available < shape_.n_fft;
  const std::int64_t count = none ? 0 : (available - shape_.n_fft) / shape_.hop + 1;
  Tensor mel = context.scratch({count, shape_.bands});
  if (count == 0) return mel;
  const std::int64_t bins = shape_.n_fft / 2 + 1;
  const Tensor samples = context.scratch({available});
  context.upload(state.pending.data(), samples.bytes(), state.pending.size() * sizeof(float));
  const Tensor spectrum = context.scratch({count, 2 * bins});
  product(context, ConstMatrix(samples.data(), count, shape_.n_fft, shape_.hop), basis_, {}, spectrum);
  const Tensor magnitudes = context.scratch({count, bins});
  magnitude(context, spectrum, magnitudes);
  product(context, ConstMatrix(magnitudes), bands_, {}, mel);
  log_clamped(context, mel, kFloor, mel);
  state.pending.erase(state.pending.begin(), state.pending.begin() + count * shape_.hop);
  return mel;
}

Tensor MelFrontEnd::finish(Context& context, State& state) const {
  if (mirror() == 0 || state.total == 0) return context.scratch({0, shape_.bands});
  if (!state.started) {
    const auto missing = static_cast<std::size_t>(mirror() + 1 - state.total);
    state.pending.insert(state.pending.end(), missing, 0.0F);
    state.recent.insert(state.recent.end(), missing, 0.0F);
    begin(state);
  }
  const auto last = state.recent.rbegin() + 1;
  state.pending.insert(state.pending.end(), last, last + mirror());
  return frames(context, state);
}

}  // namespace tessera
