#include "cli/fma_peak.h"

namespace tessera::cli {
namespace {

constexpr int kChains = 12;  // covers the latency of two units of five cycles

template <int kLanes>
struct Vector {
  using Type [[gnu::vector_size(kLanes * sizeof(float))]] = float;
};

template <class V>
float sum_of(const V& vector, int lanes) {
  float sum = 0;
  for (int i = 0; i < lanes; ++i) sum += vector[i];
  return sum;
}

volatile float sink;

#if defined(__x86_64__)

// Vector code for a set that the build does not assume has to be written in its instructions.
[[gnu::target("avx512f")]] void chains_avx512(std::int64_t steps) {
  using V = Vector<16>::Type;
  V sums[kChains] = {};
  V factor = V{} + 0.5F;
  V term = V{} + 0.25F;
  for (std::int64_t step = 0; step < steps; ++step) {
    for (V& sum : sums) asm volatile("vfmadd213ps %2, %1, %0" : "+v"(sum) : "v"(factor), "v"(term));
  }
  for (const V& sum : sums) sink = sum[0];
}

[[gnu::target("avx2,fma")]] void chains_avx2(std::int64_t steps) {
  using V = Vector<8>::Type;
  V sums[kChains] = {};
  V factor = V{} + 0.5F;
  V term = V{} + 0.25F;
  for (std::int64_t step = 0; step < steps; ++step) {
    for (V& sum : sums) asm volatile("vfmadd213ps %2, %1, %0" : "+x"(sum) : "x"(factor), "x"(term));
  }
  for (const V& sum : sums) sink = sum[0];
}

#elif defined(__aarch64__)

void chains_neon(std::int64_t steps) {
  using V = Vector<4>::Type;
  V sums[kChains] = {};
  V factor = V{} + 0.5F;
  V term = V{} + 0.25F;
  for (std::int64_t step = 0; step < steps; ++step) {
    for (V& sum : sums) asm volatile("fmla %0.4s, %1.4s, %2.4s" : "+w"(sum) : "w"(factor), "w"(term));
  }
  for (const V& sum : sums) sink = sum[0];
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
  V sums[8] = {};
  for (std::int64_t i = 0; i + 64 <= count; i += 64) {
    for (int lane = 0; lane < 8; ++lane) {
      V block;
      __builtin_memcpy(&block, data + i + lane * 8, sizeof block);
      sums[lane] += block;
    }
  }
  float total = 0;
  for (const V& sum : sums) total += sum_of(sum, 8);
  return total;
}

}  // namespace tessera::cli
