#include "tokenizer/added_tokens.h"

#include <algorithm>

#include "tokenizer/pattern.h"
#include "tokenizer/unicode.h"
#include "tokenizer/utf8.h"

namespace tessera::detail {
namespace {

/// The word characters of the reference's border check: UTS 18's \w. Not the \w of split patterns.
bool is_word(std::string_view character) {
  static const Pattern word(
      "[\\p{L}\\p{Nl}\\p{M}\\p{Nd}\\p{Pc}\\x{24b6}-\\x{24e9}\\x{1f130}-\\x{1f149}\\x{1f150}-\\x{1f169}"
      "\\x{1f170}-\\x{1f189}\\x{200c}\\x{200d}]",
      "word characters");
  thread_local PatternScratch scratch;
  Span match{};
  return word.find(character, 0, match, scratch);
}

bool word_before(std::string_view text, std::size_t at) {
  if (at == 0) return false;
  const std::size_t bytes = code_point_before(text, at).bytes;
  return is_word(text.substr(at - bytes, bytes));
}

bool word_behind(std::string_view text, std::size_t at) {
  return at < text.size() && is_word(text.substr(at, code_point_at(text, at).bytes));
}

std::size_t blanks_before(std::string_view text, std::size_t at, std::size_t least) {
  while (at > least) {
    const CodePoint point = code_point_before(text, at);
    if (!is_space(point.value)) break;
    at -= point.bytes;
  }
  return at;
}

std::size_t blanks_behind(std::string_view text, std::size_t at) {
  while (at < text.size()) {
    const CodePoint point = code_point_at(text, at);
    if (!is_space(point.value)) break;
    at += point.bytes;
  }
  return at;
}

}  // namespace

AddedTokenFinder::AddedTokenFinder() : token_at_(1, -1) {}

void AddedTokenFinder::add(const AddedToken& token, std::string_view content) {
  if (content.empty()) return;
  starts_[static_cast<std::uint8_t>(content.front())] = true;
  std::uint32_t node = 0;
  for (const char c : content) {
    const std::uint64_t key = std::uint64_t{node} << 8U | static_cast<std::uint8_t>(c);
    const auto [edge, is_new] = edges_.try_emplace(key, static_cast<std::uint32_t>(token_at_.size()));
    if (is_new) token_at_.push_back(-1);
    node = edge->second;
  }
  if (token_at_[node] >= 0) return;  // the first of two of one content
  token_at_[node] = static_cast<std::int32_t>(tokens_.size());
  tokens_.push_back(token);
}

const AddedToken* AddedTokenFinder::longest(std::string_view text, std::size_t begin, std::size_t& end) const {
  const AddedToken* best = nullptr;
  std::uint32_t node = 0;
  for (std::size_t at = begin; at < text.size(); ++at) {
    const auto edge = edges_.find(std::uint64_t{node} << 8U | static_cast<std::uint8_t>(text[at]));
    if (edge == edges_.end()) break;
    node = edge->second;
    if (token_at_[node] < 0) continue;
    best = &tokens_[static_cast<std::size_t>(token_at_[node])];
    end = at + 1;
  }
  return best;
}

bool AddedTokenFinder::find(std::string_view text, std::size_t& begin, Match& match) const {
  for (; begin < text.size(); ++begin) {
    if (!starts_[static_cast<std::uint8_t>(text[begin])]) continue;
    match.token = longest(text, begin, match.end);
    if (match.token != nullptr) return true;
  }
  return false;
}

void AddedTokenFinder::split(std::string_view text, const Sink& sink) const {
  if (tokens_.empty()) return sink(text, -1);
  std::size_t done = 0, at = 0;
  Match match{};
  while (find(text, at, match)) {
    std::size_t begin = at, end = match.end;
    at = match.end;  // the search goes on behind the content, whatever is stripped or refused
    const AddedToken& token = *match.token;
    if (token.single_word && (word_before(text, begin) || word_behind(text, end))) continue;
    if (token.lstrip) begin = blanks_before(text, begin, std::min(done, begin));
    if (token.rstrip) end = blanks_behind(text, end);
    if (begin > done) sink(text.substr(done, begin - done), -1);
    sink(text.substr(begin, end - begin), token.id);
    done = end;
  }
  if (done < text.size()) sink(text.substr(done), -1);
}

}  // namespace tessera::detail
