#include "cli/options.h"

#include <CLI/CLI.hpp>
#include <climits>
#include <cmath>
#include <cstdlib>

#include "cli/usage_error.h"

namespace tessera::cli {
namespace {

template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};
template <class... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;

std::string number_text(double value) {
  std::string text = std::to_string(value);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text;
}

std::string range_text(const Option& option) {
  const bool positive = option.least > 0 && option.least < 1e-6;
  if (positive) return "more than 0";
  const bool open = option.most >= INT_MAX;
  return number_text(option.least) + (open ? " or more" : " to " + number_text(option.most));
}

/// Reads the whole text or fails; "nan" and "inf" are no numbers here.
std::optional<double> read_number(const std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !std::isfinite(value)) return std::nullopt;
  return value;
}

std::string check_range(const Option& option, const std::string& text) {
  const std::optional<double> value = read_number(text);
  const bool whole = std::holds_alternative<int*>(option.target);
  const bool fits = value && *value >= option.least && *value <= option.most;
  if (fits && (!whole || *value == std::floor(*value))) return {};
  return "\"" + text + "\" is not " + (whole ? "a whole number, " : "a number, ") + range_text(option);
}

std::string check_choice(const Option& option, const std::string& text) {
  std::string known;
  for (const std::string& choice : option.choices) {
    if (choice == text) return {};
    known += (known.empty() ? "" : ", ") + choice;
  }
  return "\"" + text + "\" is none of " + known;
}

CLI::Option* declare(CLI::App& app, const Option& option) {
  return std::visit(Overloaded{[&](bool* target) { return app.add_flag(option.names, *target); },
                               [&](std::vector<std::string>* target) {
                                 CLI::Option* added = app.add_option(option.names, *target);
                                 if (!option.is_positional()) added->allow_extra_args(false);
                                 return added;
                               },
                               [&](auto* target) { return app.add_option(option.names, *target); }},
                    option.target);
}

void add_checks(CLI::Option& added, const Option& option) {
  using Check = std::string (*)(const Option&, const std::string&);
  const Check check = !option.choices.empty() ? Check{check_choice} : option.most > 0 ? Check{check_range} : nullptr;
  if (check == nullptr) return;
  added.check([&option, check](const std::string& text) { return check(option, text); });
}

void declare_all(CLI::App& app, const OptionList& options) {
  for (const Option& option : options.all()) {
    CLI::Option* added = declare(app, option);
    if (!std::holds_alternative<std::vector<std::string>*>(option.target)) {
      added->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
    }
    add_checks(*added, option);
  }
}

std::string unknown_text(const CLI::App& app) {
  std::string names;
  for (const std::string& name : app.remaining()) {
    if (name != "--") names += (names.empty() ? "" : " ") + name;
  }
  return (names[0] == '-' ? "unknown option " : "unexpected argument ") + names;
}

}  // namespace

std::string Option::short_name() const { return names[0] == '-' && names[1] != '-' ? names.substr(0, 2) : ""; }

std::string Option::long_name() const {
  const std::size_t at = names.find("--");
  return at == std::string::npos ? "" : names.substr(at);
}

Option& OptionList::add(Option option) {
  options_.push_back(std::move(option));
  return options_.back();
}

Option& OptionList::flag(const char* names, bool& target, const char* help) {
  return add({.names = names, .value = {}, .default_text = {}, .help = help, .choices = {}, .target = &target});
}

Option& OptionList::integer(const char* names, const char* value, int& target, int least, int most, const char* help) {
  return add({.names = names,
              .value = value,
              .default_text = std::to_string(target),
              .help = help,
              .choices = {},
              .least = static_cast<double>(least),
              .most = static_cast<double>(most),
              .target = &target});
}

Option& OptionList::number(const char* names, const char* value, double& target, double least, double most,
                           const char* help) {
  return add({.names = names,
              .value = value,
              .default_text = number_text(target),
              .help = help,
              .choices = {},
              .least = least,
              .most = most,
              .target = &target});
}

Option& OptionList::number(const char* names, const char* value, std::optional<double>& target, double least,
                           double most, const char* help) {
  return add({.names = names,
              .value = value,
              .default_text = {},
              .help = help,
              .choices = {},
              .least = least,
              .most = most,
              .target = &target});
}

Option& OptionList::text(const char* names, const char* value, std::string& target, const char* help) {
  return add({.names = names, .value = value, .default_text = target, .help = help, .choices = {}, .target = &target});
}

Option& OptionList::path(const char* names, const char* value, std::string& target, const char* help) {
  Option& option = text(names, value, target, help);
  option.kind = ValueKind::path;
  return option;
}

Option& OptionList::choice(const char* names, std::string& target, std::vector<std::string> choices, const char* help) {
  std::string value;
  for (const std::string& choice : choices) value += (value.empty() ? "" : "|") + choice;
  Option& option = text(names, value.c_str(), target, help);
  option.choices = std::move(choices);
  return option;
}

Option& OptionList::paths(const char* names, const char* value, std::vector<std::string>& target, const char* help) {
  return add({.names = names,
              .value = value,
              .default_text = {},
              .help = help,
              .choices = {},
              .kind = ValueKind::path,
              .target = &target});
}

Option& OptionList::positional(const char* name, std::vector<std::string>& target, const char* help) {
  return paths(name, name, target, help);
}

Parsed parse(const OptionList& options, const std::vector<std::string>& arguments) {
  CLI::App app;
  app.set_help_flag("");
  bool help = false;
  bool version = false;
  app.add_flag("-h,--help", help);
  app.add_flag("--version", version);
  app.allow_extras();
  declare_all(app, options);
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::ParseError& error) {
    throw UsageError(error.what());
  }
  if (help) return Parsed::help;
  if (version) return Parsed::version;
  if (app.remaining_size() > 0) throw UsageError(unknown_text(app));
  return Parsed::run;
}

void declare_common(OptionList& list, CommonOptions& options) {
  Option& model = list.path("-m,--model", "PATH", options.model, "checkpoint: a folder, or its .safetensors file");
  model.default_text = "$TESSERA_MODEL, else the embedded models";
  list.path("-o,--output", "PATH", options.output, "where the result goes; - is standard output");
  list.text("--device", "auto|cpu|cuda[:N]", options.device, "where to compute");
  list.choice("--math", options.math, {"exact", "fast"},
              "exact: the same bits on every machine; fast: on the CPU's bf16 unit (AMX, AVX512-BF16), exact without");
  Option& threads = list.integer("--threads", "N", options.threads, 0, 4096, "CPU threads; the result is the same");
  threads.default_text = "every core";
  list.text("--isa", "NAME", options.isa, "force an instruction set: avx2, avx512, neon").hidden = true;
  list.text("--bf16", "NAME", options.bf16,
            "force what --math fast runs on: amx, avx512-bf16, emulated-amx, emulated-avx512-bf16, none")
      .hidden = true;
  list.integer("--seed", "N", options.seed, 0, INT_MAX, "seed of everything random");
  list.flag("--json", options.json, "print for machines: one JSON object a line");
  list.choice("--progress", options.progress, {"auto", "always", "never"},
              "progress on standard error; auto: only on a terminal");
  list.flag("--overwrite", options.overwrite, "replace outputs that exist");
  list.flag("-q,--quiet", options.quiet, "print nothing but results and errors");
  list.flag("-v,--verbose", options.verbose, "say what is being done");
}

void declare_weights(OptionList& list, CommonOptions& options) {
  list.choice("--weights", options.weights, {"stored", "int8", "int4"},
              "of a language model's layers: as the checkpoint stores them, or quantised as they are loaded");
}

}  // namespace tessera::cli
