#include "cli/bench.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "cli/codes_record.h"
#include "cli/command.h"
#include "cli/exit_code.h"
#include "cli/help.h"
#include "cli/session.h"
#include "cli/signals.h"
#include "cli/usage_error.h"

namespace tessera::cli {
namespace {

using Clock = std::chrono::steady_clock;
using nlohmann::ordered_json;

double seconds_of(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

std::string cpu_name() {
  std::ifstream info("/proc/cpuinfo");
  std::string line;
  while (std::getline(info, line)) {
    if (line.rfind("model name", 0) == 0 || line.rfind("CPU part", 0) == 0) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

constexpr const char* kCompiler =
#if defined(__clang__)
    "clang " __clang_version__;
#else
    "gcc " __VERSION__;
#endif

constexpr const char* kBuild =
#if defined(NDEBUG)
    "release";
#else
    "debug";
#endif

std::string value_text(const ordered_json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_number_float()) return value.dump();
  char text[32];
  std::snprintf(text, sizeof text, "%.4g", value.get<double>());
  return text;
}

class Bench final : public Command {
 public:
  void declare(OptionList& list) override {
    list.positional("WHAT", words_, "kernels, codec or model; behind codec media files, behind model texts");
    declare_weights(list, common_);
    declare_common(list, common_);
  }

  int run() override {
    check_common(common_);
    if (words_.empty()) throw UsageError("say what to time: kernels, codec or model");
    const std::vector<std::string> files(words_.begin() + 1, words_.end());
    const std::string& what = words_.front();
    if (what != "kernels" && what != "codec" && what != "model") {
      throw UsageError("\"" + what + "\" cannot be timed: kernels, codec or model");
    }
    check(what, files);
    refuse_existing(common_.output, common_.overwrite);
    LineOutput output(common_.output, common_.overwrite);
    const BenchPrinter printer(output, common_.json);
    printer.print_result(describe_machine(common_));
    if (what == "kernels") bench_kernels(common_, printer);
    if (what == "codec") bench_codec(common_, files, printer);
    if (what == "model") bench_model(common_, files, printer);
    output.finish();
    return kDone;
  }

 private:
  void check(const std::string& what, const std::vector<std::string>& files) const {
    if (what == "kernels" && !files.empty()) throw UsageError("bench kernels takes no files");
    const bool quantised = common_.weights != "stored";
    if (what != "model" && quantised) throw UsageError("--weights is of bench model");
    if (what == "model" && !quantised && !files.empty()) {
      throw UsageError("bench model reads texts to tell what --weights int8 or int4 cost");
    }
  }

  CommonOptions common_;
  std::vector<std::string> words_;
};

}  // namespace

double best_seconds(const std::function<void()>& body, double budget) {
  constexpr int kLeast = 3;
  const auto start = Clock::now();
  double best = 1e30;
  for (int turn = 0; turn < kLeast || seconds_of(start) < budget; ++turn) {
    check_interrupted();
    const auto begin = Clock::now();
    body();
    best = std::min(best, seconds_of(begin));
  }
  return best;
}

void BenchPrinter::print_result(const ordered_json& fields) const {
  if (json_) return output_.write(line_of(fields));
  std::string text = value_text(fields.begin().value());
  text.resize(std::max<std::size_t>(text.size(), 28), ' ');
  for (auto at = std::next(fields.begin()); at != fields.end(); ++at) {
    text += "  " + at.key() + " " + value_text(at.value());
  }
  output_.write(text + "\n");
}

ordered_json describe_machine(const CommonOptions& options) {
  const auto context = make_context(options);
  ordered_json machine = {
      {"bench", "machine"},
      {"cpu", cpu_name()},
      {"cores", thread_count({})},
      {"device", context->device().is_cuda() ? "cuda:" + std::to_string(context->device().index) : "cpu"},
      {"isa", name_of(context->isa())},
      {"threads", context->threads()},
      {"math", name_of(context->math())}};
  if (context->bfloat_unit()) machine["bf16"] = name_of(*context->bfloat_unit());
  machine.update({{"version", version_text()}, {"compiler", kCompiler}, {"build", kBuild}});
  return machine;
}

const CommandInfo kBench = {
    "bench",
    "kernels | codec [FILE...] | model [TEXT...]",
    "time kernels, codecs and language models on this machine",
    "Measures on this machine and prints the hardware and the settings with the figures. kernels: the peak of fused "
    "multiply-adds, products of several shapes as a share of it, and products of one row as a share of the memory's "
    "streaming speed, each on one thread and on all. codec: loading, encoding and decoding as multiples of real time, "
    "and the wait for the first frame of a stream, on one thread, two, four … and all, or on --threads alone; with "
    "--math fast also how far fast math is from exact, as the share of equal codes of each level and the SNR between "
    "what both decode of the same codes; with --verbose also what each operation takes, products by the size of their "
    "weights, as a share of the time and of the peak. Where there is a bf16 unit, kernels adds fast products. model: "
    "loading, "
    "reading a prompt, decoding by the length of the context and by the number of sequences, and drafts of multi-token "
    "prediction with a share of them made true; a folder of a config.json alone gets random weights; with --weights "
    "int8 or int4 also the log-likelihood of texts beside that of the weights as stored, with --verbose what each "
    "operation of a prompt and of a step takes. Every figure is the best of several runs.",
    "  tessera bench kernels\n"
    "  tessera bench codec --json clip.flac\n"
    "  tessera bench model -m Qwen3-0.6B --weights int4 book.txt\n",
    false,
    [] { return std::unique_ptr<Command>(std::make_unique<Bench>()); },
};

}  // namespace tessera::cli
