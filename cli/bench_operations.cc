#include <chrono>
#include <nlohmann/json.hpp>

#include "cli/bench.h"
#include "cli/figure.h"

namespace tessera::cli {
namespace {

using nlohmann::ordered_json;

constexpr double kLeastShare = 0.01;

std::string name_of(const Profile::Entry& entry) {
  std::string name = std::string("  ") + entry.operation;
  if (entry.outputs != 0) name += " " + std::to_string(entry.inputs) + "x" + std::to_string(entry.outputs);
  return name;
}

ordered_json describe(const Profile::Entry& entry, const std::string& of, double seconds, double peak) {
  ordered_json line = {{"bench", name_of(entry)},
                       {"of", of},
                       {"calls", entry.calls},
                       {"s", rounded(entry.seconds)},
                       {"percent_of_time", hundredths(100 * entry.seconds / seconds)}};
  if (entry.multiply_adds == 0) return line;
  const double rate = 2 * entry.multiply_adds / entry.seconds / 1e9;
  line["gflops"] = hundredths(rate);
  line["percent_of_peak"] = hundredths(100 * rate / peak);
  if (entry.weight_bytes != 0) line["gb_per_s"] = hundredths(entry.weight_bytes / entry.seconds / 1e9);
  return line;
}

}  // namespace

MeasuredWork measure_operations(Context& context, const std::function<void()>& work) {
  MeasuredWork measured;
  context.set_profile(&measured.profile);
  const auto start = std::chrono::steady_clock::now();
  try {
    work();
  } catch (...) {
    context.set_profile(nullptr);
    throw;
  }
  context.set_profile(nullptr);
  measured.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return measured;
}

void bench_operations(Context& context, const std::string& name, const std::function<void()>& work,
                      const BenchPrinter& printer) {
  MeasuredWork best = measure_operations(context, work);
  (void)best_seconds([&] {
    MeasuredWork again = measure_operations(context, work);
    if (again.seconds < best.seconds) best = std::move(again);
  });
  const double peak = measure_fma_peak(context);
  double rest = best.seconds;
  double multiply_adds = 0;
  double weight_bytes = 0;
  for (const Profile::Entry& entry : best.profile.entries()) {
    multiply_adds += entry.multiply_adds;
    weight_bytes += entry.weight_bytes;
    if (entry.seconds < kLeastShare * best.seconds) continue;
    rest -= entry.seconds;
    printer.print_result(describe(entry, name, best.seconds, peak));
  }
  printer.print_result(describe({"all else", 0, 0, 0, rest}, name, best.seconds, peak));
  printer.print_result(
      describe({"the whole", 0, 0, 1, best.seconds, multiply_adds, weight_bytes}, name, best.seconds, peak));
}

}  // namespace tessera::cli
