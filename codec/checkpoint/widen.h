#pragma once

#include <bit>
#include <cstdint>

namespace tessera::detail {

/// The bits of the float32 equal to a bfloat16; NaN payloads are kept.
[[nodiscard]] constexpr std::uint32_t widen_bf16(std::uint16_t bits) noexcept { return std::uint32_t{bits} << 16; }

/// The bits of the float32 equal to an IEEE half; NaN payloads are kept.
[[nodiscard]] constexpr std::uint32_t widen_f16(std::uint16_t bits) noexcept {
  const std::uint32_t sign = (bits & 0x8000U) << 16;
  const std::uint32_t magnitude = (bits & 0x7FFFU) << 13;
  // The exponent bias grows from 15 to 127: exact, for subnormals too.
  const std::uint32_t scaled = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) * 0x1p112F);
  const bool finite = magnitude < 0x0F800000U;
  return sign | (finite ? scaled : magnitude | 0x7F800000U);
}

/// The bits of 2^(bits - 127); 255 is NaN (OCP Microscaling's E8M0).
[[nodiscard]] constexpr std::uint32_t widen_e8m0(std::uint8_t bits) noexcept {
  if (bits == 0) return 0x00400000U;
  return bits == 255 ? 0x7FC00000U : std::uint32_t{bits} << 23;
}

/// The value of an E2M1 code, 0 … 15 (OCP Microscaling's FP4).
[[nodiscard]] constexpr float widen_e2m1(std::uint32_t code) noexcept {
  constexpr float kValues[] = {0.0F, 0.5F, 1.0F, 1.5F, 2.0F, 3.0F, 4.0F, 6.0F};
  return code < 8 ? kValues[code] : -kValues[code - 8];
}

}  // namespace tessera::detail
