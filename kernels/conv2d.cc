#include "kernels/conv2d.h"

#include <algorithm>
#include <string>
#include <vector>

#include "kernels/conv2d_job.h"
#include "kernels/cuda/twins.h"
#include "kernels/dispatch.h"
#include "kernels/error.h"
#include "kernels/profile.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/conv2d.cc"
#include <hwy/foreach_target.h>

#include "kernels/activation-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tessera::HWY_NAMESPACE {

/// Group norm and spatial norm of one pixel.
static void norm_pixel(const Conv2dInput& in, std::int64_t row, std::int64_t column, float* out) {
  const std::int64_t channels = in.x.channels;
  const float* scales = in.moments == nullptr ? nullptr : in.moments + channels;
  const auto map_at = [&](const ConstPicture& map) {
    return map.pixel(row / (in.x.rows / map.rows), column / (in.x.columns / map.columns));
  };
  const float* gain = in.gain.data == nullptr ? nullptr : map_at(in.gain);
  const float* shift = in.gain.data == nullptr ? nullptr : map_at(in.shift);
  each_sixteen(in.x.pixel(row, column), channels, [&](Floats y, std::int64_t i, std::int64_t n) TESSERA_INLINE_LAMBDA {
    if (in.moments != nullptr) {
      y = Lanes::mul(Lanes::sub(y, load_first(in.moments + i, n)), load_first(scales + i, n));
      y = Lanes::fma(y, load_first(in.weight + i, n), load_first(in.bias + i, n));
    }
    if (gain != nullptr) y = Lanes::fma(y, load_first(gain + i, n), load_first(shift + i, n));
    store_first(y, out + i, n);
  });
}

/// The pixels of one framed row that come from row `row` of the picture.
template <class Function>
static HWY_INLINE void frame_pixels(const FrameJob& job, std::int64_t row, std::int64_t count, float* out,
                                    const Function& function) {
  const std::int64_t channels = job.input.x.channels;
  const std::int64_t enlarge = job.input.enlarge;
  for (std::int64_t x = 0; x < count; x += enlarge, out += enlarge * channels) {
    norm_pixel(job.input, row, x / enlarge, out);
    map_row(out, channels, out, function);
    const std::int64_t copies = std::min(enlarge, count - x);
    for (std::int64_t i = 1; i < copies; ++i) std::copy_n(out, channels, out + i * channels);
  }
}

static void frame_row(const FrameJob& job, std::int64_t i) {
  const Conv2dInput& in = job.input;
  const std::int64_t channels = in.x.channels;
  float* out = job.out + i * job.pitch * channels;
  const std::int64_t row = job.source_row(i);
  if (row < 0 || row >= in.x.rows * in.enlarge) {
    std::fill_n(out, job.pitch * channels, 0.0F);
    return;
  }
  const std::int64_t count = std::min(in.x.columns * in.enlarge, job.pitch - job.left);
  std::fill_n(out, job.left * channels, 0.0F);
  float* end = out + (job.left + count) * channels;
  std::fill_n(end, (job.pitch - job.left - count) * channels, 0.0F);
  with_activation(in.activation, [&](auto function) HWY_ATTR {
    frame_pixels(job, row / in.enlarge, count, out + job.left * channels, function);
  });
}

