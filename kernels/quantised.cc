#include "kernels/quantised.h"

#include <algorithm>
#include <atomic>
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

float scale_of(const float* weights, std::int64_t count, WeightCodes codes) {
  const std::uint32_t most = largest_magnitude(weights, count);
  return codes == WeightCodes::int8 ? std::bit_cast<float>(most) / 127.0F : weight_of(weights, most) / -8.0F;
}

void write_codes(const Group& group, std::int64_t count, const PackedWeights& packed, std::byte* to, std::int64_t first,
                 std::int64_t lane) {
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t k = first + i;
    if (packed.codes == WeightCodes::int8) {
      to[k * 16 + lane] = static_cast<std::byte>(group.codes[i]);
    } else {
      const std::int64_t nth = packed.fast ? k % 2 * 4 + k % kOctet / 2 : k % kOctet;
      std::byte& at = to[(k / kOctet * 16 + lane) * 4 + nth / 2];
      at |= static_cast<std::byte>((group.codes[i] + kBias4) << nth % 2 * 4);
    }
  }
}

// One output's part of a panel.
void fill_lane(const float* weights, std::int64_t depth, const PackedWeights& packed, std::byte* panel,
               std::int64_t lane) {
  for (std::int64_t k = 0; k < depth; k += kGroup) {
    const std::int64_t count = std::min(kGroup, depth - k);
    const Group group = quantise(weights + k, count, packed.codes);
    std::memcpy(panel + (k / kGroup * 16 + lane) * 2, &group.scale, 2);
    write_codes(group, count, packed, panel + scale_bytes(packed.codes, depth), k, lane);
  }
}

// The same of FP8 as it is stored.
void copy_lane(const CodedRow& row, std::int64_t depth, std::byte* panel, std::int64_t lane) {
  for (std::int64_t k = 0; k < depth; k += kGroup) {
    const float scale = row.scale(k) * kE4m3Power;
    std::memcpy(panel + (k / kGroup * 16 + lane) * 4, &scale, sizeof scale);
  }
  std::byte* codes = panel + scale_bytes(WeightCodes::e4m3, depth);
  for (std::int64_t k = 0; k < depth; ++k) codes[k * 16 + lane] = row.codes[k];
}

// Without a branch: compilers vectorise it.
bool holds_nan(Context& context, const std::byte* codes, std::int64_t count) {
  std::atomic<bool> found = false;
  context.parallel_for(count, 1 << 20, [&](std::int64_t begin, std::int64_t end) {
    unsigned all = 0;
    for (std::int64_t i = begin; i < end; ++i) {
      all |= static_cast<unsigned>((codes[i] & std::byte{0x7f}) == std::byte{0x7f});
    }
    if (all != 0) found = true;
  });
  return found;
}

bool keeps_e4m3(Context& context, const StoredRows& part, std::int64_t columns) {
  const ScaleBlocks& blocks = part.scales;
  if (blocks.data == nullptr || blocks.columns % kGroup != 0) return false;
  const std::int64_t count = (part.rows + blocks.rows - 1) / blocks.rows * blocks.across;
  const auto finite = [](float scale) { return std::isfinite(scale * kE4m3Power); };
  return std::all_of(blocks.data, blocks.data + count, finite) && !holds_nan(context, part.data, part.rows * columns);
}

void fill(Context& context, const PackedWeights& packed, const WeightSource& weight, std::byte* bytes) {
  context.parallel_for(packed.panel_count(), 1, [&](std::int64_t begin, std::int64_t end) {
    float staged[kSlice];
    for (std::int64_t n = begin * 16; n < std::min(end * 16, weight.rows()); ++n) {
      for (std::int64_t k = 0; k < weight.columns(); k += kSlice) {
        const std::int64_t depth = packed.slice_depth(k);
        std::byte* panel = bytes + panel_offset(packed, k, n / 16);
        if (packed.codes == WeightCodes::e4m3) {
          copy_lane(weight.coded(n, k), depth, panel, n % 16);
        } else {
          fill_lane(weight.read(n, k, depth, staged), depth, packed, panel, n % 16);
        }
      }
    }
  });
}

}  // namespace

Group quantise(const float* weights, std::int64_t count, WeightCodes codes) {
  Group group{};
  group.scale = bf16_from_float(scale_of(weights, count, codes));
  const float scale = float_from_bf16(group.scale);
  const bool in_range = std::fabs(scale) < kScaleEnd;
  if (!in_range) group.scale = bf16_from_float(NAN);
  if (scale == 0 || !in_range) return group;
  const float low = codes == WeightCodes::int8 ? -127.0F : -8.0F;
  const float high = codes == WeightCodes::int8 ? 127.0F : 7.0F;
  for (std::int64_t i = 0; i < count; ++i) {
    group.codes[i] = static_cast<std::int8_t>(std::clamp(std::nearbyint(weights[i] / scale), low, high));
  }
  return group;
}

bool keeps_e4m3(Context& context, const WeightSource& weight) {
  const auto keeps = [&](const StoredRows& part) { return keeps_e4m3(context, part, weight.columns()); };
  return !weight.parts().empty() && std::all_of(weight.parts().begin(), weight.parts().end(), keeps);
}

PackedWeights pack(Context& context, const WeightSource& weight, WeightCodes codes, bool fast) {
  PackedWeights packed;
  packed.inputs = weight.columns();
  packed.outputs = weight.rows();
  packed.codes = codes;
  packed.fast = fast;
  allocate(context, packed, all_panels_bytes(packed), [&](std::byte* bytes) { fill(context, packed, weight, bytes); });
  return packed;
}

void allocate(Context& context, PackedWeights& weights, std::int64_t bytes,
              const std::function<void(std::byte*)>& fill) {
  const std::int64_t words = (bytes + kPadding) / 4;
  weights.panels = context.allocate({words}, DType::i32);
  if (!context.device().is_cuda()) return fill(weights.panels.bytes());
  std::vector<std::byte> host(static_cast<std::size_t>(words) * 4);
  fill(host.data());
  context.upload(host.data(), weights.panels.bytes(), host.size());
}

}  // namespace tessera::quantised
