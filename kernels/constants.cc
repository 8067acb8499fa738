#include "kernels/constants.h"

#include <cmath>

namespace tessera {
namespace {

constexpr double kPi = 3.14159265358979323846;
constexpr double kLn2 = 0.693147180559945309417;

// Taylor series of sin and cos for |x| <= pi/4: the first neglected terms are below 1e-19.
double sin_series(double x) {
  double term = x;
  double sum = x;
  for (int n = 3; n <= 19; n += 2) {
    term *= -x * x / (n * (n - 1));
    sum += term;
  }
  return sum;
}

double cos_series(double x) {
  double term = 1;
  double sum = 1;
  for (int n = 2; n <= 20; n += 2) {
    term *= -x * x / (n * (n - 1));
    sum += term;
  }
  return sum;
}

// sin(quadrant * pi/2 + x).
double sin_quadrant(long long quadrant, double x) {
  switch (((quadrant % 4) + 4) % 4) {
    case 0:
      return sin_series(x);
    case 1:
      return cos_series(x);
    case 2:
      return -sin_series(x);
    default:
      return -cos_series(x);
  }
}

// sin(2 pi (quarters / 4 + numerator / denominator)): whole quarters leave in integers.
double sin_of_turns(long long quarters, long long numerator, long long denominator) {
  const long long eighths = 8 * (numerator % denominator);
  const long long quadrant = (eighths + (eighths < 0 ? -denominator : denominator)) / (2 * denominator);
  const double rest = static_cast<double>(4 * (numerator % denominator) - quadrant * denominator);
  return sin_quadrant(quarters + quadrant, rest / static_cast<double>(denominator) * (kPi / 2));
}

}  // namespace

double sin_turns(long long numerator, long long denominator) { return sin_of_turns(0, numerator, denominator); }
double cos_turns(long long numerator, long long denominator) { return sin_of_turns(1, numerator, denominator); }

double exact_sin(double x) {
  const double quadrant = std::nearbyint(x / (kPi / 2));
  // pi/2 in two parts: the product with the first is exact for |quadrant| < 2^20.
  const double rest = (x - quadrant * 0x1.921fb544p+0) - quadrant * 0x1.0b4611a626331p-34;
  return sin_quadrant(static_cast<long long>(quadrant), rest);
}

double exact_cos(double x) {
  const double quadrant = std::nearbyint(x / (kPi / 2));
  const double rest = (x - quadrant * 0x1.921fb544p+0) - quadrant * 0x1.0b4611a626331p-34;
  return sin_quadrant(static_cast<long long>(quadrant) + 1, rest);
}

double exact_exp(double x) {
  const double n = std::nearbyint(x / kLn2);
  const double r = (x - n * 0x1.62e42feep-1) - n * 0x1.a39ef35793c76p-33;
  double term = 1;
  double sum = 1;
  for (int i = 1; i <= 18; ++i) {
    term *= r / i;
    sum += term;
  }
  return std::ldexp(sum, static_cast<int>(n));
}

double exact_log(double x) {
  int exponent = 0;
  double mantissa = std::frexp(x, &exponent);
  if (mantissa < 0.70710678118654752) mantissa *= 2, --exponent;
  // log m = 2 artanh((m - 1) / (m + 1)), |argument| <= 0.1716.
  const double t = (mantissa - 1) / (mantissa + 1);
  double power = t;
  double sum = 0;
  for (int i = 1; i <= 23; i += 2) {
    sum += power / i;
    power *= t * t;
  }
  return 2 * sum + exponent * kLn2;
}

double exact_pow(double base, double exponent) { return exact_exp(exponent * exact_log(base)); }

}  // namespace tessera
