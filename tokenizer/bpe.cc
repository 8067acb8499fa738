#include "tokenizer/bpe.h"

#include <algorithm>

#include "codec/checkpoint/json.h"
#include "kernels/error.h"
#include "tokenizer/byte_level.h"
#include "tokenizer/growth.h"
#include "tokenizer/utf8.h"

namespace tessera::detail {
namespace {

/// Bytes that no UTF-8 text has need no token.
bool in_utf8(int byte) { return byte != 0xC0 && byte != 0xC1 && byte < 0xF5; }

std::string replaced(const std::string& text, const std::string& from, const std::string& to, std::size_t limit) {
  std::string out;
  std::size_t done = 0;
  for (std::size_t at = text.find(from); at != text.npos; at = text.find(from, done)) {
    out.append(text, done, at - done).append(to);
    check_growth(out.size(), limit);
    done = at + from.size();
  }
  return out.append(text, done);
}

void check_utf8(std::string_view text) {
  const std::size_t valid = valid_utf8_bytes(text);
  if (valid == text.size()) return;
  throw InputError("bad_utf8", "the text is not UTF-8 at byte " + std::to_string(valid));
}

}  // namespace

BpeTokenizer::BpeTokenizer(BpeDescription description) : parts_(std::move(description)) {
  try {
    index();
  } catch (const InputError& error) {
    throw CheckpointError(parts_.name + ": a token of its own: " + error.what());
  }
}

void BpeTokenizer::index() {
  index_tokens();
  index_added();
  check_bytes();
  for (std::int32_t id = 0; id < size(); ++id) texts_.push_back(decoded(id));
  for (const AddedToken& token : parts_.added) {
    if (parts_.byte_level_decoder) texts_[index(token.id)] = token.content;
  }
}

std::size_t BpeTokenizer::index(std::int32_t id) const {
  if (id >= 0 && id < size()) return static_cast<std::size_t>(id);
  throw ArgumentError("id " + std::to_string(id) + ": the tokenizer has " + std::to_string(size()));
}

void BpeTokenizer::index_tokens() {
  const bool byte_level = parts_.pre_tokenizer.byte_level();
  matched_.resize(parts_.tokens.size());
  for (std::size_t id = 0; id < parts_.tokens.size(); ++id) {
    const std::string& token = parts_.tokens[id];
    if (token.empty()) continue;
    ids_.emplace(token, static_cast<std::int32_t>(id));
    if (!parts_.in_model[id]) continue;
    matched_[id] = byte_level ? byte_level_bytes(token).value_or("") : token;
    if (!matched_[id].empty()) words_.emplace(matched_[id], static_cast<std::int32_t>(id));
  }
}

void BpeTokenizer::index_added() {
  special_.resize(parts_.tokens.size());
  Normalizer::Scratch scratch;
  for (const AddedToken& token : parts_.added) {
    special_[index(token.id)] = token.special;
    if (!token.normalized) raw_.add(token, token.content);
    if (token.normalized) normalized_.add(token, parts_.normalizer.apply(token.content, scratch));
  }
}

void BpeTokenizer::check_bytes() {
  const bool byte_level = parts_.pre_tokenizer.byte_level();
  for (int byte = 0; byte < 256; ++byte) {
    const auto value = static_cast<unsigned char>(byte);
    std::string name = byte_token_name(value);
    if (byte_level) append_utf8(name = "", byte_level_character(value));
    const auto found = ids_.find(name);
    const bool there = found != ids_.end() && parts_.in_model[static_cast<std::size_t>(found->second)];
    bytes_[byte] = there ? found->second : -1;
    if (byte_level && !there && in_utf8(byte)) {
      throw CheckpointError(parts_.name + ": model.vocab has no token " + quote(name) + " for byte " +
                            std::to_string(byte));
    }
  }
}

std::string BpeTokenizer::decoded(std::int32_t id) const {
  std::string text = parts_.tokens[static_cast<std::size_t>(id)];
  if (parts_.byte_level_decoder) return byte_level_bytes(text).value_or(text);
  const auto byte = byte_token(text);
  if (parts_.byte_fallback_decoder && byte) return {static_cast<char>(*byte)};
  const std::size_t limit = growth_limit(text.size());
  for (const auto& [from, to] : parts_.decoder_replacements) text = replaced(text, from, to, limit);
  return text;
}

std::string_view BpeTokenizer::text_of(std::int32_t id, bool at_start) const {
  std::string_view text = texts_[index(id)];
  if (at_start && parts_.drops_first_blank && text.starts_with(' ')) text.remove_prefix(1);
  return text;
}

std::optional<std::int32_t> BpeTokenizer::id_of(std::string_view token) const {
  const auto found = ids_.find(token);
  return found == ids_.end() ? std::nullopt : std::optional(found->second);
}

std::unique_ptr<BpeTokenizer::Scratch> BpeTokenizer::take() const {
  const std::lock_guard lock(mutex_);
  if (idle_.empty()) return std::make_unique<Scratch>(*this);
  auto scratch = std::move(idle_.back());
  idle_.pop_back();
  return scratch;
}

void BpeTokenizer::give_back(std::unique_ptr<Scratch> scratch) const {
  const std::lock_guard lock(mutex_);
  idle_.push_back(std::move(scratch));
}

void BpeTokenizer::encode(std::string_view text, std::vector<std::int32_t>& ids, bool add_special) const {
  check_utf8(text);
  auto scratch = take();
  scratch->ids = &ids;
  if (add_special) ids.insert(ids.end(), parts_.prefix.begin(), parts_.prefix.end());
  raw_.split(text, [&](std::string_view part, std::int32_t id) {
    if (id >= 0) return ids.push_back(id);
    encode_text(part, part.data() == text.data(), *scratch);
  });
  if (add_special) ids.insert(ids.end(), parts_.suffix.begin(), parts_.suffix.end());
  give_back(std::move(scratch));
}

/// What lies between added tokens that are found before the normalizer.
void BpeTokenizer::encode_text(std::string_view text, bool first, Scratch& scratch) const {
  const std::string_view normal = parts_.normalizer.apply(text, scratch.normalizer);
  normalized_.split(normal, [&](std::string_view part, std::int32_t id) {
    if (id >= 0) return scratch.ids->push_back(id);
    parts_.pre_tokenizer.split(part, first && part.data() == normal.data(), scratch.pre_tokenizer, scratch);
  });
}

void BpeTokenizer::encode_word(std::string_view word, Scratch& scratch) const {
  std::vector<std::int32_t>& ids = *scratch.ids;
  std::span<const std::int32_t> known;
  if (scratch.cache.find(word, known)) {
    ids.insert(ids.end(), known.begin(), known.end());
    return;
  }
  scratch.symbols.clear();
  const auto whole = parts_.ignore_merges ? words_.find(word) : words_.end();
  if (whole != words_.end()) {
    scratch.symbols.push_back(whole->second);
  } else {
    first_symbols(word, scratch.symbols);
    scratch.merger.merge(scratch.symbols);
  }
  scratch.cache.insert(word, scratch.symbols);
  ids.insert(ids.end(), scratch.symbols.begin(), scratch.symbols.end());
}

void BpeTokenizer::first_symbols(std::string_view word, std::vector<std::int32_t>& symbols) const {
  if (parts_.pre_tokenizer.byte_level()) {
    for (const char c : word) symbols.push_back(bytes_[static_cast<unsigned char>(c)]);
    return;
  }
  bool after_unknown = false;
  for (std::size_t at = 0; at < word.size();) {
    const std::string_view character = word.substr(at, code_point_at(word, at).bytes);
    at += character.size();
    const auto found = words_.find(character);
    if (found != words_.end()) symbols.push_back(found->second);
    const bool unknown = found == words_.end() && !fall_back(character, symbols);
    if (unknown && parts_.unknown < 0) {
      throw InputError("no_token", "the tokenizer has no token for " + quote(character));
    }
    if (unknown && !(parts_.fuse_unknown && after_unknown)) symbols.push_back(parts_.unknown);
    after_unknown = unknown;
  }
}

/// False when there is not a token for every byte.
bool BpeTokenizer::fall_back(std::string_view character, std::vector<std::int32_t>& symbols) const {
  const auto has_token = [&](char c) { return bytes_[static_cast<unsigned char>(c)] >= 0; };
  if (!parts_.byte_fallback || !std::all_of(character.begin(), character.end(), has_token)) return false;
  for (const char c : character) symbols.push_back(bytes_[static_cast<unsigned char>(c)]);
  return true;
}

}  // namespace tessera::detail
