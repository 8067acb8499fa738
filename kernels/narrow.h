#pragma once

#include <bit>
#include <cstdint>

#include "kernels/arithmetic.h"

namespace tessera {

/// bfloat16 is the upper half of a float32.
[[nodiscard]] TESSERA_HOST_DEVICE inline float float_from_bf16(std::uint16_t bits) {
  return scalar::Lanes::from_bits(static_cast<std::int32_t>(static_cast<std::uint32_t>(bits) << 16));
}

/// Rounds to nearest even; NaN stays NaN.
[[nodiscard]] inline std::uint16_t bf16_from_float(float x) {
  const auto bits = std::bit_cast<std::uint32_t>(x);
  if (x != x) return static_cast<std::uint16_t>(bits >> 16 | 0x40);
  return static_cast<std::uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

/// IEEE half precision, denormals included.
[[nodiscard]] TESSERA_HOST_DEVICE inline float float_from_f16(std::uint16_t bits) {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000) << 16;
  const std::uint32_t exponent = bits >> 10 & 31;
  const std::uint32_t mantissa = bits & 0x3ff;
  const float denormal = static_cast<float>(mantissa) * 0x1p-24F;
  if (exponent == 0) return sign != 0 ? -denormal : denormal;
  const std::uint32_t biased = exponent == 31 ? 255 : exponent + 112;
  return scalar::Lanes::from_bits(static_cast<std::int32_t>(sign | biased << 23 | mantissa << 13));
}

/// FP8 of 4 exponent and 3 fraction bits (OCP: no infinities, one NaN of each sign).
[[nodiscard]] TESSERA_HOST_DEVICE inline float float_from_e4m3(std::uint8_t bits) {
  const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x80) << 24;
  const std::uint32_t magnitude = static_cast<std::uint32_t>(bits & 0x7f) << 20;
  if ((bits & 0x7f) == 0x7f) return scalar::Lanes::from_bits(static_cast<std::int32_t>(sign | 0x7fc00000));
  // The exponent bias grows from 7 to 127: exact, for subnormals too.
  return scalar::Lanes::from_bits(static_cast<std::int32_t>(sign | magnitude)) * 0x1p120F;
}

/// Rounds to nearest even; overflow gives infinity.
[[nodiscard]] std::uint16_t f16_from_float(float x);

}  // namespace tessera
