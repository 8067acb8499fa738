// The bf16 units of x86-64. Every function that holds their instructions carries its own target attribute: the rest of
// the file must run on any CPU.

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "kernels/bfloat.h"
#include "kernels/quantised.h"

#if defined(__x86_64__)

#include <immintrin.h>

// GCC's own headers begin many intrinsics with a register whose content does not matter.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#define TESSERA_UNIT_TARGET target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,amx-tile,amx-bf16,fma")
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
  TESSERA_INLINE_FUNCTION Sums fma(Sums a, Sums b, Sums c) { return _mm512_fmadd_ps(a, b, c); }
  TESSERA_INLINE_FUNCTION Pairs load_pairs(const std::uint16_t* at) { return _mm512_loadu_si512(at); }
  TESSERA_INLINE_FUNCTION void store_pairs(Pairs pairs, std::uint16_t* at) { _mm512_storeu_si512(at, pairs); }
  TESSERA_INLINE_FUNCTION Sums widen(const std::uint16_t* at) {
    const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
  }
  TESSERA_INLINE_FUNCTION Pairs broadcast_pair(const std::uint16_t* at) {
    int pair = 0;
    std::memcpy(&pair, at, sizeof pair);
    return _mm512_set1_epi32(pair);
  }
  TESSERA_INLINE_FUNCTION Sums dot(Sums sums, Pairs x, Pairs w) {
    return _mm512_dpbf16_ps(sums, (__m512bh)w, (__m512bh)x);
  }
};

/// Codes of four bits; in a word of fast weights the lower half holds the even inputs. The lookup reads five bits of a
/// number of 16: its table is there twice.
struct Int4Codes {
  using Octet = __m512i;
  static constexpr int kOctetBytes = 72;  // with their share of the scales
  static constexpr int kBlocksAhead = 2;
  alignas(64) static constexpr auto kNumbers = [] {
    std::array<std::uint16_t, 32> numbers{};
    for (int i = 0; i < 32; ++i) numbers[i] = bfloat::small_integer(i % 16 - quantised::kBias4);
    return numbers;
  }();

  TESSERA_INLINE_FUNCTION Octet load(const std::uint8_t* codes, std::int64_t k, std::int64_t) {
    return _mm512_loadu_si512(codes + k * 8);
  }
  template <int kPair>
  TESSERA_INLINE_FUNCTION __m512i pair(Octet words) {
    return _mm512_permutexvar_epi16(_mm512_srli_epi16(words, kPair * 4), _mm512_load_si512(kNumbers.data()));
  }
};

/// Codes of eight bits.
struct Int8Codes {
  static constexpr int kOctetBytes = 136;
  static constexpr int kBlocksAhead = 1;
  struct Octet {
    const std::uint8_t* codes;
    std::int64_t count;  ///< of inputs
  };

  TESSERA_INLINE_FUNCTION Octet load(const std::uint8_t* codes, std::int64_t k, std::int64_t depth) {
    return {codes + k * 16, depth - k};
  }
  TESSERA_INLINE_FUNCTION __m512i input(Octet octet, int i) {
    if (i >= octet.count) return _mm512_castps_si512(_mm512_set1_ps(-1.0F));
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(octet.codes + i * 16));
    return _mm512_castps_si512(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes)));
  }
  template <int kPair>
  TESSERA_INLINE_FUNCTION __m512i pair(Octet octet) {
    const __m512i upper = _mm512_set1_epi32(static_cast<int>(0xffff0000));
    const __m512i even = _mm512_srli_epi32(input(octet, kPair * 2), 16);
    return _mm512_or_si512(even, _mm512_and_si512(input(octet, kPair * 2 + 1), upper));
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
  Kernels kernels{&round_row<Rounding>,
                  &multiply_by_pairs<Avx512Bf16, false>,
                  &multiply_by_pairs<Avx512Bf16, true>,
                  &pair_codes<Avx512Bf16, Int4Codes>,
                  &pair_codes<Avx512Bf16, Int8Codes>,
                  &multiply_few_rows<Avx512Bf16, Int4Codes>,
                  &multiply_few_rows<Avx512Bf16, Int8Codes>};
  if (unit == BfloatUnit::amx) {
    kernels.multiply = &multiply_by_tiles<Amx, false>;
    kernels.multiply_scaled = &multiply_by_tiles<Amx, true>;
    kernels.multiply_int4 = kernels.multiply_int8 = nullptr;
  }
  return kernels;
}

}  // namespace tessera::bfloat

#else

namespace tessera::bfloat {

Kernels native_kernels(BfloatUnit) noexcept { return {}; }

}  // namespace tessera::bfloat

#endif
