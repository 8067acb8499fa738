#include "kernels/narrow.h"

#include <cmath>

namespace tessera {

std::uint16_t f16_from_float(float x) {
  const auto sign = static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(x) >> 16 & 0x8000);
  const float a = std::fabs(x);
  if (std::isnan(a)) return sign | 0x7e00;
  if (a >= 65520.0F) return sign | 0x7c00;
  if (a < 0x1p-14F) return static_cast<std::uint16_t>(sign | std::lrintf(a * 0x1p+24F));
  const auto bits = std::bit_cast<std::uint32_t>(a);
  const std::uint32_t rounded = bits + 0xfff + (bits >> 13 & 1);
  return static_cast<std::uint16_t>(sign | ((rounded >> 13) - (112 << 10)));
}

}  // namespace tessera
