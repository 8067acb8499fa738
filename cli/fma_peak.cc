#include "cli/fma_peak.h"

namespace tessera::cli {
namespace {

constexpr int kChains = 10;  // covers the latency of two units of five cycles

template <int kLanes>
struct Vector {
  using Type [[gnu::vector_size(kLanes * sizeof(float))]] = float;
};

volatile float kept_result;

// Vector code for a set that the build does not assume has to be written in its instructions. One statement holds a
// step of every chain, so that no compiler moves a sum through memory.
#define TESSERA_SUMS(kind) kind(a), kind(b), kind(c), kind(d), kind(e), kind(f), kind(g), kind(h), kind(i), kind(j)
#if defined(__x86_64__)

#define TESSERA_STEP             \
  "vfmadd213ps %11, %10, %0\n\t" \
  "vfmadd213ps %11, %10, %1\n\t" \
  "vfmadd213ps %11, %10, %2\n\t" \
  "vfmadd213ps %11, %10, %3\n\t" \
  "vfmadd213ps %11, %10, %4\n\t" \
  "vfmadd213ps %11, %10, %5\n\t" \
  "vfmadd213ps %11, %10, %6\n\t" \
  "vfmadd213ps %11, %10, %7\n\t" \
  "vfmadd213ps %11, %10, %8\n\t" \
  "vfmadd213ps %11, %10, %9"
[[gnu::target("avx512f")]] void chains_avx512(std::int64_t steps) {
  using V = Vector<16>::Type;
  V a{}, b{}, c{}, d{}, e{}, f{}, g{}, h{}, i{}, j{};
  const V factor = V{} + 0.5F;
  const V term = V{} + 0.25F;
  for (std::int64_t step = 0; step < steps; ++step)
    asm volatile(TESSERA_STEP : TESSERA_SUMS("+v") : "v"(factor), "v"(term));
  kept_result = a[0] + b[0] + c[0] + d[0] + e[0] + f[0] + g[0] + h[0] + i[0] + j[0];
}

[[gnu::target("avx2,fma")]] void chains_avx2(std::int64_t steps) {
  using V = Vector<8>::Type;
  V a{}, b{}, c{}, d{}, e{}, f{}, g{}, h{}, i{}, j{};
  const V factor = V{} + 0.5F;
  const V term = V{} + 0.25F;
  for (std::int64_t step = 0; step < steps; ++step)
    asm volatile(TESSERA_STEP : TESSERA_SUMS("+x") : "x"(factor), "x"(term));
  kept_result = a[0] + b[0] + c[0] + d[0] + e[0] + f[0] + g[0] + h[0] + i[0] + j[0];
}

#elif defined(__aarch64__)

#define TESSERA_STEP               \
  "fmla %0.4s, %10.4s, %11.4s\n\t" \
  "fmla %1.4s, %10.4s, %11.4s\n\t" \
  "fmla %2.4s, %10.4s, %11.4s\n\t" \
  "fmla %3.4s, %10.4s, %11.4s\n\t" \
  "fmla %4.4s, %10.4s, %11.4s\n\t" \
  "fmla %5.4s, %10.4s, %11.4s\n\t" \
  "fmla %6.4s, %10.4s, %11.4s\n\t" \
  "fmla %7.4s, %10.4s, %11.4s\n\t" \
  "fmla %8.4s, %10.4s, %11.4s\n\t" \
  "fmla %9.4s, %10.4s, %11.4s"
void chains_neon(std::int64_t steps) {
  using V = Vector<4>::Type;
  V a{}, b{}, c{}, d{}, e{}, f{}, g{}, h{}, i{}, j{};
  const V factor = V{} + 0.5F;
  const V term = V{} + 0.25F;
  for (std::int64_t step = 0; step < steps; ++step)
    asm volatile(TESSERA_STEP : TESSERA_SUMS("+w") : "w"(factor), "w"(term));
  kept_result = a[0] + b[0] + c[0] + d[0] + e[0] + f[0] + g[0] + h[0] + i[0] + j[0];
}

#endif

}  // namespace

std::int64_t spend_fma([[maybe_unused]] Isa isa, std::int64_t steps) {
#if defined(__x86_64__)
  const int lanes = isa == Isa::avx512 ? 16 : 8;
  isa == Isa::avx512 ? chains_avx512(steps) : chains_avx2(steps);
#elif defined(__aarch64__)
  const int lanes = 4;
  chains_neon(steps);
#else
  const int lanes = 0;
#endif
  return steps * kChains * lanes * 2;
}

float read_through(const float* data, std::int64_t count) {
  using V = Vector<8>::Type;
  constexpr std::int64_t kStreams = 8;  // read side by side: one alone does not keep the memory busy
  const std::int64_t length = count / kStreams;
  V sums[kStreams] = {};
  for (std::int64_t i = 0; i + 8 <= length; i += 8) {
    for (std::int64_t stream = 0; stream < kStreams; ++stream) {
      V block;
      __builtin_memcpy(&block, data + stream * length + i, sizeof block);
      sums[stream] += block;
    }
  }
  float total = 0;
  for (const V& sum : sums) total += sum[0] + sum[1] + sum[2] + sum[3] + sum[4] + sum[5] + sum[6] + sum[7];
  return total;
}

}  // namespace tessera::cli
