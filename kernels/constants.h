#pragma once

namespace tessera {

// Elementary functions in double precision for tables that are made at load: windows, bases, filters, frequencies.
// Only IEEE additions, multiplications and divisions in a fixed order, so that every machine makes the same tables,
// which the C library's functions do not promise. Errors are a few units of 1e-16.

/// cos(2 pi numerator / denominator), the angle reduced exactly.
[[nodiscard]] double cos_turns(long long numerator, long long denominator);
[[nodiscard]] double sin_turns(long long numerator, long long denominator);
/// sin and cos of radians, |x| <= 1e5.
[[nodiscard]] double exact_sin(double x);
[[nodiscard]] double exact_cos(double x);
/// |x| <= 700.
[[nodiscard]] double exact_exp(double x);
/// x > 0.
[[nodiscard]] double exact_log(double x);
/// base > 0.
[[nodiscard]] double exact_pow(double base, double exponent);

}  // namespace tessera
