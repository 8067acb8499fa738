// The bf16 units of x86-64. Every function that holds their instructions carries its own target attribute: the rest of
// the file must run on any CPU.

#include <algorithm>
#include <cstring>
#include <utility>

#include "kernels/bfloat.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define TESSERA_UNIT_TARGET target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,amx-tile,amx-bf16")
#define TESSERA_INLINE_FUNCTION __attribute__((TESSERA_UNIT_TARGET, always_inline)) static inline
#define TESSERA_INLINE_LAMBDA __attribute__((TESSERA_UNIT_TARGET, always_inline))
#define TESSERA_UNIT_FUNCTION __attribute__((TESSERA_UNIT_TARGET)) static

namespace tessera::bfloat {
namespace {

#include "kernels/each.inc"

#include "kernels/bfloat_loops.inc"

struct Rounding {
  TESSERA_INLINE_FUNCTION void round_step(const float* row, std::uint16_t* out) {
    const auto pairs = _mm512_cvtne2ps_pbh(_mm512_loadu_ps(row + 16), _mm512_loadu_ps(row));
    _mm512_storeu_si512(out, (__m512i)pairs);
  }
};

/// VDPBF16PS.
struct Avx512Bf16 : Rounding {
  using Sums = __m512;
  using Pairs = __m512i;

  TESSERA_INLINE_FUNCTION Sums zero() { return _mm512_setzero_ps(); }
  TESSERA_INLINE_FUNCTION Sums load(const float* at) { return _mm512_loadu_ps(at); }
  TESSERA_INLINE_FUNCTION void store(Sums sums, float* at) { _mm512_storeu_ps(at, sums); }
  TESSERA_INLINE_FUNCTION Pairs load_pairs(const std::uint16_t* at) { return _mm512_loadu_si512(at); }
  TESSERA_INLINE_FUNCTION Pairs broadcast_pair(const std::uint16_t* at) {
    int pair = 0;
    std::memcpy(&pair, at, sizeof pair);
    return _mm512_set1_epi32(pair);
  }
  TESSERA_INLINE_FUNCTION Sums dot(Sums sums, Pairs x, Pairs w) {
    return _mm512_dpbf16_ps(sums, (__m512bh)w, (__m512bh)x);
  }
};

/// What LDTILECFG reads.
struct alignas(64) TileConfig {
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t row_bytes[16] = {};
  std::uint8_t rows[16] = {};

  // A tile without rows must have no columns either, or LDTILECFG faults.
  void set(int tile, int count) {
    rows[tile] = static_cast<std::uint8_t>(count);
    row_bytes[tile] = count == 0 ? 0 : 64;
  }
};

/// TDPBF16PS. Tiles 0 … 3 are sums, 4 and 5 rows, 6 and 7 panels.
class Amx : public Rounding {
 public:
  // GCC's tile intrinsics do not tell the compiler what memory they read and write: it must not hold stores back or
  // fetch early across them.
  __attribute__((TESSERA_UNIT_TARGET, always_inline)) inline Amx(int first_rows, int second_rows) {
    TileConfig config;
    for (const int tile : {0, 1, 4}) config.set(tile, first_rows);
    for (const int tile : {2, 3, 5}) config.set(tile, second_rows);
    for (const int tile : {6, 7}) config.set(tile, 16);
    asm volatile("" : : "r"(&config) : "memory");
    _tile_loadconfig(&config);
  }
  __attribute__((TESSERA_UNIT_TARGET, always_inline)) inline ~Amx() {
    _tile_release();
    asm volatile("" : : : "memory");
  }
  Amx(const Amx&) = delete;
  Amx& operator=(const Amx&) = delete;

  // The intrinsics want the number of a tile as a literal.
#define TESSERA_SUM_TILE(row_tile, panel, sum, x, w)                                                    \
  TESSERA_INLINE_FUNCTION void zero(SumTile<row_tile, panel>) { _tile_zero(sum); }                      \
  TESSERA_INLINE_FUNCTION void load(SumTile<row_tile, panel>, const float* at, std::int64_t row_step) { \
    _tile_loadd(sum, at, row_step * 4);                                                                 \
  }                                                                                                     \
  TESSERA_INLINE_FUNCTION void store(SumTile<row_tile, panel>, float* at, std::int64_t row_step) {      \
    _tile_stored(sum, at, row_step * 4);                                                                \
  }                                                                                                     \
  TESSERA_INLINE_FUNCTION void dot(SumTile<row_tile, panel>) { _tile_dpbf16ps(sum, x, w); }
#define TESSERA_PAIR_TILE(Tile, number) \
  TESSERA_INLINE_FUNCTION void load(Tile, const std::uint16_t* at) { _tile_loadd(number, at, 64); }
  TESSERA_SUM_TILE(0, 0, 0, 4, 6)
  TESSERA_SUM_TILE(0, 1, 1, 4, 7)
  TESSERA_SUM_TILE(1, 0, 2, 5, 6)
  TESSERA_SUM_TILE(1, 1, 3, 5, 7)
  TESSERA_PAIR_TILE(RowTile<0>, 4)
  TESSERA_PAIR_TILE(RowTile<1>, 5)
  TESSERA_PAIR_TILE(PanelTile<0>, 6)
  TESSERA_PAIR_TILE(PanelTile<1>, 7)
#undef TESSERA_SUM_TILE
#undef TESSERA_PAIR_TILE
};

}  // namespace

Kernels native_kernels(BfloatUnit unit) noexcept {
  if (unit == BfloatUnit::amx) return {&round_row<Rounding>, &multiply_by_tiles<Amx>};
  return {&round_row<Rounding>, &multiply_by_pairs<Avx512Bf16>};
}

}  // namespace tessera::bfloat

#else

namespace tessera::bfloat {

Kernels native_kernels(BfloatUnit) noexcept { return {}; }

}  // namespace tessera::bfloat

#endif
