#include <algorithm>
#include <atomic>
#include <cmath>
#include <nlohmann/json.hpp>
#include <random>

#include "cli/bench.h"
#include "cli/figure.h"
#include "cli/fma_peak.h"
#include "cli/memory_stream.h"
#include "cli/session.h"
#include "kernels/product.h"

namespace tessera::cli {
namespace {

using nlohmann::ordered_json;

std::vector<float> random_floats(std::int64_t count) {
  std::minstd_rand generator(1);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values) value = static_cast<float>(generator() % 2048) / 1024.0F - 1.0F;
  return values;
}

/// One round of fused multiply-adds on every thread at once; returns how many operations that were.
std::int64_t spend_peak(Context& context) {
  constexpr std::int64_t kSteps = 200'000;
  std::atomic<std::int64_t> operations{0};
  context.parallel_for(context.threads(), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) operations += spend_fma(context.isa(), kSteps);
  });
  return operations;
}

struct Shape3 {
  std::int64_t rows, inputs, outputs;
  [[nodiscard]] std::string text() const {
    return std::to_string(rows) + "x" + std::to_string(inputs) + "x" + std::to_string(outputs);
  }
  [[nodiscard]] double operations() const { return 2.0 * static_cast<double>(rows * inputs * outputs); }
};

/// One product with its operands on the context's device.
class Trial {
 public:
  Trial(Context& context, const Shape3& shape, WeightFormat format)
      : context_(context),
        weights_(pack(context, shape, format)),
        x_(context.allocate({shape.rows, shape.inputs})),
        out_(context.allocate({shape.rows, shape.outputs})) {
    const std::vector<float> values = random_floats(shape.rows * shape.inputs);
    context.upload(values.data(), x_.bytes(), values.size() * sizeof(float));
  }

  [[nodiscard]] double weight_bytes() const {
    return static_cast<double>(weights_.panels.size()) * static_cast<double>(size_of(weights_.panels.type()));
  }

  void run() {
    product(context_, ConstMatrix(x_), weights_, {}, out_);
    float first = 0;  // waits for a device that works on its own time
    context_.download(out_.bytes(), &first, sizeof first);
  }

 private:
  static PackedWeights pack(Context& context, const Shape3& shape, WeightFormat format) {
    const std::vector<float> values = random_floats(shape.inputs * shape.outputs);
    return pack_weights(context, {values.data(), shape.outputs, shape.inputs}, format);
  }

  Context& context_;
  PackedWeights weights_;
  Tensor x_;
  Tensor out_;
};

/// The best seconds of each, by turns, for about half a second.
template <class A, class B>
std::pair<double, double> best_of_both(const A& a, const B& b) {
  std::pair<double, double> best{1e30, 1e30};
  const auto turn = [&] {
    best.first = std::min(best.first, best_seconds(a, 0));
    best.second = std::min(best.second, best_seconds(b, 0));
  };
  (void)best_seconds(turn, 0.5);
  return best;
}

/// Machines change their speed from one second to the next: a product and the peak it is held against take turns.
void bench_products(Context& context, const BenchPrinter& printer) {
  constexpr Shape3 shapes[] = {{256, 256, 256}, {512, 512, 512}, {1024, 1024, 1024}, {2048, 768, 3072}, {2048, 448, 64},
                               {2048, 192, 32}, {2048, 64, 32},  {512, 256, 2048},   {16, 1024, 1024}};
  for (const Shape3& shape : shapes) {
    Trial trial(context, shape, DType::f32);
    if (context.device().is_cuda()) {
      const double rate = shape.operations() / best_seconds([&] { trial.run(); }) / 1e9;
      printer.print_result({{"bench", "product " + shape.text()}, {"gflops", hundredths(rate)}});
      continue;
    }
    std::int64_t operations = 0;
    const auto [seconds, peak_seconds] = best_of_both([&] { trial.run(); }, [&] { operations = spend_peak(context); });
    const double rate = shape.operations() / seconds / 1e9;
    const double peak = static_cast<double>(operations) / peak_seconds / 1e9;
    printer.print_result({{"bench", "product " + shape.text()},
                          {"threads", context.threads()},
                          {"gflops", hundredths(rate)},
                          {"peak", hundredths(peak)},
                          {"percent_of_peak", hundredths(100 * rate / peak)}});
  }
}

