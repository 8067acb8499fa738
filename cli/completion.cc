#include <algorithm>

#include "cli/command.h"
#include "cli/exit_code.h"
#include "cli/terminal.h"
#include "cli/usage_error.h"

namespace tessera::cli {
namespace {

OptionList options_of(const CommandInfo& info, std::unique_ptr<Command>& owner) {
  OptionList options;
  owner = info.make();
  owner->declare(options);
  return options;
}

/// Calls `visit(info, options)` for every command that users see.
template <class Visit>
void for_each_command(const Visit& visit) {
  for (const CommandInfo& info : commands()) {
    std::unique_ptr<Command> owner;
    if (!info.hidden) visit(info, options_of(info, owner));
  }
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : " ") + word;
  return text;
}

std::string command_names() {
  std::vector<std::string> names;
  for_each_command([&](const CommandInfo& info, const OptionList&) { names.emplace_back(info.name); });
  return joined(names);
}

/// Names of an option for a shell's case label: "-m|--model".
std::string label_of(const Option& option) {
  return option.short_name().empty() ? option.long_name() : option.short_name() + "|" + option.long_name();
}

std::string bash_value(const Option& option) {
  if (!option.choices.empty()) return "COMPREPLY=($(compgen -W '" + joined(option.choices) + "' -- \"$word\"))";
  if (option.kind == ValueKind::folder) return "COMPREPLY=($(compgen -d -- \"$word\"))";
  if (option.kind == ValueKind::path) return "COMPREPLY=($(compgen -f -- \"$word\"))";
  return "COMPREPLY=()";
}

std::string bash_command(const CommandInfo& info, const OptionList& options) {
  std::vector<std::string> names = {"--help", "--version"};
  std::string text = std::string("    ") + info.name + ")\n      case \"$before\" in\n";
  for (const Option& option : options.all()) {
    if (option.hidden || option.is_positional()) continue;
    names.push_back(option.long_name());
    if (!option.is_flag()) text += "        " + label_of(option) + ") " + bash_value(option) + "; return ;;\n";
  }
  return text + "      esac\n      options='" + joined(names) + "' ;;\n";
}

std::string bash_completion() {
  std::string text =
      "# bash completion of tessera\n"
      "_tessera() {\n"
      "  local word=\"${COMP_WORDS[COMP_CWORD]}\" before=\"${COMP_WORDS[COMP_CWORD-1]}\" options=\n"
      "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
      "    COMPREPLY=($(compgen -W '" +
      command_names() +
      " --help --version' -- \"$word\"))\n"
      "    return\n"
      "  fi\n"
      "  case \"${COMP_WORDS[1]}\" in\n";
  for_each_command([&](const CommandInfo& info, const OptionList& options) { text += bash_command(info, options); });
  return text +
         "  esac\n"
         "  case \"$word\" in\n"
         "    -*) COMPREPLY=($(compgen -W \"$options\" -- \"$word\")) ;;\n"
         "    *) COMPREPLY=($(compgen -f -- \"$word\")) ;;\n"
         "  esac\n"
         "}\n"
         "complete -o filenames -F _tessera tessera\n";
}

/// For a single-quoted string that _arguments reads: brackets and colons end its fields.
std::string zsh_escape(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') result += '\\';
    result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  }
  return result;
}

std::string zsh_value(const Option& option) {
  if (option.is_flag()) return {};
  const std::string name = ":" + zsh_escape(option.value) + ":";
  if (!option.choices.empty()) return name + "(" + joined(option.choices) + ")";
  if (option.kind == ValueKind::folder) return name + "_files -/";
  return option.kind == ValueKind::path ? name + "_files" : name;
}

std::string zsh_option(const Option& option) {
  const std::string help = "[" + zsh_escape(option.help) + "]" + zsh_value(option);
  if (option.short_name().empty()) return "        '" + option.long_name() + help + "' \\\n";
  const std::string both = "(" + option.short_name() + " " + option.long_name() + ")";
  return "        '" + both + "'{" + option.short_name() + "," + option.long_name() + "}'" + help + "' \\\n";
}

std::string zsh_command(const CommandInfo& info, const OptionList& options) {
  std::string text = std::string("    ") + info.name + ")\n      _arguments \\\n";
  for (const Option& option : options.all()) {
    if (!option.hidden && !option.is_positional()) text += zsh_option(option);
  }
  return text + "        '--help[print help]' '--version[print the version]' '*:input:_files' ;;\n";
}

std::string zsh_completion() {
  std::string names;
  std::string cases;
  for_each_command([&](const CommandInfo& info, const OptionList& options) {
    names += std::string("    '") + info.name + ":" + zsh_escape(info.summary) + "'\n";
    cases += zsh_command(info, options);
  });
  return "#compdef tessera\n"
         "_tessera() {\n"
         "  local -a commands\n"
         "  commands=(\n" +
         names +
         "  )\n"
         "  if (( CURRENT == 2 )); then\n"
         "    _describe command commands\n"
         "    return\n"
         "  fi\n"
         "  local name=$words[2]\n"
         "  shift words\n"
         "  (( CURRENT-- ))\n"
         "  case $name in\n" +
         cases +
         "  esac\n"
         "}\n"
         "_tessera \"$@\"\n";
}

std::string fish_escape(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '\'' || c == '\\') result += '\\';
    result += c;
  }
  return "'" + result + "'";
}

std::string fish_value(const Option& option) {
  if (option.is_flag()) return {};
  if (!option.choices.empty()) return " -x -a " + fish_escape(joined(option.choices));
  if (option.kind == ValueKind::folder) return " -x -a '(__fish_complete_directories)'";
  return option.kind == ValueKind::path ? " -r -F" : " -x";
}

std::string fish_option(const CommandInfo& info, const Option& option) {
  const std::string short_name = option.short_name();
  return std::string("complete -c tessera -n '__fish_seen_subcommand_from ") + info.name + "'" +
         (short_name.empty() ? "" : " -s " + short_name.substr(1)) + " -l " + option.long_name().substr(2) +
         fish_value(option) + " -d " + fish_escape(option.help) + "\n";
}

std::string fish_completion() {
  std::string text = "# fish completion of tessera\n";
  for_each_command([&](const CommandInfo& info, const OptionList& options) {
    text += std::string("complete -c tessera -n __fish_use_subcommand -f -a ") + info.name + " -d " +
            fish_escape(info.summary) + "\n";
    for (const Option& option : options.all()) {
      if (!option.hidden && !option.is_positional()) text += fish_option(info, option);
    }
  });
  return text;
}

class Completion final : public Command {
 public:
  void declare(OptionList& list) override { list.positional("SHELL", shells_, "bash, zsh or fish"); }

  int run() override {
    if (shells_.size() != 1) throw UsageError("name one shell: bash, zsh or fish");
    const std::string& shell = shells_.front();
    if (shell == "bash") return print(bash_completion()), kDone;
    if (shell == "zsh") return print(zsh_completion()), kDone;
    if (shell == "fish") return print(fish_completion()), kDone;
    throw UsageError("no completions for \"" + shell + "\": bash, zsh or fish");
  }

 private:
  std::vector<std::string> shells_;
};

}  // namespace

const CommandInfo kCompletion = {
    "completion",
    "bash|zsh|fish",
    "completions for a shell",
    "Prints a script that teaches a shell to complete tessera's commands and options.",
    "  source <(tessera completion bash)\n",
    true,
    [] { return std::unique_ptr<Command>(std::make_unique<Completion>()); },
};

}  // namespace tessera::cli
