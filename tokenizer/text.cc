#include "tokenizer/text.h"

#include "codec/checkpoint/mapped_file.h"
#include "kernels/error.h"
#include "tokenizer/sentencepiece.h"
#include "tokenizer/utf8.h"

namespace tessera {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kMaxFile = std::uint64_t{512} << 20U;
constexpr const char* kReplacement = "\xEF\xBF\xBD";

/// Moves what is complete, and what will never be, from the front of `held` to the result.
std::string take_whole(std::string& held, bool last) {
  std::string text;
  std::size_t at = 0;
  while (at < held.size()) {
    const detail::Utf8Unit unit = detail::utf8_unit(std::string_view(held).substr(at));
    const std::size_t left = held.size() - at;
    const auto first = static_cast<unsigned char>(held[at]);
    const bool may_go_on = !unit.whole && unit.bytes == left && first >= 0xC2 && first < 0xF5;
    if (may_go_on && !last) break;
    unit.whole ? text.append(held, at, unit.bytes) : text.append(kReplacement);
    at += unit.bytes;
  }
  held.erase(0, at);
  return text;
}

fs::path file_in(const fs::path& folder) {
  std::error_code ignored;
  for (const char* name : {"tokenizer.json", "tokenizer.model"}) {
    if (fs::exists(folder / name, ignored)) return folder / name;
  }
  throw CheckpointError(folder.string() + ": there is neither tokenizer.json nor tokenizer.model");
}

}  // namespace

TextDecoder::TextDecoder(const TextTokenizer& tokenizer, bool skip_special)
    : tokenizer_(tokenizer), skip_special_(skip_special) {}

std::string TextDecoder::push(std::int32_t id) {
  const std::string_view text = tokenizer_.text_of(id, at_start_);
  if (skip_special_ && tokenizer_.is_special(id)) return {};
  at_start_ = at_start_ && text.empty() && (tokenizer_.drops_all_first_blanks() || tokenizer_.text_of(id).empty());
  held_ += text;
  return take_whole(held_, false);
}

std::string TextDecoder::finish() {
  at_start_ = true;
  return take_whole(held_, true);
}

std::string decode_text(const TextTokenizer& tokenizer, std::span<const std::int32_t> ids, bool skip_special) {
  TextDecoder decoder(tokenizer, skip_special);
  std::string text;
  for (const std::int32_t id : ids) text += decoder.push(id);
  return text += decoder.finish();
}

std::string replace_invalid_utf8(std::string_view text) {
  std::string held(text);
  return take_whole(held, true);
}

std::unique_ptr<TextTokenizer> load_text_tokenizer(const fs::path& path) {
  std::error_code ignored;
  const fs::path file = fs::is_directory(path, ignored) ? file_in(path) : path;
  if (file.extension() == ".model") return detail::load_sentencepiece(file);
  const detail::MappedFile mapped(file, kMaxFile);
  return parse_tokenizer_json(mapped.text(), file.string());
}

}  // namespace tessera
