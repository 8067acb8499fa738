#pragma once

#include <filesystem>
#include <memory>
#include <string_view>

#include "tokenizer/text.h"

namespace tessera::detail {

/// A SentencePiece model (BPE or unigram), run by Google's library. Throws CheckpointError: the file, or a build
/// without the library.
[[nodiscard]] std::unique_ptr<TextTokenizer> load_sentencepiece(const std::filesystem::path& path);
/// The same of bytes; `name` begins every message.
[[nodiscard]] std::unique_ptr<TextTokenizer> parse_sentencepiece(std::string_view bytes, const std::string& name);

}  // namespace tessera::detail
