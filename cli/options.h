#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace tessera::cli {

/// What a value is, for the shells' completion.
enum class ValueKind : std::uint8_t { plain, path, folder };

/// One option as users meet it. Parsing, --help, man pages and completions all read this.
struct Option {
  using Target = std::variant<bool*, int*, double*, std::optional<double>*, std::string*, std::vector<std::string>*>;

  std::string names;         ///< "-o,--output"; a positional has a plain name
  std::string value;         ///< "PATH"; empty for a flag
  std::string default_text;  ///< what happens without it; empty when nothing does
  std::string help;
  std::vector<std::string> choices;
  double least = 0;  ///< numbers are checked against [least, most]
  double most = 0;
  ValueKind kind = ValueKind::plain;
  bool hidden = false;
  Target target;

  [[nodiscard]] bool is_flag() const { return std::holds_alternative<bool*>(target); }
  [[nodiscard]] bool is_positional() const { return names[0] != '-'; }
  /// "-o", or empty.
  [[nodiscard]] std::string short_name() const;
  /// "--output".
  [[nodiscard]] std::string long_name() const;
};

/// The options of one command in the order of --help. Targets keep their initial value when the option is absent.
class OptionList {
 public:
  Option& flag(const char* names, bool& target, const char* help);
  Option& integer(const char* names, const char* value, int& target, int least, int most, const char* help);
  Option& number(const char* names, const char* value, double& target, double least, double most, const char* help);
  Option& number(const char* names, const char* value, std::optional<double>& target, double least, double most,
                 const char* help);
  Option& text(const char* names, const char* value, std::string& target, const char* help);
  Option& path(const char* names, const char* value, std::string& target, const char* help);
  Option& choice(const char* names, std::string& target, std::vector<std::string> choices, const char* help);
  /// May be given several times.
  Option& paths(const char* names, const char* value, std::vector<std::string>& target, const char* help);
  Option& positional(const char* name, std::vector<std::string>& target, const char* help);

  [[nodiscard]] const std::vector<Option>& all() const { return options_; }

 private:
  Option& add(Option option);

  std::vector<Option> options_;
};

enum class Parsed : std::uint8_t { run, help, version };
/// Fills the targets; options may stand anywhere. Throws UsageError.
[[nodiscard]] Parsed parse(const OptionList& options, const std::vector<std::string>& arguments);

/// What every command takes.
struct CommonOptions {
  std::string model;
  std::string device = "auto";
  std::string math = "exact";
  std::string weights = "stored";
  std::string isa;
  std::string bf16;
  std::string output;
  std::string progress = "auto";
  int threads = 0;
  int seed = 0;
  bool json = false;
  bool quiet = false;
  bool verbose = false;
  bool overwrite = false;
};

/// After the command's own. Commands without an output or a checkpoint take these all the same, so that a
/// script can pass one set to every command.
void declare_common(OptionList& list, CommonOptions& options);

/// --weights, of commands that run a language model.
void declare_weights(OptionList& list, CommonOptions& options);

}  // namespace tessera::cli
