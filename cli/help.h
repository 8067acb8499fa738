#pragma once

#include <string>

#include "cli/command.h"

namespace tessera::cli {

/// "tessera 0.1.0".
[[nodiscard]] std::string version_text();
/// The program's own --help: its commands.
[[nodiscard]] std::string program_help();
[[nodiscard]] std::string command_help(const CommandInfo& info, const OptionList& options);

/// "--model PATH", and what its help says with the default; shared with the man pages.
[[nodiscard]] std::string help_of(const Option& option);

}  // namespace tessera::cli
