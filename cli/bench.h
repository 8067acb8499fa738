#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "cli/options.h"
#include "cli/output.h"
#include "kernels/context.h"
#include "kernels/profile.h"

namespace tessera::cli {

/// The least of several timings, in seconds: what the machine can do when nothing disturbs it. Repeats for about
/// `budget` seconds, three times at least.
[[nodiscard]] double best_seconds(const std::function<void()>& body, double budget = 0.3);

/// GFLOP/s of fused multiply-adds in registers on all of the context's threads.
[[nodiscard]] double measure_fma_peak(Context& context);

/// Takes results one by one: JSON lines, or aligned text.
class BenchPrinter {
 public:
  BenchPrinter(LineOutput& output, bool json) : output_(output), json_(json) {}
  /// `fields` begins with "bench": the name.
  void print_result(const nlohmann::ordered_json& fields) const;

 private:
  LineOutput& output_;
  bool json_;
};

/// What the operations of one run of `work` did, and its seconds.
struct MeasuredWork {
  Profile profile;
  double seconds = 0;
};
[[nodiscard]] MeasuredWork measure_operations(Context& context, const std::function<void()>& work);

/// Prints what the operations of one run of `work` take, those of less than a hundredth of it in one line, and how much
/// of the peak of fused multiply-adds they reach, and how fast products read their weights. `name` is of the whole.
void bench_operations(Context& context, const std::string& name, const std::function<void()>& work,
                      const BenchPrinter& printer);

/// CPU, cores, instruction set, threads, build.
[[nodiscard]] nlohmann::ordered_json describe_machine(const CommonOptions& options);

void bench_kernels(const CommonOptions& options, const BenchPrinter& printer);
/// The language model named. `files`: texts that tell what quantised weights cost; ids without meaning when there are
/// none.
void bench_model(const CommonOptions& options, const std::vector<std::string>& files, const BenchPrinter& printer);
/// `files`: what to encode; a synthetic picture of 256 x 256 when there are none.
void bench_pictures(const CommonOptions& options, const std::vector<std::string>& files, const BenchPrinter& printer);
/// `files`: what to encode; a synthetic clip of 10 s when there are none.
void bench_codec(const CommonOptions& options, const std::vector<std::string>& files, const BenchPrinter& printer);

}  // namespace tessera::cli
