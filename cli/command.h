#pragma once

#include <memory>
#include <span>

#include "cli/options.h"

namespace tessera::cli {

/// One run of a subcommand: declare() once, then, when the options are parsed, run().
class Command {
 public:
  virtual ~Command() = default;
  virtual void declare(OptionList& options) = 0;
  /// Returns the exit code; throws UsageError and the library's errors.
  virtual int run() = 0;
};

/// What --help, the man pages and the completions say of a subcommand beside its options.
struct CommandInfo {
  const char* name;
  const char* operands;
  const char* summary;
  const char* description;
  const char* examples;
  bool hidden;
  std::unique_ptr<Command> (*make)();
};

/// In the order of --help.
[[nodiscard]] std::span<const CommandInfo> commands();
/// Null when there is none.
[[nodiscard]] const CommandInfo* find_command(const std::string& name);

// One a file of the same name.
extern const CommandInfo kTokenize;
extern const CommandInfo kDetokenize;
extern const CommandInfo kGenerate;
extern const CommandInfo kInspect;
extern const CommandInfo kVocab;
extern const CommandInfo kBench;
extern const CommandInfo kCompletion;
extern const CommandInfo kManual;

}  // namespace tessera::cli
