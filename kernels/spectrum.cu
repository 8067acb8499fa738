// Point-wise parts of spectra, one thread a bin; the transforms are products.

#include "kernels/cuda/point.h"
#include "kernels/cuda/twins.h"

namespace tessera::cuda {
namespace {

using L = scalar::Lanes;

struct MagnitudeOne {
  ConstMatrix spectrum;
  Matrix out;
  TESSERA_DEVICE void operator()(std::int64_t row, std::int64_t bin) const {
    const float re = spectrum.data[row * spectrum.row_step + bin];
    const float im = spectrum.data[row * spectrum.row_step + out.columns + bin];
    out.data[row * out.row_step + bin] = L::sqrt(L::fma(re, re, im * im));
  }
};

struct LogOne {
  ConstMatrix x;
  float floor;
  Matrix out;
  TESSERA_DEVICE void operator()(std::int64_t row, std::int64_t column) const {
    const float value = x.data[row * x.row_step + column];
    out.data[row * out.row_step + column] = scalar::log<L>(value < floor ? floor : value);
  }
};

struct PolarOne {
  ConstMatrix x;
  float most;
  Matrix out;
  TESSERA_DEVICE void operator()(std::int64_t row, std::int64_t bin) const {
    const std::int64_t bins = x.columns / 2;
    const float raw = scalar::exp<L>(x.data[row * x.row_step + bin]);
    const float m = most < raw ? most : raw;
    const auto phase = scalar::sincos<L>(x.data[row * x.row_step + bins + bin]);
    out.data[row * out.row_step + bin] = m * phase.cos;
    out.data[row * out.row_step + bins + bin] = m * phase.sin;
  }
};

}  // namespace

void magnitude(ConstMatrix spectrum, Matrix out) { launch_each(out.rows, out.columns, MagnitudeOne{spectrum, out}); }
void log_clamped(ConstMatrix x, float floor, Matrix out) { launch_each(out.rows, out.columns, LogOne{x, floor, out}); }
void spectrum_from_polar(ConstMatrix x, float most, Matrix out) {
  launch_each(out.rows, out.columns / 2, PolarOne{x, most, out});
}

}  // namespace tessera::cuda
