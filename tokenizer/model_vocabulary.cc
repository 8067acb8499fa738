#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>

#include "tokenizer/json_fields.h"
#include "tokenizer/vocabulary.h"

namespace tessera {
namespace {

using detail::JsonFields;
using detail::quote;

constexpr int kConfigDepth = 32;
constexpr std::int32_t kSnacCodes = 4096;
constexpr std::int32_t kFirstCustomToken = 10;  // the ones before it are Orpheus's delimiters
/// Level and step of Orpheus's seven codes a frame.
constexpr std::pair<int, int> kSnacSlots[] = {{0, 0}, {1, 0}, {2, 0}, {2, 1}, {1, 1}, {2, 2}, {2, 3}};

std::optional<std::int32_t> number(std::string_view digits) {
  std::int32_t value = 0;
  const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  const bool whole =
      error == std::errc() && stop == digits.data() + digits.size() && !digits.empty() && digits[0] != '-';
  return whole ? std::optional(value) : std::nullopt;
}

/// What stands between `prefix` and `suffix`; nothing when they do not.
std::optional<std::string_view> between(std::string_view token, std::string_view prefix, std::string_view suffix) {
  const bool fits =
      token.size() > prefix.size() + suffix.size() && token.starts_with(prefix) && token.ends_with(suffix);
  return fits ? std::optional(token.substr(prefix.size(), token.size() - prefix.size() - suffix.size())) : std::nullopt;
}

/// "IMGIMGBACZ": 102
std::optional<std::int32_t> chameleon_code(std::string_view token) {
  const auto letters = between(token, "IMGIMG", "Z");
  if (!letters) return std::nullopt;
  std::string digits;
  for (const char c : *letters) digits += c >= 'A' && c <= 'J' ? static_cast<char>('0' + (c - 'A')) : 'x';
  return number(digits);
}

std::optional<std::int32_t> emu3_code(std::string_view token) {
  const auto digits = between(token, "<|visual token ", "|>");
  return digits ? number(*digits) : std::nullopt;
}

std::optional<std::int32_t> orpheus_code(std::string_view token) {
  const auto digits = between(token, "<custom_token_", ">");
  const auto value = digits ? number(*digits) : std::nullopt;
  return value && *value >= kFirstCustomToken ? std::optional(*value - kFirstCustomToken) : std::nullopt;
}

/// The ids of tokens that name codes 0, 1, …; nothing when no token does. Refuses gaps and another order.
template <class CodeOf>
std::optional<IdRange> named_codes(const TextTokenizer& tokenizer, CodeOf code_of, const std::string& name) {
  std::optional<IdRange> range;
  for (std::int32_t id = 0; id < tokenizer.size(); ++id) {
    const auto code = code_of(tokenizer.token(id));
    if (!code) continue;
    if (!range) range = IdRange{id, 0};
    if (*code != range->count || id != range->first + range->count) {
      throw CheckpointError(name + ": token " + quote(tokenizer.token(id)) + " has id " + std::to_string(id) +
                            ": ids of codes have gaps or another order than the codes");
    }
    ++range->count;
  }
  return range;
}

std::map<std::string, std::int64_t> special_tokens(const TextTokenizer& tokenizer,
                                                   const std::vector<VocabularyRange>& codes) {
  std::map<std::string, std::int64_t> specials;
  for (std::int32_t id = 0; id < tokenizer.size(); ++id) {
    const bool is_code = std::any_of(codes.begin(), codes.end(),
                                     [&](const auto& range) { return !range.own_table && range.contains(id); });
    if (!is_code && tokenizer.is_special(id)) specials.emplace(tokenizer.token(id), id);
  }
  return specials;
}

/// Tokens that delimit pictures and sounds, though a tokenizer may not mark them as special.
void add_known(const TextTokenizer& tokenizer, std::initializer_list<const char*> names,
               std::map<std::string, std::int64_t>& specials) {
  for (const char* name : names) {
    if (const auto id = tokenizer.id_of(name)) specials.emplace(name, *id);
  }
}

/// "text", "text.1" …: what lies between the ranges of codes and has more than special tokens.
void add_text(const TextTokenizer& tokenizer, const std::map<std::string, std::int64_t>& specials,
              std::vector<VocabularyRange>& ranges) {
  std::vector<bool> taken(static_cast<std::size_t>(tokenizer.size()));
  for (const VocabularyRange& range : ranges) {
    if (range.own_table) continue;
    std::fill_n(taken.begin() + static_cast<std::ptrdiff_t>(range.first), range.count, true);
  }
  std::vector<bool> plain(taken.size());
  for (std::int32_t id = 0; id < tokenizer.size(); ++id)
    plain[static_cast<std::size_t>(id)] = !tokenizer.token(id).empty();
  for (const auto& special : specials) plain[static_cast<std::size_t>(special.second)] = false;
  std::vector<VocabularyRange> texts;
  for (std::size_t at = 0; at < taken.size();) {
    const auto end = static_cast<std::size_t>(
        std::find(taken.begin() + static_cast<std::ptrdiff_t>(at), taken.end(), true) - taken.begin());
    const auto begin = plain.begin() + static_cast<std::ptrdiff_t>(at);
    if (std::find(begin, plain.begin() + static_cast<std::ptrdiff_t>(end), true) <
        plain.begin() + static_cast<std::ptrdiff_t>(end)) {
      const std::string name = texts.empty() ? "text" : "text." + std::to_string(texts.size());
      texts.push_back({{static_cast<std::int64_t>(at), static_cast<std::int64_t>(end - at)}, name, ""});
    }
    at = end + 1;
  }
  ranges.insert(ranges.begin(), texts.begin(), texts.end());
}

std::vector<VocabularyRange> snac_ranges(const IdRange& all, const std::string& name) {
  std::vector<VocabularyRange> ranges;
  if (all.count < std::int64_t{kSnacCodes} * std::ssize(kSnacSlots)) {
    throw CheckpointError(name + ": " + std::to_string(all.count) +
                          " custom tokens are too few for SNAC's seven codes a frame");
  }
  std::int64_t first = all.first;
  for (const auto& [level, step] : kSnacSlots) {
    std::string range_name = "audio." + std::to_string(level);
    if (level > 0) range_name += "." + std::to_string(step);
    ranges.push_back({{first, kSnacCodes}, range_name, "audio", level, level > 0 ? step : -1});
    first += kSnacCodes;
  }
  return ranges;
}

/// "1025-1025-129" or 1025, for every level.
std::vector<int> dashed(const JsonFields& config, const char* key, std::size_t levels) {
  const auto& value = config.get(key);
  if (value.is_number()) return std::vector<int>(levels, static_cast<int>(config.integer(key, 0, 1 << 24)));
  const std::string text = config.string(key);
  std::vector<int> values;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find('-', at), text.size());
    const auto item = number(std::string_view(text).substr(at, end - at));
    if (!item) throw CheckpointError(config.path(key) + ": " + quote(text) + " is no list of whole numbers");
    values.push_back(*item);
    at = end + 1;
  }
  if (values.size() != levels) {
    throw CheckpointError(config.path(key) + " has " + std::to_string(values.size()) + " numbers for " +
                          std::to_string(levels) + " levels");
  }
  return values;
}

