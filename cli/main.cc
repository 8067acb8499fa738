#include <exception>
#include <new>
#include <string>
#include <vector>

#include "cli/command.h"
#include "cli/exit_code.h"
#include "cli/help.h"
#include "cli/signals.h"
#include "cli/terminal.h"
#include "cli/usage_error.h"
#include "kernels/error.h"

namespace tessera::cli {
namespace {

int usage(const std::string& message, const std::string& see) {
  complain(message);
  complain("see " + see);
  return kUsage;
}

int fail(const std::string& message) {
  // After Ctrl-C anything may fail: a read that was woken, a pipe whose reader is gone too.
  if (interrupted()) return kInterrupted;
  if (is_output_closed()) return kFailed;  // the reader has had enough: nothing to say to it
  complain(message);
  return kFailed;
}

int run(const CommandInfo& info, const std::vector<std::string>& arguments) {
  const auto command = info.make();
  OptionList options;
  command->declare(options);
  switch (parse(options, arguments)) {
    case Parsed::help:
      print(command_help(info, options));
      return kDone;
    case Parsed::version:
      print(version_text() + "\n");
      return kDone;
    case Parsed::run:
      break;
  }
  return command->run();
}

int run_guarded(const CommandInfo& info, const std::vector<std::string>& arguments) {
  try {
    return run(info, arguments);
  } catch (const UsageError& error) {
    return usage(error.what(), std::string("tessera ") + info.name + " --help");
  } catch (const ClosedPipe&) {
    return kFailed;
  } catch (const Interrupted&) {
    return kInterrupted;
  } catch (const std::bad_alloc&) {
    return fail("not enough memory");
  } catch (const std::exception& error) {
    return fail(error.what());
  }
}

int dispatch(const std::vector<std::string>& arguments) {
  if (arguments.empty()) {
    complain("a command is missing");
    say(program_help());
    return kUsage;
  }
  const std::string& name = arguments.front();
  if (name == "--version") return print(version_text() + "\n"), kDone;
  if (name == "--help" || name == "-h" || name == "help") return print(program_help()), kDone;
  const CommandInfo* info = find_command(name);
  if (name[0] == '-') return usage("\"" + name + "\" stands before the command", "tessera --help");
  if (info == nullptr) return usage("unknown command \"" + name + "\"", "tessera --help");
  return run_guarded(*info, {arguments.begin() + 1, arguments.end()});
}

}  // namespace
}  // namespace tessera::cli

int main(int count, char** values) {
  using namespace tessera::cli;
  catch_signals();
  int code = kFailed;
  try {
    code = dispatch({values + 1, values + count});
  } catch (const std::exception& error) {
    complain(error.what());
  }
  release_signals();
  return code;
}