/// One row reads every weight once: the memory's speed is the limit.
void bench_row(Context& context, WeightFormat format, const std::string& name, MemoryStream& memory,
               const BenchPrinter& printer) {
  const Shape3 shape{1, 4096, 8192};
  Trial trial(context, shape, format);
  const double bytes = trial.weight_bytes();
  const auto [seconds, stream_seconds] = best_of_both([&] { trial.run(); },
                                                      [&] {
                                                        if (memory.measures()) memory.read();
                                                      });
  ordered_json line = {{"bench", "row " + shape.text() + " " + name},
                       {"threads", context.threads()},
                       {"gb_per_s", hundredths(bytes / seconds / 1e9)}};
  if (memory.measures()) {
    const double rate = memory.gigabytes_per_second(stream_seconds);
    line["stream"] = hundredths(rate);
    line["percent_of_stream"] = hundredths(100 * bytes / seconds / 1e9 / rate);
  }
  printer.print_result(line);
}

void bench_rows(const CommonOptions& options, Context& context, MemoryStream& memory, const BenchPrinter& printer) {
  for (const DType type : {DType::f32, DType::bf16}) {
    bench_row(context, type, name_of(type), memory, printer);
  }
  for (const WeightStorage storage : {WeightStorage::int8, WeightStorage::int4}) {
    CommonOptions as_codes = options;
    as_codes.weights = name_of(storage);
    const auto other = make_context(as_codes, context.threads());
    bench_row(*other, {DType::f32, Math::fast}, name_of(storage), memory, printer);
  }
}

/// Products on the bf16 unit, by turns with exact ones; nothing without a unit.
void bench_fast_products(const CommonOptions& options, Context& exact, const BenchPrinter& printer) {
  CommonOptions as_fast = options;
  as_fast.math = "fast";
  as_fast.quiet = true;
  const auto fast = make_context(as_fast, exact.threads());
  if (fast->math() == Math::exact) return;
  constexpr Shape3 shapes[] = {{256, 256, 256}, {512, 512, 512},  {1024, 1024, 1024}, {2048, 768, 3072},
                               {2048, 192, 32}, {16, 1024, 1024}, {1, 4096, 8192}};
  for (const Shape3& shape : shapes) {
    Trial trial(*fast, shape, {DType::f32, Math::fast});
    Trial other(exact, shape, DType::f32);
    const auto [seconds, exact_seconds] = best_of_both([&] { trial.run(); }, [&] { other.run(); });
    printer.print_result({{"bench", "fast product " + shape.text()},
                          {"threads", fast->threads()},
                          {"bf16", name_of(*fast->bfloat_unit())},
                          {"gflops", hundredths(shape.operations() / seconds / 1e9)},
                          {"times_exact", hundredths(exact_seconds / seconds)}});
  }
}

void bench_threads(const CommonOptions& options, int threads, const BenchPrinter& printer) {
  const auto context = make_context(options, threads);
  MemoryStream memory(*context);
  if (memory.measures()) {
    printer.print_result(
        {{"bench", "fma peak"}, {"threads", threads}, {"gflops", hundredths(measure_fma_peak(*context))}});
    printer.print_result(
        {{"bench", "memory stream"}, {"threads", threads}, {"gb_per_s", hundredths(memory.measure())}});
  }
  bench_products(*context, printer);
  bench_rows(options, *context, memory, printer);
  bench_fast_products(options, *context, printer);
}

}  // namespace

double measure_fma_peak(Context& context) {
  std::int64_t operations = 0;
  const double seconds = best_seconds([&] { operations = spend_peak(context); });
  return static_cast<double>(operations) / seconds / 1e9;
}

void bench_kernels(const CommonOptions& options, const BenchPrinter& printer) {
  bench_threads(options, 1, printer);
  const int threads = thread_count(options);
  const auto context = make_context(options, 1);
  if (threads > 1 && !context->device().is_cuda()) bench_threads(options, threads, printer);
}

}  // namespace tessera::cli
