// Any tokenizer.json is either refused with a CheckpointError or is a tokenizer that keeps its contract on any text.
//
// An input is a tokenizer.json, NUL, a text. `"@":0` stands for the 256 bytes of a byte-level vocabulary, ids 0 … 255.

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "kernels/error.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/text.h"
#include "tokenizer/utf8.h"

namespace {

using nlohmann::json;
using tessera::TextTokenizer;
using Ids = std::vector<std::int32_t>;

constexpr std::string_view kAllBytes = "\"@\":0";

void require(bool holds) {
  if (!holds) __builtin_trap();
}

/// Goes into a line of JSON: dump() throws when it is not UTF-8.
void require_utf8(const std::string& text) { require(json(text).dump().size() >= 2); }

std::string all_bytes() {
  json vocabulary = json::object();
  for (int byte = 0; byte < 256; ++byte) {
    std::string name;
    tessera::detail::append_utf8(name, tessera::detail::byte_level_character(static_cast<unsigned char>(byte)));
    vocabulary[name] = byte;
  }
  const std::string text = vocabulary.dump();
  return text.substr(1, text.size() - 2);
}

std::string expanded(std::string_view file) {
  static const std::string bytes = all_bytes();
  std::string text(file);
  const std::size_t at = text.find(kAllBytes);
  return at == text.npos ? text : text.replace(at, kAllBytes.size(), bytes);
}

/// True of files whose parts neither add, drop nor change bytes.
bool lossless(const json& file) {
  const auto absent = [&](const char* key) { return !file.contains(key) || file[key].is_null(); };
  if (!absent("normalizer") || !absent("added_tokens") || absent("pre_tokenizer")) return false;
  return file["pre_tokenizer"] == json{{"type", "ByteLevel"}, {"add_prefix_space", false}};
}

std::string streamed(const TextTokenizer& tokenizer, const Ids& ids, bool skip_special) {
  tessera::TextDecoder decoder(tokenizer, skip_special);
  std::string text;
  for (const std::int32_t id : ids) {
    const std::string part = decoder.push(id);
    require_utf8(part);
    text += part;
  }
  return text + decoder.finish();
}

void check_text(const TextTokenizer& tokenizer, const std::string& text, bool whole) try {
  Ids ids, again;
  tokenizer.encode(text, ids, true);
  tokenizer.encode(text, again, true);
  require(ids == again);  // with the words it has seen
  for (const std::int32_t id : ids) require(id >= 0 && id < tokenizer.size());
  for (const bool skip : {false, true}) {
    require(tessera::decode_text(tokenizer, ids, skip) == streamed(tokenizer, ids, skip));
  }
  if (!whole) return;
  ids.clear();
  tokenizer.encode(text, ids);
  require(tessera::decode_text(tokenizer, ids) == text);
} catch (const tessera::InputError& error) {
  require_utf8(error.what());
  require(!whole || error.reason() == "split_limit");
}

void check_token(const TextTokenizer& tokenizer, std::int32_t id) {
  const std::string_view token = tokenizer.token(id);
  require_utf8(std::string(token));
  require(token.empty() || tokenizer.id_of(token) == id);
  require(tokenizer.text_of(id, true).size() <= tokenizer.text_of(id).size());
  (void)tokenizer.is_special(id);
}

void check(const std::string& file, std::string_view text) {
  const auto tokenizer = tessera::parse_tokenizer_json(file, "x");
  for (std::int32_t id = 0; id < tokenizer->size(); ++id) check_token(*tokenizer, id);
  const std::string valid = tessera::replace_invalid_utf8(text);
  require((valid == text) == (tessera::detail::valid_utf8_bytes(text) == text.size()));
  check_text(*tokenizer, valid, lossless(json::parse(file)));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::string_view file = input.substr(0, input.find('\0'));
  const std::string_view text = file.size() < size ? input.substr(file.size() + 1) : "a  b\n1é";
  try {
    check(expanded(file), text);
  } catch (const tessera::CheckpointError& error) {
    require_utf8(error.what());
    require(std::string_view(error.what()).starts_with("x: "));
  }
  return 0;
}
