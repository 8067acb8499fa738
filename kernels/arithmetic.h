#pragma once

// The arithmetic contract, and its functions on one float: for CUDA kernels and for the scalar rules of the tests.
//
//  - float32, IEEE round to nearest, denormals kept; a*b + c is fused exactly where the source says fma.
//  - A dot product of length K is the ascending sum of its slices of kSlice; a slice is one ascending chain of fused
//    multiply-adds from zero.
//  - A reduction along the contiguous axis is kChains interleaved chains (element i in chain i mod 16), folded by
//    halves: j += j + 8, j += j + 4, j += j + 2, j += j + 1.
//  - Ties go to the lowest index. Lengths and masks select elements; padding never enters a sum.

#include <bit>
#include <cmath>
#include <cstdint>

#if defined(__CUDACC__)
#define TESSERA_HOST_DEVICE __host__ __device__
#else
#define TESSERA_HOST_DEVICE
#endif

namespace tessera {

inline constexpr int kSlice = 256;
inline constexpr int kChains = 16;

namespace scalar {

struct Lanes {
  using F = float;
  using I = std::int32_t;
  using M = bool;

#define TESSERA_OP TESSERA_HOST_DEVICE static inline
  TESSERA_OP F set(float x) { return x; }
  TESSERA_OP I iset(std::int32_t x) { return x; }
  TESSERA_OP F add(F a, F b) { return a + b; }
  TESSERA_OP F sub(F a, F b) { return a - b; }
  TESSERA_OP F mul(F a, F b) { return a * b; }
  TESSERA_OP F div(F a, F b) { return a / b; }
  TESSERA_OP F fma(F a, F b, F c) { return ::fmaf(a, b, c); }
  TESSERA_OP F fnma(F a, F b, F c) { return ::fmaf(-a, b, c); }
  TESSERA_OP F sqrt(F a) { return ::sqrtf(a); }
  TESSERA_OP F abs(F a) { return ::fabsf(a); }
  TESSERA_OP F copy_sign(F magnitude, F sign) { return ::copysignf(magnitude, sign); }
  TESSERA_OP M less(F a, F b) { return a < b; }
  TESSERA_OP M equal(F a, F b) { return a == b; }
  TESSERA_OP F at_least(F a, F least) { return a < least ? least : a; }
  TESSERA_OP F at_most(F a, F most) { return most < a ? most : a; }
  TESSERA_OP F select(M m, F yes, F no) { return m ? yes : no; }
  TESSERA_OP F to_float(I a) { return static_cast<F>(a); }
  TESSERA_OP I bits(F a) { return cast<I>(a); }
  TESSERA_OP F from_bits(I a) { return cast<F>(a); }
  TESSERA_OP I iadd(I a, I b) { return static_cast<I>(static_cast<std::uint32_t>(a) + static_cast<std::uint32_t>(b)); }
  TESSERA_OP I isub(I a, I b) { return static_cast<I>(static_cast<std::uint32_t>(a) - static_cast<std::uint32_t>(b)); }
  template <int N>
  TESSERA_OP I shift_left(I a) {
    return static_cast<I>(static_cast<std::uint32_t>(a) << N);
  }
  template <int N>
  TESSERA_OP I shift_right(I a) {
    return a >> N;
  }
  TESSERA_OP M test_bit(I a, std::int32_t bit) { return (a & bit) != 0; }

 private:
  template <class To, class From>
  TESSERA_OP To cast(From from) {
    To to;
    __builtin_memcpy(&to, &from, sizeof to);
    return to;
  }
#undef TESSERA_OP
};

#define TESSERA_LANES_FUNCTION TESSERA_HOST_DEVICE inline
#include "kernels/arithmetic.inc"
#undef TESSERA_LANES_FUNCTION

}  // namespace scalar
}  // namespace tessera
