#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kernels/bfloat_unit.h"
#include "kernels/tensor.h"

namespace tessera {

/// Vector instruction sets with a build of every CPU kernel. Results do not depend on the choice.
enum class Isa : std::uint8_t { avx2, avx512, neon };

[[nodiscard]] const char* name_of(Isa isa) noexcept;
/// Throws ArgumentError for an unknown name.
[[nodiscard]] Isa isa_from_name(const std::string& name);
/// The sets this machine can run, best last. Empty when the CPU is below the baseline (AVX2 + FMA, or NEON).
[[nodiscard]] std::vector<Isa> supported_isas();

/// exact: the same bits on every machine (kernels/arithmetic.h). fast: a network's larger products on the CPU's bf16
/// unit (kernels/bfloat.h), the same bits in any batch, chunks and threads, but not on another kind of unit.
enum class Math : std::uint8_t { exact, fast };

[[nodiscard]] const char* name_of(Math math) noexcept;

/// How a network's layers keep their weights: as the checkpoint stores them, or in 8 or 4 bits (kernels/quantised.h).
enum class WeightStorage : std::uint8_t { stored, int8, int4 };

[[nodiscard]] const char* name_of(WeightStorage storage) noexcept;

struct ContextOptions {
  Device device;
  /// 0: as many as the process may run on.
  int threads = 0;
  /// Unset: the environment variable TESSERA_ISA, else the best supported.
  std::optional<Isa> isa;
  /// fast stays exact where there is no unit for it: Context::math() says which it is.
  Math math = Math::exact;
  /// Of fast math. Unset: the environment variable TESSERA_BF16 (a unit's name or "none"), else the CPU's best.
  std::optional<BfloatUnit> unit = std::nullopt;
  WeightStorage weights = WeightStorage::stored;
  /// Nothing is computed: operations take the work memory that they would need on the CPU, and read and write none of
  /// it, so that peak_bytes() says beforehand what work costs. What comes out of such a context means nothing.
  bool measure = false;
};

class ThreadPool;
class Profile;
class Arena;
class CountedMemory;

/// Where and how work runs: device, threads, instruction set, work memory. Nothing here changes a result but fast
/// math and quantised weights.
/// A context serves one caller at a time; make one per thread of your own.
class Context {
 public:
  /// Throws ResourceError when the device is absent or this build has no support for it,
  /// ArgumentError for an instruction set or a bf16 unit this machine lacks.
  explicit Context(const ContextOptions& options = {});
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  [[nodiscard]] Device device() const noexcept { return device_; }
  [[nodiscard]] Isa isa() const noexcept { return isa_; }
  [[nodiscard]] Math math() const noexcept { return unit_ ? Math::fast : Math::exact; }
  /// What computes fast products; empty when math is exact.
  [[nodiscard]] std::optional<BfloatUnit> bfloat_unit() const noexcept { return unit_; }
  [[nodiscard]] WeightStorage weights() const noexcept { return weights_; }
  /// Of weights that are packed from now on; see KeepWeights.
  void set_weights(WeightStorage storage) noexcept { weights_ = storage; }
  [[nodiscard]] int threads() const noexcept { return threads_; }
  /// Whether it only measures (ContextOptions::measure). Operations touch memory on threads of parallel_for, which then
  /// calls nothing, or ask.
  [[nodiscard]] bool measures() const noexcept { return pool_ == nullptr; }
  /// The most bytes that work and long-lived memory took at once; work memory is kept for the next call.
  [[nodiscard]] std::size_t peak_bytes() const noexcept;

  /// Calls `body(begin, end)` on disjoint ranges that cover [0, count), each at least `grain` long
  /// (the last may be shorter), on the pool's threads and the caller's. Exceptions come out here.
  template <class Body>
  void parallel_for(std::int64_t count, std::int64_t grain, const Body& body) {
    run(count, grain, RangeBody{&body, [](const void* self, std::int64_t begin, std::int64_t end) {
                                  (*static_cast<const Body*>(self))(begin, end);
                                }});
  }

  /// Work memory: reused from call to call, so that a steady state takes none from the device. Not zeroed.
  [[nodiscard]] Tensor scratch(Shape shape, DType type = DType::f32);
  /// Long-lived memory (weights, caches) on this context's device, zeroed.
  [[nodiscard]] Tensor allocate(Shape shape, DType type = DType::f32);

  /// To and from the host. The only functions here that wait for the device.
  void upload(const void* host, std::byte* device, std::size_t bytes);
  void download(const std::byte* device, void* host, std::size_t bytes);
  /// Device to device, ordered with the operations.
  void copy(const std::byte* from, std::byte* to, std::size_t bytes);
  void zero(std::byte* at, std::size_t bytes);

  /// Long work checks this flag between chunks and throws Interrupted. Null: never.
  void set_interrupt(const std::atomic<bool>* flag) noexcept { interrupt_ = flag; }
  void check_interrupt() const;

  /// Operations report to it (kernels/profile.h) until it is taken away. Null: to none.
  void set_profile(Profile* profile) noexcept { profile_ = profile; }
  [[nodiscard]] Profile* profile() const noexcept { return profile_; }

  struct RangeBody {
    const void* self;
    void (*call)(const void*, std::int64_t, std::int64_t);
    void operator()(std::int64_t begin, std::int64_t end) const { call(self, begin, end); }
  };

 private:
  void run(std::int64_t count, std::int64_t grain, RangeBody body);

  Device device_;
  Isa isa_;
  std::optional<BfloatUnit> unit_;
  WeightStorage weights_;
  int threads_;
  std::unique_ptr<ThreadPool> pool_;  // none when nothing is computed
  std::shared_ptr<CountedMemory> memory_;
  std::shared_ptr<Arena> arena_;
  const std::atomic<bool>* interrupt_ = nullptr;
  Profile* profile_ = nullptr;
};

/// While this lives, what is packed is kept as `storage`.
class KeepWeights {
 public:
  KeepWeights(Context& context, WeightStorage storage) noexcept : context_(context), before_(context.weights()) {
    context.set_weights(storage);
  }
  ~KeepWeights() { context_.set_weights(before_); }
  KeepWeights(const KeepWeights&) = delete;
  KeepWeights& operator=(const KeepWeights&) = delete;

 private:
  Context& context_;
  WeightStorage before_;
};

}  // namespace tessera
