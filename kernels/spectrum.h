#pragma once

#include <cstdint>
#include <vector>

#include "kernels/conv.h"

namespace tessera {

/// Periodic Hann window of `length`, in the middle of `n_fft` zeros (as torch.stft centres a shorter window).
[[nodiscard]] std::vector<float> hann_window(std::int64_t length, std::int64_t n_fft);

/// Short-time Fourier transform as a product: rows are overlapping frames of n_fft samples (row step = hop), outputs
/// the bins' real parts, then their imaginary parts: [frames, 2 (n_fft/2 + 1)]. The window is folded into the basis.
[[nodiscard]] PackedWeights pack_stft(Context& context, std::int64_t n_fft, const std::vector<float>& window);

/// Its inverse before overlap-add is undone, as a transposed convolution from [frames, 2 (n_fft/2 + 1)] to samples:
/// irfft (imaginary parts of the first and last bin ignored), times the window, added at steps of `hop`.
[[nodiscard]] PackedConv pack_inverse_stft(Context& context, std::int64_t n_fft, std::int64_t hop,
                                           const std::vector<float>& window);

/// HTK mel filters without area normalisation, [n_mels, n_fft/2 + 1]: triangles between n_mels + 2 points spaced
/// evenly in mel = 2595 log10(1 + f/700) from f_min to f_max (Hz), as torchaudio.functional.melscale_fbanks.
[[nodiscard]] std::vector<float> mel_filters(int sample_rate, std::int64_t n_fft, std::int64_t n_mels, double f_min,
                                             double f_max);

/// out[t, b] = sqrt(fma(re, re, im * im)); spectrum [frames, 2 bins], out [frames, bins].
void magnitude(Context& context, ConstMatrix spectrum, Matrix out);

/// out = ln(max(x, floor)), NaN for NaN; in place allowed.
void log_clamped(Context& context, ConstMatrix x, float floor, Matrix out);

/// From log-magnitudes and phases to a spectrum: out[t, b] = m cos p, out[t, bins + b] = m sin p with
/// m = min(e^x[t, b], most), p = x[t, bins + b] in radians. [frames, 2 bins] each, not in place.
void spectrum_from_polar(Context& context, ConstMatrix x, float most, Matrix out);

/// Sums of squared window values that overlap-add puts under each of `count` samples from absolute sample `first`
/// (0 = the first sample of frame 0), when `frames` frames (-1: not known yet, no end) are added at steps of `hop`.
/// Throws ArgumentError when hop is not positive or count negative.
[[nodiscard]] std::vector<float> window_envelope(const std::vector<float>& window, std::int64_t hop, std::int64_t first,
                                                 std::int64_t count, std::int64_t frames);

}  // namespace tessera
