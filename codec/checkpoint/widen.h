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

}  // namespace tessera::detail
