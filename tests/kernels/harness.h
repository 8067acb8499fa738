#pragma once

// Holds every backend of every operation to a ten-line scalar rule, bit for bit, on random shapes, and times it in the
// same call. A backend is a context: each instruction set of this machine, with one thread and with three, and CUDA
// (a GPU when the build has one, else the emulation).

#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "kernels/context.h"
#include "tests/sanitized.h"

namespace tessera::harness {

/// How many random shapes a test tries: a third under the sanitizers, which are many times slower.
[[nodiscard]] constexpr int tries(int count) { return kSanitized ? (count + 2) / 3 : count; }

struct Backend {
  std::string name;
  ContextOptions options;
};

/// What this machine and this program can run; TESSERA_ISA or --isa narrows the CPU ones.
[[nodiscard]] const std::vector<Backend>& backends();

/// Operands of one operation on one backend. Arrays are off alignment by a few floats and framed by guard words.
class Probe {
 public:
  explicit Probe(const Backend& backend);
  ~Probe();

  [[nodiscard]] Context& context() noexcept { return context_; }
  /// A copy of `values` on the device. Stays valid, and must stay unchanged, until the probe ends.
  [[nodiscard]] const float* input(const std::vector<float>& values);
  [[nodiscard]] ConstMatrix input(const std::vector<float>& values, std::int64_t rows, std::int64_t columns);
  [[nodiscard]] const std::int32_t* input(const std::vector<std::int32_t>& values);
  /// An array that the operation writes; `row_step` >= columns leaves gaps that must stay untouched.
  [[nodiscard]] Matrix output(std::int64_t rows, std::int64_t columns, std::int64_t row_step = -1);
  /// The same, holding `values` first, for operations in place ([rows, columns] contiguous).
  [[nodiscard]] Matrix in_place(const std::vector<float>& values, std::int64_t rows, std::int64_t columns);
  [[nodiscard]] std::vector<float> read(ConstMatrix m);
  [[nodiscard]] std::vector<std::int32_t> read(const std::int32_t* at, std::int64_t count);
  [[nodiscard]] std::int32_t* int_output(std::int64_t count);
  /// Empty, or what was written outside an output or into an input.
  [[nodiscard]] std::string damage();

 private:
  struct Array;
  Array& add(const void* values, std::size_t count);

  Context context_;
  std::vector<std::unique_ptr<Array>> arrays_;
};

/// The operation, ready to run (more than once, when timed), and where its result lies.
struct Prepared {
  std::function<void()> run;
  ConstMatrix result;
  /// Floating-point operations of one run, for --bench; 0 prints time only.
  double flops = 0;
};

/// Runs `prepare` on every backend of `on` and fails the current test unless the result equals `expected` in every bit
/// (any NaN equals any NaN) and nothing else was touched. With --bench also prints the best time of each backend.
void expect_bits(const std::string& name, const std::vector<float>& expected,
                 const std::function<Prepared(Probe&)>& prepare, const std::vector<Backend>& on = backends());

/// True with --bench: tests may add large shapes.
[[nodiscard]] bool benchmarking();

/// Deterministic by test name.
class Random {
 public:
  explicit Random(std::uint32_t seed) : engine_(seed) {}
  /// In [low, high].
  [[nodiscard]] std::int64_t integer(std::int64_t low, std::int64_t high);
  /// One of the sizes that break kernels: 0, 1, 2, 15…17, 255…257, or anything up to `most`.
  [[nodiscard]] std::int64_t extent(std::int64_t most, bool zero = true);
  [[nodiscard]] std::vector<float> floats(std::int64_t count, float scale = 1.0F);
  [[nodiscard]] bool coin() { return integer(0, 1) == 1; }

 private:
  std::mt19937 engine_;
};

// The arithmetic contract in scalar form, for rules to use.

/// Ascending sum of slices of 256, each one ascending chain of fused multiply-adds from zero.
/// `x(k)` and `w(k)` give the operands.
template <class X, class W>
float dot(std::int64_t length, const X& x, const W& w) {
  float total = 0.0F;
  for (std::int64_t k = 0; k < length; k += 256) {
    float chain = 0.0F;
    for (std::int64_t i = k; i < std::min(length, k + 256); ++i) chain = std::fma(x(i), w(i), chain);
    total = k == 0 ? chain : total + chain;
  }
  return total;
}

/// Sixteen interleaved chains folded by halves; `add(chain, i)` returns the chain with element i added.
template <class Add>
float sixteen_chains(std::int64_t length, const Add& add) {
  float chain[16] = {};
  for (std::int64_t i = 0; i < length; ++i) chain[i % 16] = add(chain[i % 16], i);
  for (int half = 8; half != 0; half /= 2) {
    for (int j = 0; j < half; ++j) chain[j] += chain[j + half];
  }
  return chain[0];
}

}  // namespace tessera::harness
