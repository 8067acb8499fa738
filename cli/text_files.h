#pragma once

#include <string>
#include <vector>

#include "cli/inputs.h"
#include "cli/options.h"

namespace tessera::cli {

/// All of a file, or of standard input ("-"). Throws InputError("unreadable").
[[nodiscard]] std::string read_text(const std::string& path);

/// Texts to ids with the tokenizer of the model named, a line an input:
/// {"input":…,"status":"ok","kind":"text","ids":[…]}. Ids are what the tokenizer gives a text of its own, with what its
/// template puts around. Returns the exit code.
[[nodiscard]] int tokenize_texts(const CommonOptions& options, const std::vector<Input>& inputs);

/// Such lines back to texts: a file an input in the folder -o, one file, or standard output. Special tokens are left
/// out. Returns the exit code.
[[nodiscard]] int detokenize_texts(const CommonOptions& options, const std::vector<std::string>& paths);

}  // namespace tessera::cli
