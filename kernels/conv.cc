#include "kernels/conv.h"

#include <cstring>

#include "kernels/cuda/twins.h"
#include "kernels/depthwise.h"
#include "kernels/error.h"
#include "kernels/padding.h"

namespace tessera {
namespace {

void require(bool holds, const std::string& what) {
  if (!holds) throw ArgumentError("convolution: " + what);
}

bool is_depthwise(const ConvShape& s) {
  return s.groups > 1 && s.groups == s.in_channels && s.groups == s.out_channels;
}

void check_shape(const ConvShape& s, std::size_t weights, std::size_t bias) {
  require(s.kernel > 0 && s.stride > 0 && s.dilation > 0 && s.groups > 0, "sizes must be positive");
  require(s.in_channels % s.groups == 0 && s.out_channels % s.groups == 0, "groups must divide the channels");
  const std::int64_t count = s.in_channels * s.out_channels / s.groups * s.kernel;
  require(static_cast<std::int64_t>(weights) == count, "the weight's size is not in * out / groups * kernel");
  require(bias == 0 || static_cast<std::int64_t>(bias) == s.out_channels, "the bias's size is not out");
}

Tensor upload(Context& context, const std::vector<float>& values, Shape shape) {
  Tensor tensor = context.allocate(std::move(shape));
  context.upload(values.data(), tensor.bytes(), values.size() * sizeof(float));
  return tensor;
}

// `bias` once for each phase.
Tensor upload_bias(Context& context, std::span<const float> bias, std::int64_t phases) {
  std::vector<float> repeated;
  for (std::int64_t p = 0; p < phases && !bias.empty(); ++p) repeated.insert(repeated.end(), bias.begin(), bias.end());
  if (repeated.empty()) return {};
  return upload(context, repeated, {static_cast<std::int64_t>(repeated.size())});
}

// Rows of `shape.extent()` frames: one contiguous run, or one run a tap.
Rows frame_rows(ConstMatrix x, const ConvPart& part, std::int64_t channels, std::int64_t taps, std::int64_t stride,
                std::int64_t dilation, std::int64_t count) {
  Rows rows;
  rows.data = x.data + part.in_offset;
  rows.count = count;
  rows.step = stride * x.row_step;
  const bool contiguous = dilation * x.row_step == channels;
  rows.run_length = contiguous ? taps * channels : channels;
  rows.runs = contiguous ? 1 : taps;
  rows.run_step = dilation * x.row_step;
  return rows;
}

Epilogue from_column(Epilogue e, const Tensor& bias, std::int64_t column, std::int64_t columns) {
  if (!bias.empty()) e.bias = bias.data() + column;
  if (e.scale != nullptr) e.scale += column;
  if (e.residual.data != nullptr) e.residual = e.residual.columns_from(column, columns);
  return e;
}

// [phases, taps, channels] of a depthwise kernel; tap j of phase p is kernel element p + (taps - 1 - j) * phases for a
// transposed convolution, j for an ordinary one.
Tensor pack_depthwise(Context& context, std::span<const float> weight, const ConvShape& s, bool transposed) {
  const std::int64_t phases = transposed ? s.stride : 1;
  const std::int64_t taps = transposed ? s.taps() : s.kernel;
  std::vector<float> packed(static_cast<std::size_t>(phases * taps * s.out_channels));
  for (std::int64_t p = 0; p < phases; ++p) {
    for (std::int64_t j = 0; j < taps; ++j) {
      const std::int64_t k = transposed ? p + (taps - 1 - j) * phases : j;
      for (std::int64_t c = 0; c < s.out_channels && k < s.kernel; ++c) {
        packed[static_cast<std::size_t>((p * taps + j) * s.out_channels + c)] = weight[c * s.kernel + k];
      }
    }
  }
  return upload(context, packed, {phases, taps, s.out_channels});
}

}  // namespace

PackedConv pack_conv1d(Context& context, std::span<const float> weight, std::span<const float> bias,
                       const ConvShape& shape, DType storage) {
  check_shape(shape, weight.size(), bias.size());
  PackedConv conv{shape, {}, {}, upload_bias(context, bias, 1)};
  if (is_depthwise(shape)) {
    conv.depthwise = pack_depthwise(context, weight, shape, false);
    return conv;
  }
  const std::int64_t in = shape.in_channels / shape.groups;
  const std::int64_t out = shape.out_channels / shape.groups;
  std::vector<float> rows(static_cast<std::size_t>(out * shape.kernel * in));
  for (std::int64_t g = 0; g < shape.groups; ++g) {
    for (std::int64_t o = 0; o < out; ++o) {
      for (std::int64_t i = 0; i < in; ++i) {
        for (std::int64_t k = 0; k < shape.kernel; ++k) {
          rows[(o * shape.kernel + k) * in + i] = weight[((g * out + o) * in + i) * shape.kernel + k];
        }
      }
    }
    conv.parts.push_back({pack_weights(context, {rows.data(), out, shape.kernel * in}, storage), g * in, g * out});
  }
  return conv;
}

void conv1d(Context& context, ConstMatrix x, const PackedConv& conv, const Epilogue& epilogue, Matrix out) {
  const ConvShape& s = conv.shape;
  require(x.columns == s.in_channels, "the input's channels are not the weight's");
  require(out.rows == s.output_frames(x.rows) && out.columns == s.out_channels, "the output's shape does not fit");
  require(epilogue.bias == nullptr, "the bias is the packed one");
  if (!conv.depthwise.empty()) {
    require(epilogue.scale == nullptr && epilogue.residual.data == nullptr, "depthwise takes an activation only");
    return depthwise(context, {x, conv.depthwise.data(), 1, s.kernel, s.stride, s.dilation, conv.bias.data(),
                               epilogue.activation, out});
  }
  const std::int64_t in = s.in_channels / s.groups;
  for (const ConvPart& part : conv.parts) {
    const std::int64_t columns = part.weights.outputs;
    product(context, frame_rows(x, part, in, s.kernel, s.stride, s.dilation, out.rows), part.weights,
            from_column(epilogue, conv.bias, part.out_offset, columns), out.columns_from(part.out_offset, columns));
  }
}

PackedConv pack_conv_transpose1d(Context& context, std::span<const float> weight, std::span<const float> bias,
                                 const ConvShape& s, DType storage) {
  check_shape(s, weight.size(), bias.size());
  require(s.dilation == 1, "a transposed one has dilation 1");
  if (is_depthwise(s)) {
    return {s, {}, pack_depthwise(context, weight, s, true), upload_bias(context, bias, 1)};
  }
  PackedConv conv{s, {}, {}, upload_bias(context, bias, s.stride)};
  const std::int64_t in = s.in_channels / s.groups;
  const std::int64_t out = s.out_channels / s.groups;
  const std::int64_t taps = s.taps();
  // One group: all phases are columns of one product. Several: each group writes its channels of each phase.
  const std::int64_t phases = s.groups == 1 ? s.stride : 1;
  std::vector<float> rows(static_cast<std::size_t>(phases * out * taps * in));
  for (std::int64_t part = 0; part < s.groups * s.stride / phases; ++part) {
    const std::int64_t g = s.groups == 1 ? 0 : part / s.stride;
    const std::int64_t first_phase = s.groups == 1 ? 0 : part % s.stride;
    std::fill(rows.begin(), rows.end(), 0.0F);
    for (std::int64_t p = 0; p < phases; ++p) {
      for (std::int64_t j = 0; j < taps; ++j) {
        const std::int64_t k = first_phase + p + (taps - 1 - j) * s.stride;
        for (std::int64_t o = 0; o < out && k < s.kernel; ++o) {
          for (std::int64_t i = 0; i < in; ++i) {
            rows[((p * out + o) * taps + j) * in + i] = weight[((g * in + i) * out + o) * s.kernel + k];
          }
        }
      }
    }
    conv.parts.push_back({pack_weights(context, {rows.data(), phases * out, taps * in}, storage), g * in,
                          first_phase * s.out_channels + g * out});
  }
  return conv;
}

void conv_transpose1d(Context& context, ConstMatrix x, const PackedConv& conv, Activation activation, Matrix out) {
  const ConvShape& s = conv.shape;
  const std::int64_t taps = s.taps();
  const std::int64_t steps = std::max<std::int64_t>(0, x.rows - taps + 1);
  require(x.columns == s.in_channels, "the input's channels are not the weight's");
  require(out.rows == steps * s.stride && out.columns == s.out_channels && out.row_step == out.columns,
          "the output's shape does not fit");
  if (!conv.depthwise.empty()) {
    return depthwise(context, {x, conv.depthwise.data(), s.stride, taps, 1, 1, conv.bias.data(), activation, out});
  }
  const Matrix phases(out.data, steps, s.stride * s.out_channels);
  Epilogue epilogue;
  epilogue.activation = activation;
  for (const ConvPart& part : conv.parts) {
    const std::int64_t columns = part.weights.outputs;
    product(context, frame_rows(x, part, s.in_channels / s.groups, taps, 1, 1, steps), part.weights,
            from_column(epilogue, conv.bias, part.out_offset, columns), phases.columns_from(part.out_offset, columns));
  }
}

void pad_frames(Context& context, ConstMatrix input, std::int64_t left, std::int64_t right, PadMode mode, Matrix out) {
  require(out.rows == left + input.rows + right && out.columns == input.columns, "padding: the output's shape");
  require(mode != PadMode::reflect || input.rows > std::max(left, right), "reflect padding needs more frames");
  require(mode == PadMode::zeros || input.rows > 0, "replicate padding needs a frame");
  if (context.device().is_cuda()) return cuda::pad_frames(input, left, mode, out);
  for (std::int64_t r = 0; r < out.rows; ++r) {
    const std::int64_t from = padded_source(r - left, input.rows, mode);
    const std::size_t bytes = static_cast<std::size_t>(out.columns) * sizeof(float);
    if (from < 0) {
      std::memset(out.row(r), 0, bytes);
    } else {
      std::memcpy(out.row(r), input.row(from), bytes);
    }
  }
}

}  // namespace tessera
