#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tessera {

/// A text tokenizer: text to ids as the `tokenizers` and `sentencepiece` packages give them, and back.
/// Const methods may run at once from several threads.
///
/// Text is UTF-8. Bytes that are not are refused, never replaced: no reference has ids for them. `replace_invalid_utf8`
/// is there for callers who want U+FFFD instead, as Python's errors="replace" gives.
class TextTokenizer {
 public:
  virtual ~TextTokenizer() = default;
  /// Ids are 0 … size() - 1; some may stand for nothing.
  [[nodiscard]] virtual std::int32_t size() const = 0;
  /// Appends the ids of `text`. `add_special`: with what the tokenizer's own template puts around a text (BOS, EOS).
  /// Throws InputError("bad_utf8") that names the first bad byte.
  virtual void encode(std::string_view text, std::vector<std::int32_t>& ids, bool add_special = false) const = 0;
  /// The id of a token as its file spells it: "<|im_end|>", "Ġthe". Nothing when there is none.
  [[nodiscard]] virtual std::optional<std::int32_t> id_of(std::string_view token) const = 0;
  /// As the file spells it; empty when the id stands for nothing. Throws ArgumentError for an id out of range.
  [[nodiscard]] virtual std::string_view token(std::int32_t id) const = 0;
  /// The bytes it adds to decoded text: "é" may come as two tokens of one byte. `at_start`: to a text that is empty so
  /// far, where the blank goes away that encoding put in front. Throws ArgumentError.
  [[nodiscard]] virtual std::string_view text_of(std::int32_t id, bool at_start = false) const = 0;
  /// True when decoding drops every blank in front of the text, not one.
  [[nodiscard]] virtual bool drops_all_first_blanks() const { return false; }
  /// True for control tokens (BOS, `<|im_end|>` …). Throws ArgumentError.
  [[nodiscard]] virtual bool is_special(std::int32_t id) const = 0;
};

/// Ids in, text out, as it comes: never half a character.
class TextDecoder {
 public:
  /// `skip_special`: special tokens add nothing.
  explicit TextDecoder(const TextTokenizer& tokenizer, bool skip_special = false);
  /// The characters that are complete with this id. Bytes that no later byte can make a character become U+FFFD, one
  /// for each longest beginning of a character, as Unicode recommends. Throws ArgumentError for an id out of range.
  [[nodiscard]] std::string push(std::int32_t id);
  /// What is left: U+FFFD when a character was cut off.
  [[nodiscard]] std::string finish();

 private:
  const TextTokenizer& tokenizer_;
  bool skip_special_;
  bool at_start_ = true;
  std::string held_;
};

/// The text of all ids. Throws ArgumentError for an id out of range.
[[nodiscard]] std::string decode_text(const TextTokenizer& tokenizer, std::span<const std::int32_t> ids,
                                      bool skip_special = false);

/// U+FFFD for each longest beginning of a character that is cut off, and for each byte that begins none.
[[nodiscard]] std::string replace_invalid_utf8(std::string_view text);

/// Loads tokenizer.json (byte-level BPE, and BPE with byte fallback) or a SentencePiece .model; of a folder
/// tokenizer.json, else tokenizer.model. Throws CheckpointError: missing, malformed, or a part of a kind this build
/// does not know, by name.
[[nodiscard]] std::unique_ptr<TextTokenizer> load_text_tokenizer(const std::filesystem::path& path);

/// Reads the text of a tokenizer.json that may come from anywhere; `name` begins every message.
/// Throws CheckpointError.
[[nodiscard]] std::unique_ptr<TextTokenizer> parse_tokenizer_json(std::string_view text, const std::string& name);

}  // namespace tessera
