#include "cli/command.h"
#include "cli/exit_code.h"
#include "cli/help.h"
#include "cli/terminal.h"
#include "cli/usage_error.h"

namespace tessera::cli {
namespace {

/// Text that roff must not interpret: backslashes, hyphens that are to stay hyphens, control lines.
std::string roff(const std::string& text) {
  std::string result;
  for (const char c : text) {
    const bool line_start = result.empty() || result.back() == '\n';
    if (line_start && (c == '.' || c == '\'')) result += "\\&";
    if (c == '\\') {
      result += "\\e";
    } else {
      result += c == '-' ? std::string("\\-") : std::string(1, c);
    }
  }
  return result;
}

std::string heading(const std::string& page, const std::string& name, const std::string& summary) {
  return ".TH " + page + " 1 \"\" \"" + version_text() + "\"\n.SH NAME\n" + roff(name) + " \\- " + roff(summary) + "\n";
}

std::string exit_section() {
  return ".SH EXIT STATUS\n"
         ".TP\n.B 0\nDone.\n"
         ".TP\n.B 1\nFailed: a checkpoint that cannot be loaded, a full disk, an output that exists.\n"
         ".TP\n.B 2\nWrong usage.\n"
         ".TP\n.B 65\nSome input was bad and is named; the rest is done.\n"
         ".TP\n.B 130\nInterrupted. Nothing unfinished is left behind.\n";
}

std::string environment_section() {
  return ".SH ENVIRONMENT\n"
         ".TP\n.B TESSERA_MODEL\nThe checkpoint where \\-\\-model is not given.\n"
         ".TP\n.B TESSERA_ISA\nThe instruction set to run on (avx2, avx512, neon). Results do not depend on it.\n";
}

std::string option_entry(const Option& option) {
  std::string names =
      option.short_name().empty() ? option.long_name() : option.short_name() + ", " + option.long_name();
  if (option.is_positional()) names = option.names;
  const std::string value = option.value.empty() || option.is_positional() ? "" : " \\fI" + roff(option.value) + "\\fR";
  return ".TP\n\\fB" + roff(names) + "\\fR" + value + "\n" + roff(help_of(option)) + "\n";
}

std::string command_page(const CommandInfo& info) {
  const auto command = info.make();
  OptionList options;
  command->declare(options);
  const std::string name = std::string("tessera-") + info.name;
  std::string text = heading(name, name, info.summary) + ".SH SYNOPSIS\n.B tessera " + info.name + "\n[OPTIONS] " +
                     roff(info.operands) + "\n.SH DESCRIPTION\n" + roff(info.description) + "\n.SH OPTIONS\n";
  for (const Option& option : options.all()) {
    if (!option.hidden) text += option_entry(option);
  }
  if (*info.examples != '\0') text += ".SH EXAMPLES\n.nf\n" + roff(info.examples) + ".fi\n";
  return text + exit_section() + environment_section() + ".SH SEE ALSO\n.BR tessera (1)\n";
}

std::string program_page() {
  std::string text = heading("tessera", "tessera", "sound and pictures as tokens, and back") +
                     ".SH SYNOPSIS\n.B tessera\n.I COMMAND\n[OPTIONS] [INPUT...]\n.SH COMMANDS\n";
  std::string pages;
  for (const CommandInfo& info : commands()) {
    if (info.hidden) continue;
    text += std::string(".TP\n.B ") + info.name + "\n" + roff(info.summary) + "\n";
    pages += (pages.empty() ? "" : ",\n") + std::string(".BR tessera\\-") + info.name + " (1)";
  }
  return text + exit_section() + environment_section() + ".SH SEE ALSO\n" + pages + "\n";
}

class Manual final : public Command {
 public:
  void declare(OptionList& list) override {
    list.positional("COMMAND", names_, "whose page; the program's own without");
  }

  int run() override {
    if (names_.size() > 1) throw UsageError("name one command");
    if (names_.empty()) return print(program_page()), kDone;
    const CommandInfo* info = find_command(names_.front());
    if (info == nullptr || info->hidden) throw UsageError("unknown command \"" + names_.front() + "\"");
    return print(command_page(*info)), kDone;
  }

 private:
  std::vector<std::string> names_;
};

}  // namespace

const CommandInfo kManual = {
    "manual",
    "[COMMAND]",
    "man pages",
    "Prints the man page of a command, or of the program.",
    "  tessera manual tokenize | man -l -\n",
    true,
    [] { return std::unique_ptr<Command>(std::make_unique<Manual>()); },
};

}  // namespace tessera::cli