void frame_rows(const FrameJob& job, std::int64_t begin, std::int64_t end) {
  for (std::int64_t i = begin; i < end; ++i) frame_row(job, i);
}

}  // namespace tessera::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera {
namespace {

constexpr auto kFrameRows = TESSERA_BUILDS(frame_rows);

void require(bool holds, const char* what) {
  if (!holds) throw ArgumentError(std::string("conv2d: ") + what);
}

void check_map(const ConstPicture& x, const ConstPicture& map) {
  require(map.channels == x.channels && map.rows > 0 && map.columns > 0 && x.rows % map.rows == 0 &&
              x.columns % map.columns == 0,
          "gain and shift have the input's channels, and the input is a whole multiple of them");
}

void check_input(const Conv2dInput& in, const Conv2dShape& s) {
  require(in.x.channels == s.in_channels, "the input's channels are not the weight's");
  require(in.enlarge >= 1, "enlarge is less than one");
  if (in.moments != nullptr) require(in.weight != nullptr && in.bias != nullptr, "a norm has weight and bias");
  if (in.gain.data == nullptr) return;
  require(in.shift.data != nullptr, "gain and shift come together");
  check_map(in.x, in.gain);
  check_map(in.x, in.shift);
}

void check_output(const Conv2dInput& in, const Conv2dShape& s, const Conv2dEpilogue& epilogue, const Picture& out) {
  const std::int64_t columns = in.x.columns * in.enlarge;
  require(out.channels == s.out_channels && out.rows == s.output_rows(in.x.rows * in.enlarge) &&
              out.columns == s.output_columns(columns),
          "the output's shape does not fit");
  require(ConstPicture(out).pitch() >= s.least_pitch(columns), "the output's rows are too close to each other");
  const ConstPicture& residual = epilogue.residual;
  require(residual.data == nullptr || (residual.rows == out.rows && residual.columns == out.columns &&
                                       residual.channels == out.channels && residual.row_step == out.row_step),
          "the residual is not shaped as the output");
}

bool plain(const Conv2dInput& in) {
  return in.moments == nullptr && in.gain.data == nullptr && in.activation == Activation::none && in.enlarge == 1;
}

bool point_wise(const Conv2dShape& s) {
  return s.kernel == 1 && s.stride == 1 && s.top == 0 && s.left == 0 && s.bottom == 0 && s.right == 0;
}

FrameJob frame_job(const Conv2dInput& in, const Conv2dShape& s, const Picture& out) {
  const bool strided = s.stride > 1;
  return {in,
          s.top,
          s.left,
          s.stride,
          strided ? s.kernel : 1,
          strided ? out.rows : out.rows + s.kernel - 1,
          s.stride * ConstPicture(out).pitch(),
          s.kernel - 1,
          nullptr};
}

void frame(Context& context, const FrameJob& job) {
  const Timed timed(context, "framing");
  if (context.device().is_cuda()) return cuda::frame_picture(job);
  if (context.measures()) return;
  const std::int64_t channels = job.input.x.channels;
  std::fill_n(job.out + job.rows() * job.pitch * channels, job.tail * channels, 0.0F);
  context.parallel_for(job.rows(), row_grain(job.pitch * channels),
                       [&, rows = build_for(context, kFrameRows)](auto begin, auto end) { rows(job, begin, end); });
}

// One row of the product for each pixel of the output, those behind its rows included.
Rows framed_rows(const FrameJob& job, const Conv2dShape& s, const Picture& out) {
  Rows rows;
  rows.data = job.out;
  rows.count = out.flat().rows;
  rows.step = s.stride * s.in_channels;
  rows.run_length = s.kernel * s.in_channels;
  rows.runs = s.kernel;
  rows.run_step = (job.planes > 1 ? job.plane_rows : 1) * job.pitch * s.in_channels;
  return rows;
}

}  // namespace

std::int64_t Conv2dShape::least_pitch(std::int64_t columns) const noexcept {
  const std::int64_t read = stride * (output_columns(columns) - 1) + kernel;
  return stride > 1 ? (read + stride - 1) / stride : std::max(output_columns(columns), columns + std::max(left, right));
}

PackedConv2d pack_conv2d(Context& context, std::span<const float> weight, std::span<const float> bias,
                         const Conv2dShape& s, WeightFormat format) {
  require(s.kernel > 0 && s.stride > 0 && s.in_channels > 0 && s.out_channels > 0, "sizes must be positive");
  require(s.top >= 0 && s.left >= 0 && s.bottom >= 0 && s.right >= 0, "pads must not be negative");
  const std::int64_t taps = s.kernel * s.kernel;
  require(static_cast<std::int64_t>(weight.size()) == s.in_channels * s.out_channels * taps,
          "the weight's size is not out * in * kernel * kernel");
  require(bias.empty() || static_cast<std::int64_t>(bias.size()) == s.out_channels, "the bias's size is not out");
  std::vector<float> rows;
  rows.reserve(weight.size());
  for (std::int64_t out = 0; out < s.out_channels; ++out) {
    for (std::int64_t tap = 0; tap < taps; ++tap) {
      for (std::int64_t in = 0; in < s.in_channels; ++in)
        rows.push_back(weight[(out * s.in_channels + in) * taps + tap]);
    }
  }
  PackedConv2d conv{s, pack_weights(context, {rows.data(), s.out_channels, taps * s.in_channels}, format), {}};
  if (!bias.empty()) {
    conv.bias = context.allocate({s.out_channels});
    context.upload(bias.data(), conv.bias.bytes(), bias.size() * sizeof(float));
  }
  return conv;
}

void conv2d(Context& context, const Conv2dInput& input, const PackedConv2d& conv, const Conv2dEpilogue& epilogue,
            Picture out) {
  const Conv2dShape& s = conv.shape;
  check_input(input, s);
  check_output(input, s, epilogue, out);
  if (out.rows == 0 || out.columns == 0) return;
  Epilogue after;
  after.bias = conv.bias.data();
  after.activation = epilogue.activation;
  if (epilogue.residual.data != nullptr) after.residual = epilogue.residual.flat();
  if (point_wise(s) && plain(input) && input.x.pitch() == ConstPicture(out).pitch()) {
    return product(context, input.x.flat(), conv.weights, after, out.flat());
  }
  FrameJob job = frame_job(input, s, out);
  const Tensor framed = context.scratch({job.size()});
  job.out = framed.data();
  frame(context, job);
  product(context, framed_rows(job, s, out), conv.weights, after, out.flat());
}

}  // namespace tessera
#endif
