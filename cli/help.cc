#include "cli/help.h"

#include <sstream>

namespace tessera::cli {
namespace {

constexpr std::size_t kHelpColumn = 30;
constexpr std::size_t kLineLength = 100;

/// Breaks at blanks so that no line passes kLineLength.
std::string wrap(const std::string& text, std::size_t indent) {
  std::istringstream words(text);
  std::string result;
  std::size_t column = indent;
  for (std::string word; words >> word; column += word.size() + 1) {
    const bool fits = column + word.size() <= kLineLength;
    if (!result.empty()) result += fits ? " " : "\n" + std::string(indent, ' ');
    if (!fits) column = indent;
    result += word;
  }
  return result;
}

std::string two_columns(const std::string& left, const std::string& right) {
  std::string line = "  " + left;
  if (line.size() + 2 > kHelpColumn) line += "\n";
  const std::size_t used = line.back() == '\n' ? 0 : line.size();
  return line + std::string(kHelpColumn - used, ' ') + wrap(right, kHelpColumn) + "\n";
}

std::string name_column(const Option& option) {
  const std::string short_name = option.short_name();
  std::string text = (short_name.empty() ? "    " : short_name + ", ") + option.long_name();
  return option.value.empty() ? text : text + " " + option.value;
}

std::string option_lines(const OptionList& options) {
  std::string text;
  for (const Option& option : options.all()) {
    if (!option.hidden && !option.is_positional()) text += two_columns(name_column(option), help_of(option));
  }
  return text + two_columns("-h, --help", "print this") + two_columns("    --version", "print the version");
}

std::string operand_lines(const OptionList& options) {
  std::string text;
  for (const Option& option : options.all()) {
    if (option.is_positional()) text += two_columns(option.names, help_of(option));
  }
  return text.empty() ? text : text + "\n";
}

}  // namespace

std::string version_text() { return "tessera " TESSERA_VERSION; }

std::string help_of(const Option& option) {
  return option.default_text.empty() ? option.help : option.help + " (default: " + option.default_text + ")";
}

std::string program_help() {
  std::string text =
      "usage: tessera COMMAND [OPTIONS] [INPUT...]\n\nSound and pictures as tokens, and back.\n\nCommands:\n";
  for (const CommandInfo& info : commands()) {
    if (!info.hidden) text += two_columns(info.name, info.summary);
  }
  return text +
         "\n`tessera COMMAND --help` lists a command's options; `tessera --version` prints the version.\n"
         "Exit codes: 0 done, 1 failed, 2 wrong usage, 65 some input was bad, 130 interrupted.\n";
}

std::string command_help(const CommandInfo& info, const OptionList& options) {
  std::string text = std::string("usage: tessera ") + info.name + " [OPTIONS] " + info.operands + "\n\n";
  text += wrap(info.description, 0) + "\n\n" + operand_lines(options) + "Options:\n" + option_lines(options);
  if (*info.examples != '\0') text += std::string("\nExamples:\n") + info.examples;
  return text;
}

}  // namespace tessera::cli
