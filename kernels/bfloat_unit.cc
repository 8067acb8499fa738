#include "kernels/bfloat_unit.h"

#include <algorithm>

#include "kernels/error.h"

#if defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace tessera {
namespace {

constexpr BfloatUnit kUnits[] = {BfloatUnit::amx, BfloatUnit::avx512_bf16, BfloatUnit::emulated_amx,
                                 BfloatUnit::emulated_avx512_bf16};

#if defined(__x86_64__)

// What CPUID says in leaf 7, subleaf 1, EAX, and in leaf 7, subleaf 0, EDX.
constexpr unsigned kAvx512Bf16 = 1U << 5;
constexpr unsigned kAmx = 1U << 22 | 1U << 24;  // AMX-BF16 and AMX-TILE

bool has_avx512_bf16() {
  // These also ask whether the system saves the 512-bit registers.
  const bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                    __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  return wide && __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a & kAvx512Bf16) != 0;
}

// Linux gives the tiles' eight kilobytes of state only to a process that asks (arch/x86/xstate in its documentation);
// without this call the first tile instruction would end the program. The permission holds for all threads.
bool may_use_tiles() {
  constexpr long kRequestPermission = 0x1023;  // ARCH_REQ_XCOMP_PERM
  constexpr long kTileData = 18;               // XFEATURE_XTILEDATA
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

bool has_amx() {
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d & kAmx) == kAmx && may_use_tiles();
}

std::vector<BfloatUnit> find_units() {
  std::vector<BfloatUnit> units;
  if (!has_avx512_bf16()) return units;  // every CPU with AMX has it, and rows are rounded with it
  if (has_amx()) units.push_back(BfloatUnit::amx);
  units.push_back(BfloatUnit::avx512_bf16);
  return units;
}

#else

std::vector<BfloatUnit> find_units() { return {}; }

#endif

}  // namespace

const char* name_of(BfloatUnit unit) noexcept {
  switch (unit) {
    case BfloatUnit::amx:
      return "amx";
    case BfloatUnit::avx512_bf16:
      return "avx512-bf16";
    case BfloatUnit::emulated_amx:
      return "emulated-amx";
    case BfloatUnit::emulated_avx512_bf16:
      return "emulated-avx512-bf16";
  }
  return "?";
}

std::optional<BfloatUnit> bfloat_unit_from_name(const std::string& name) {
  if (name == "none") return std::nullopt;
  for (const BfloatUnit unit : kUnits) {
    if (name == name_of(unit)) return unit;
  }
  throw ArgumentError("unknown bf16 unit \"" + name +
                      "\": amx, avx512-bf16, emulated-amx, emulated-avx512-bf16 or none");
}

const std::vector<BfloatUnit>& native_bfloat_units() {
  static const std::vector<BfloatUnit> units = find_units();
  return units;
}

bool is_emulated(BfloatUnit unit) noexcept {
  return unit == BfloatUnit::emulated_amx || unit == BfloatUnit::emulated_avx512_bf16;
}

}  // namespace tessera
