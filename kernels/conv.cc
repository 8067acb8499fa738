#include "kernels/conv.h"

#include <cstring>

#include "kernels/cuda/twins.h"
#include "kernels/depthwise.h"
#include "kernels/error.h"
#include "kernels/padding.h"
#include "kernels/profile.h"

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
  require(s.in_channels >= 0 && s.out_channels >= 0, "channels must not be negative");
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

// Of a transposed convolution: which kernel element tap `tap` of a phase is; from `kernel` on there is none.
std::int64_t transposed_element(const ConvShape& s, std::int64_t phase, std::int64_t tap) {
  return phase + (s.taps() - 1 - tap) * s.stride;
}

// [phases, taps, channels] of a depthwise kernel.
Tensor pack_depthwise(Context& context, std::span<const float> weight, const ConvShape& s, bool transposed) {
  const std::int64_t phases = transposed ? s.stride : 1;
  const std::int64_t taps = transposed ? s.taps() : s.kernel;
  std::vector<float> packed(static_cast<std::size_t>(phases * taps * s.out_channels));
  for (std::int64_t p = 0; p < phases; ++p) {
    for (std::int64_t j = 0; j < taps; ++j) {
      const std::int64_t k = transposed ? transposed_element(s, p, j) : j;
      for (std::int64_t c = 0; c < s.out_channels && k < s.kernel; ++c) {
        packed[static_cast<std::size_t>((p * taps + j) * s.out_channels + c)] = weight[c * s.kernel + k];
      }
    }
  }
  return upload(context, packed, {phases, taps, s.out_channels});
}

// A part's outputs are (phase, out), its inputs (tap, in).
struct PartSize {
  std::int64_t phases, out, taps, in;
};

// Packs the matrix with elements element(phase, out, tap, in). Sixteen inputs at a time: their kernels, far apart in
// the checkpoint's order, stay in cache until every tap has been read.
template <class Element>
PackedWeights pack_part(Context& context, const PartSize& size, const Element& element, WeightFormat format) {
  const std::int64_t columns = size.taps * size.in;
  const auto rows = std::make_unique_for_overwrite<float[]>(static_cast<std::size_t>(size.phases * size.out * columns));
  const auto fill = [&](std::int64_t o, std::int64_t first, std::int64_t end) {
    for (std::int64_t phase = 0; phase < size.phases; ++phase) {
      for (std::int64_t tap = 0; tap < size.taps; ++tap) {
        float* row = &rows[(phase * size.out + o) * columns + tap * size.in];
        for (std::int64_t i = first; i < end; ++i) row[i] = element(phase, o, tap, i);
      }
    }
  };
  context.parallel_for(size.out, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t o = begin; o < end; ++o) {
      for (std::int64_t i = 0; i < size.in; i += 16) fill(o, i, std::min(i + 16, size.in));
    }
  });
  return pack_weights(context, {rows.get(), size.phases * size.out, columns}, format);
}

}  // namespace

PackedConv pack_conv1d(Context& context, std::span<const float> weight, std::span<const float> bias,
                       const ConvShape& shape, WeightFormat format) {
  check_shape(shape, weight.size(), bias.size());
  PackedConv conv{shape, {}, {}, upload_bias(context, bias, 1)};
  if (is_depthwise(shape)) {
    conv.depthwise = pack_depthwise(context, weight, shape, false);
    return conv;
  }
  const PartSize size{1, shape.out_channels / shape.groups, shape.kernel, shape.in_channels / shape.groups};
  for (std::int64_t g = 0; g < shape.groups; ++g) {
    const auto element = [&](std::int64_t, std::int64_t o, std::int64_t tap, std::int64_t i) {
      return weight[((g * size.out + o) * size.in + i) * shape.kernel + tap];
    };
    conv.parts.push_back({pack_part(context, size, element, format), g * size.in, g * size.out});
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
                                 const ConvShape& s, WeightFormat format) {
  check_shape(s, weight.size(), bias.size());
  require(s.dilation == 1, "a transposed one has dilation 1");
  if (is_depthwise(s)) {
    return {s, {}, pack_depthwise(context, weight, s, true), upload_bias(context, bias, 1)};
  }
  PackedConv conv{s, {}, {}, upload_bias(context, bias, s.stride)};
  // One group: all phases are columns of one product. Several: each group writes its channels of each phase.
  const std::int64_t phases = s.groups == 1 ? s.stride : 1;
  const PartSize size{phases, s.out_channels / s.groups, s.taps(), s.in_channels / s.groups};
  for (std::int64_t part = 0; part < s.groups * s.stride / phases; ++part) {
    const std::int64_t g = part * phases / s.stride;
    const std::int64_t first_phase = part * phases % s.stride;
    const auto element = [&](std::int64_t phase, std::int64_t o, std::int64_t tap, std::int64_t i) {
      const std::int64_t k = transposed_element(s, first_phase + phase, tap);
      return k < s.kernel ? weight[((g * size.in + i) * size.out + o) * s.kernel + k] : 0.0F;
    };
    conv.parts.push_back(
        {pack_part(context, size, element, format), g * size.in, first_phase * s.out_channels + g * size.out});
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
  require(left >= 0 && right >= 0, "padding must not be negative");
  require(out.rows == left + input.rows + right && out.columns == input.columns, "padding: the output's shape");
  require(mode != PadMode::reflect || input.rows > std::max(left, right), "reflect padding needs more frames");
  require(mode == PadMode::zeros || input.rows > 0, "replicate padding needs a frame");
  const Timed timed(context, "framing");
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
