#include <algorithm>
#include <array>

#include "cli/command.h"

namespace tessera::cli {

std::span<const CommandInfo> commands() {
  static const std::array table = {kTokenize, kDetokenize, kGenerate, kVocab, kInspect, kBench, kCompletion, kManual};
  return table;
}

const CommandInfo* find_command(const std::string& name) {
  const auto all = commands();
  const auto found = std::find_if(all.begin(), all.end(), [&](const CommandInfo& info) { return name == info.name; });
  return found == all.end() ? nullptr : &*found;
}

}  // namespace tessera::cli