MultiLevelPattern mimo_pattern(const JsonFields& config, std::vector<VocabularyRange>& ranges) {
  const auto levels = static_cast<std::size_t>(config.integer("audio_channels", 1, 1024));
  const std::vector<int> sizes = dashed(config, "speech_vocab_size", levels);
  for (std::size_t level = 0; level < levels; ++level) {
    ranges.push_back({{0, sizes[level]}, "audio." + std::to_string(level), "audio", static_cast<int>(level), -1, true});
  }
  return {static_cast<int>(config.integer("group_size", 1, 1024)), dashed(config, "delay_pattern", levels),
          dashed(config, "speech_zeroemb_idx", levels)};
}

}  // namespace

Vocabulary model_vocabulary(const TextTokenizer& tokenizer, std::string_view config, const std::string& name) {
  const nlohmann::json root =
      config.empty() ? nlohmann::json::object() : detail::parse_json(config, name, kConfigDepth);
  const JsonFields fields(root, name + ": ");
  std::vector<VocabularyRange> ranges;
  std::optional<MultiLevelPattern> pattern;
  auto pictures = named_codes(tokenizer, chameleon_code, name);
  if (!pictures) pictures = named_codes(tokenizer, emu3_code, name);
  if (pictures) ranges.push_back({*pictures, "image.0", "image", 0});
  if (const auto sounds = named_codes(tokenizer, orpheus_code, name)) ranges = snac_ranges(*sounds, name);
  if (fields.find("speech_vocab_size") != nullptr) pattern = mimo_pattern(fields, ranges);
  auto specials = special_tokens(tokenizer, ranges);
  add_known(
      tokenizer,
      {"<racm3:break>", "<eoss>", "<reserved08706>", "<|image start|>", "<|image end|>", "<|image token|>",
       "<|extra_200|>", "<|extra_201|>", "<|sosp|>", "<|eosp|>", "<|empty|>", "<|sostm|>", "<|eostm|>", "<|eot|>"},
      specials);
  add_text(tokenizer, specials, ranges);
  return {tokenizer.size(), std::move(ranges), std::move(specials), std::move(pattern), name};
}

}  // namespace tessera
