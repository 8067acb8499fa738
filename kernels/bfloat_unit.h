#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace tessera {

/// What multiplies pairs of bfloat16 numbers into float32 sums in fast math (kernels/bfloat.h has the rules). An
/// emulated unit gives the bits of the other on any CPU, slowly: it is for tests.
enum class BfloatUnit : std::uint8_t { amx, avx512_bf16, emulated_amx, emulated_avx512_bf16 };

/// "amx", "avx512-bf16", "emulated-amx", "emulated-avx512-bf16".
[[nodiscard]] const char* name_of(BfloatUnit unit) noexcept;
/// Empty for "none". Throws ArgumentError for an unknown name.
[[nodiscard]] std::optional<BfloatUnit> bfloat_unit_from_name(const std::string& name);
/// The units of this CPU that the system lets the process use, best first; none emulated.
[[nodiscard]] const std::vector<BfloatUnit>& native_bfloat_units();
[[nodiscard]] bool is_emulated(BfloatUnit unit) noexcept;

}  // namespace tessera
