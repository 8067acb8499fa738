#include "cli/session.h"

#include <sched.h>

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <filesystem>

#include "cli/signals.h"
#include "cli/terminal.h"
#include "cli/usage_error.h"
#include "kernels/cuda/runtime.h"
#include "kernels/error.h"

namespace tessera::cli {
namespace {

namespace fs = std::filesystem;

fs::path program_folder() {
  std::error_code ignored;
  return fs::read_symlink("/proc/self/exe", ignored).parent_path();
}

bool has_cuda() { return cuda::device_memory != nullptr; }

std::optional<int> cuda_index(const std::string& name) {
  if (name == "cuda") return 0;
  if (name.rfind("cuda:", 0) != 0) return std::nullopt;
  const std::string digits = name.substr(5);
  const bool fits = !digits.empty() && digits.size() <= 3 && digits.find_first_not_of("0123456789") == digits.npos;
  return fits ? std::optional(std::stoi(digits)) : std::nullopt;
}

void check_device(const std::string& name) {
  if (name == "auto" || name == "cpu" || cuda_index(name)) return;
  throw UsageError("--device: \"" + name + "\" is none of auto, cpu, cuda, cuda:N");
}

ContextOptions context_options(const CommonOptions& options, int threads) {
  ContextOptions result;
  result.threads = threads > 0 ? threads : options.threads;
  if (!options.isa.empty()) result.isa = isa_from_name(options.isa);
  if (options.math == "fast") result.math = Math::fast;
  if (options.weights == "int8") result.weights = WeightStorage::int8;
  if (options.weights == "int4") result.weights = WeightStorage::int4;
  if (!options.bf16.empty()) {
    result.unit = bfloat_unit_from_name(options.bf16);
    if (!result.unit) result.math = Math::exact;
  }
  if (const auto index = cuda_index(options.device)) result.device = {Device::Kind::cuda, *index};
  return result;
}

/// --device auto: the first GPU when there is one.
std::unique_ptr<Context> try_cuda(ContextOptions options) {
  options.device = {Device::Kind::cuda, 0};
  try {
    return std::make_unique<Context>(options);
  } catch (const ResourceError&) {
    return nullptr;
  }
}

/// Once a run: fast math was asked for and is not to be had here. The records say "exact" then.
void say_exact(const CommonOptions& options, const Context& context) {
  static bool said = false;
  if (said || options.quiet || options.math != "fast" || context.math() == Math::fast) return;
  said = true;
  complain(std::string("--math fast: ") +
           (context.device().is_cuda() ? "not on GPUs yet" : "this CPU has no bf16 unit (AMX, AVX512-BF16)") +
           ": computing exactly");
}

/// Throws UsageError when `find` throws ArgumentError for the name or `runs` is false of what it found.
template <class Find, class Runs>
void check_forced(const std::string& option, const std::string& name, const Find& find, const Runs& runs) {
  if (name.empty()) return;
  try {
    if (runs(find(name))) return;
  } catch (const ArgumentError& error) {
    throw UsageError(option + ": " + error.what());
  }
  throw UsageError(option + ": this CPU cannot run " + name);
}

template <class T>
bool contains(const std::vector<T>& all, const T& one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

}  // namespace

std::string embedded_model_path(const std::string& name) {
  const fs::path folder = program_folder();
  for (const char* place : {"../samples/model", "../share/tessera/model"}) {
    const fs::path path = (folder / place / name).lexically_normal();
    std::error_code ignored;
    if (fs::exists(path / "config.json", ignored)) return path;
  }
  return {};
}

std::string named_model(const CommonOptions& options) {
  if (!options.model.empty()) return options.model;
  const char* named = std::getenv("TESSERA_MODEL");
  return named == nullptr ? "" : named;
}

namespace {

std::string named_or_embedded(const CommonOptions& options, const std::string& name) {
  std::string path = named_model(options);
  if (path.empty()) path = embedded_model_path(name);
  if (path.empty()) {
    throw CheckpointError("the embedded model is missing: name a checkpoint with --model or TESSERA_MODEL");
  }
  return path;
}

}  // namespace

std::string model_path(const CommonOptions& options) { return named_or_embedded(options, "audio_codec"); }

std::string picture_model_path(const CommonOptions& options) { return named_or_embedded(options, "image_codec"); }

void check_common(const CommonOptions& options) {
  check_device(options.device);
  check_forced("--isa", options.isa, isa_from_name, [](Isa isa) { return contains(supported_isas(), isa); });
  check_forced("--bf16", options.bf16, bfloat_unit_from_name, [](std::optional<BfloatUnit> unit) {
    return !unit || is_emulated(*unit) || contains(native_bfloat_units(), *unit);
  });
}

int thread_count(const CommonOptions& options) {
  if (options.threads > 0) return options.threads;
  cpu_set_t set;
  return sched_getaffinity(0, sizeof set, &set) == 0 ? std::max(CPU_COUNT(&set), 1) : 1;
}

std::unique_ptr<Context> make_context(const CommonOptions& options, int threads) {
  const ContextOptions wanted = context_options(options, threads);
  std::unique_ptr<Context> context;
  if (options.device == "auto" && has_cuda()) context = try_cuda(wanted);
  if (!context) context = std::make_unique<Context>(wanted);
  context->set_interrupt(&interrupted());
  say_exact(options, *context);
  return context;
}

Session open_session(const CommonOptions& options, int threads) {
  const std::string path = model_path(options);
  Session session;
  session.context = make_context(options, threads);
  session.codec = load_audio_codec(*session.context, path);
  const AudioCodecInfo& info = session.codec->info();
  if (options.verbose) {
    say("tessera: " + path + ": " + info.family + ", " + std::to_string(info.levels) + " levels, " +
        name_of(session.context->isa()) + ", " + std::to_string(session.context->threads()) + " threads, " +
        name_of(session.context->math()) + " math\n");
  }
  return session;
}

}  // namespace tessera::cli
