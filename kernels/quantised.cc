#include "kernels/quantised.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

#include "kernels/narrow.h"

namespace tessera::quantised {
namespace {

constexpr std::uint32_t kMagnitude = 0x7fffffff;
// Kernels multiply scales of 4 bits by numbers just above 2^15.
constexpr float kScaleEnd = 0x1p112F;

// As integers, magnitudes are ordered like the floats and NaN is above all: a maximum that compilers vectorise.
std::uint32_t largest_magnitude(const float* weights, std::int64_t count) {
  std::uint32_t most = 0;
  for (std::int64_t i = 0; i < count; ++i) most = std::max(most, std::bit_cast<std::uint32_t>(weights[i]) & kMagnitude);
  return most;
}

// The first weight of that magnitude.
float weight_of(const float* weights, std::uint32_t magnitude) {
  while ((std::bit_cast<std::uint32_t>(*weights) & kMagnitude) != magnitude) ++weights;
  return *weights;
}

float scale_of(const float* weights, std::int64_t count, int bits) {
  const std::uint32_t most = largest_magnitude(weights, count);
  return bits == 8 ? std::bit_cast<float>(most) / 127.0F : weight_of(weights, most) / -8.0F;
}

void write_codes(const Group& group, std::int64_t count, int bits, std::byte* codes, std::int64_t first,
                 std::int64_t lane) {
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t k = first + i;
    if (bits == 8) {
      codes[k * 16 + lane] = static_cast<std::byte>(group.codes[i]);
    } else {
      std::byte& at = codes[(k / kOctet * 16 + lane) * 4 + k % kOctet / 2];
      at |= static_cast<std::byte>((group.codes[i] + kBias4) << k % 2 * 4);
    }
  }
}

// One output's part of a panel.
void fill_lane(const float* weights, std::int64_t depth, int bits, std::byte* panel, std::int64_t lane) {
  for (std::int64_t k = 0; k < depth; k += kGroup) {
    const std::int64_t count = std::min(kGroup, depth - k);
    const Group group = quantise(weights + k, count, bits);
    std::memcpy(panel + (k / kGroup * 16 + lane) * 2, &group.scale, 2);
    write_codes(group, count, bits, panel + scale_bytes(depth), k, lane);
  }
}

void fill(Context& context, const PackedWeights& packed, const WeightSource& weight, std::byte* bytes) {
  context.parallel_for(packed.panel_count(), 1, [&](std::int64_t begin, std::int64_t end) {
    float staged[kSlice];
    for (std::int64_t n = begin * 16; n < std::min(end * 16, weight.rows()); ++n) {
      for (std::int64_t k = 0; k < weight.columns(); k += kSlice) {
        const float* row = weight.read(n, k, packed.slice_depth(k), staged);
        fill_lane(row, packed.slice_depth(k), packed.bits, bytes + panel_offset(packed, k, n / 16), n % 16);
      }
    }
  });
}

}  // namespace

Group quantise(const float* weights, std::int64_t count, int bits) {
  Group group{};
  group.scale = bf16_from_float(scale_of(weights, count, bits));
  const float scale = float_from_bf16(group.scale);
  const bool in_range = std::fabs(scale) < kScaleEnd;
  if (!in_range) group.scale = bf16_from_float(NAN);
  if (scale == 0 || !in_range) return group;
  const float low = bits == 8 ? -127.0F : -8.0F;
  const float high = bits == 8 ? 127.0F : 7.0F;
  for (std::int64_t i = 0; i < count; ++i) {
    group.codes[i] = static_cast<std::int8_t>(std::clamp(std::nearbyint(weights[i] / scale), low, high));
  }
  return group;
}

PackedWeights pack(Context& context, const WeightSource& weight, int bits) {
  PackedWeights packed;
  packed.inputs = weight.columns();
  packed.outputs = weight.rows();
  packed.bits = bits;
  const std::int64_t rest = weight.columns() % kSlice;
  const std::int64_t bytes = panel_bytes(bits, kSlice) * (weight.columns() / kSlice) + panel_bytes(bits, rest);
  const std::int64_t words = (packed.panel_count() * bytes + kPadding) / 4;
  packed.panels = context.allocate({words}, DType::i32);
  if (!context.device().is_cuda()) {
    fill(context, packed, weight, packed.panels.bytes());
    return packed;
  }
  std::vector<std::byte> host(static_cast<std::size_t>(words) * 4);
  fill(context, packed, weight, host.data());
  context.upload(host.data(), packed.panels.bytes(), host.size());
  return packed;
}

}  // namespace tessera::quantised
