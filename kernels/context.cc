#include "kernels/context.h"

#include <sched.h>

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "kernels/arena.h"
#include "kernels/error.h"
#include "kernels/thread_pool.h"

namespace tessera {
namespace {

int usable_cpus() {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? std::max(CPU_COUNT(&set), 1) : 1;
}

Isa choose_isa(const ContextOptions& options) {
  const std::vector<Isa> supported = supported_isas();
  if (supported.empty())
    throw ResourceError("cpu_too_old", "this CPU lacks AVX2 and FMA, the least this program runs on");
  const char* forced = std::getenv("TESSERA_ISA");
  const Isa isa = options.isa                            ? *options.isa
                  : forced != nullptr && *forced != '\0' ? isa_from_name(forced)
                                                         : supported.back();
  if (std::find(supported.begin(), supported.end(), isa) == supported.end()) {
    throw ArgumentError(std::string("this CPU cannot run ") + name_of(isa));
  }
  return isa;
}

std::optional<BfloatUnit> chosen_unit(const ContextOptions& options) {
  if (options.unit) return options.unit;
  const char* forced = std::getenv("TESSERA_BF16");
  if (forced != nullptr && *forced != '\0') return bfloat_unit_from_name(forced);
  const std::vector<BfloatUnit>& native = native_bfloat_units();
  return native.empty() ? std::nullopt : std::optional(native.front());
}

// GPUs have no fast math here yet.
std::optional<BfloatUnit> choose_unit(const ContextOptions& options) {
  if (options.math == Math::exact || options.device.is_cuda()) return std::nullopt;
  const std::optional<BfloatUnit> unit = chosen_unit(options);
  if (!unit || is_emulated(*unit)) return unit;
  const std::vector<BfloatUnit>& native = native_bfloat_units();
  if (std::find(native.begin(), native.end(), *unit) != native.end()) return unit;
  throw ArgumentError(std::string("this CPU has no bf16 unit \"") + name_of(*unit) + "\"");
}

std::size_t byte_count(const Shape& shape, DType type) {
  const std::int64_t count = element_count(shape);
  if (count > std::numeric_limits<std::int64_t>::max() / 8) {
    throw ResourceError("out_of_memory", "a tensor of shape " + to_string(shape) + " is too large for any memory");
  }
  return static_cast<std::size_t>(count) * size_of(type);
}

}  // namespace

const char* name_of(Isa isa) noexcept {
  switch (isa) {
    case Isa::avx2:
      return "avx2";
    case Isa::avx512:
      return "avx512";
    case Isa::neon:
      return "neon";
  }
  return "?";
}

const char* name_of(Math math) noexcept { return math == Math::fast ? "fast" : "exact"; }

const char* name_of(WeightStorage storage) noexcept {
  switch (storage) {
    case WeightStorage::stored:
      return "stored";
    case WeightStorage::int8:
      return "int8";
    case WeightStorage::int4:
      return "int4";
  }
  return "?";
}

Isa isa_from_name(const std::string& name) {
  for (const Isa isa : {Isa::avx2, Isa::avx512, Isa::neon}) {
    if (name == name_of(isa)) return isa;
  }
  throw ArgumentError("unknown instruction set \"" + name + "\": avx2, avx512 or neon");
}

std::vector<Isa> supported_isas() {
#if defined(__x86_64__)
  std::vector<Isa> isas;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) isas.push_back(Isa::avx2);
  [[maybe_unused]] const bool wide = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                                     __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
                                     __builtin_cpu_supports("avx512cd");
#if !defined(TESSERA_SANITIZED)
  if (wide && !isas.empty()) isas.push_back(Isa::avx512);
#endif
  return isas;
#else
  return {Isa::neon};
#endif
}

Context::Context(const ContextOptions& options)
    : device_(options.measure ? Device{} : options.device),
      isa_(choose_isa(options)),
      unit_(choose_unit(options)),
      weights_(options.weights),
      threads_(options.threads > 0 ? options.threads : usable_cpus()),
      pool_(options.measure ? nullptr : std::make_unique<ThreadPool>(threads_)),
      memory_(std::make_shared<CountedMemory>(options.measure ? measured_memory() : memory_of(options.device))),
      arena_(std::make_shared<Arena>(memory_)) {}

Context::~Context() = default;

std::size_t Context::peak_bytes() const noexcept { return memory_->peak(); }

void Context::run(std::int64_t count, std::int64_t grain, RangeBody body) {
  if (pool_) pool_->run(count, grain, body);
}

Tensor Context::scratch(Shape shape, DType type) {
  const std::size_t bytes = byte_count(shape, type);
  return {arena_->take(bytes), device_, type, std::move(shape)};
}

Tensor Context::allocate(Shape shape, DType type) {
  const std::size_t bytes = byte_count(shape, type);
  const std::size_t taken = std::max<std::size_t>(bytes, 1);
  std::byte* block = memory_->allocate(taken);
  memory_->zero(block, bytes);
  // Long-lived blocks may outlive the context, so each keeps the device's memory alive itself.
  BlockRelease release{memory_, taken, [](void* owner, std::byte* at, std::size_t size) noexcept {
                         static_cast<CountedMemory*>(owner)->release(at, size);
                       }};
  return {Tensor::Block(block, std::move(release)), device_, type, std::move(shape)};
}

void Context::upload(const void* host, std::byte* device, std::size_t bytes) {
  arena_->memory().upload(host, device, bytes);
}

void Context::download(const std::byte* device, void* host, std::size_t bytes) {
  arena_->memory().download(device, host, bytes);
}

void Context::copy(const std::byte* from, std::byte* to, std::size_t bytes) { arena_->memory().copy(from, to, bytes); }

void Context::zero(std::byte* at, std::size_t bytes) { arena_->memory().zero(at, bytes); }

void Context::check_interrupt() const {
  if (interrupt_ != nullptr && interrupt_->load(std::memory_order_relaxed)) throw Interrupted();
}

}  // namespace tessera
