#include "tokenizer/unicode.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <vector>

#include "tokenizer/utf8.h"

namespace tessera::detail {
namespace {

struct CategoryRange {
  const char* name;
  char32_t first, last;
};
struct ClassRange {
  char32_t first, last;
  std::uint8_t value;
};
struct Decomposition {
  char32_t code, first, second;
  bool composes;
};

#include "tokenizer/unicode_tables.inc"

constexpr char32_t kSyllables = 0xAC00, kLeads = 0x1100, kVowels = 0x1161, kTails = 0x11A7;
constexpr char32_t kLeadCount = 19, kVowelCount = 21, kTailCount = 28;
constexpr char32_t kSyllableCount = kLeadCount * kVowelCount * kTailCount;
constexpr char32_t kTableEnd = 0x30000;  // beyond it nothing composes, decomposes or is a mark

bool in_range(char32_t value, char32_t first, char32_t count) { return value >= first && value - first < count; }

/// The tables of NFC in the forms it asks for them.
class Composition {
 public:
  Composition() : classes_(kTableEnd), unsafe_(kTableEnd) {
    for (const ClassRange& range : kClasses) {
      for (char32_t c = range.first; c <= range.last; ++c) classes_[c] = range.value;
      for (char32_t c = range.first; c <= range.last; ++c) unsafe_[c] = true;
    }
    for (const Decomposition& entry : kDecompositions) add(entry);
    std::sort(pairs_.begin(), pairs_.end(), before);
    for (char32_t i = 0; i < kVowelCount; ++i) unsafe_[kVowels + i] = true;
    for (char32_t i = 1; i < kTailCount; ++i) unsafe_[kTails + i] = true;
  }

  [[nodiscard]] std::uint8_t class_of(char32_t value) const { return value < kTableEnd ? classes_[value] : 0; }

  /// True for what may change in NFC, or change what stands before it.
  [[nodiscard]] bool unsafe(char32_t value) const { return value < kTableEnd && unsafe_[value]; }

  /// 0 when the two do not compose.
  [[nodiscard]] char32_t compose(char32_t first, char32_t second) const {
    if (in_range(first, kLeads, kLeadCount) && in_range(second, kVowels, kVowelCount)) {
      return kSyllables + ((first - kLeads) * kVowelCount + (second - kVowels)) * kTailCount;
    }
    const bool open = in_range(first, kSyllables, kSyllableCount) && (first - kSyllables) % kTailCount == 0;
    if (open && in_range(second, kTails + 1, kTailCount - 1)) return first + (second - kTails);
    const auto found = std::lower_bound(pairs_.begin(), pairs_.end(), Decomposition{0, first, second, true}, before);
    return found != pairs_.end() && found->first == first && found->second == second ? found->code : 0;
  }

  void decompose(char32_t value, std::vector<char32_t>& out) const {
    if (in_range(value, kSyllables, kSyllableCount)) return decompose_syllable(value - kSyllables, out);
    const auto found = std::lower_bound(std::begin(kDecompositions), std::end(kDecompositions), value,
                                        [](const Decomposition& entry, char32_t code) { return entry.code < code; });
    if (found == std::end(kDecompositions) || found->code != value) return out.push_back(value);
    decompose(found->first, out);
    if (found->second != 0) decompose(found->second, out);
  }

 private:
  static bool before(const Decomposition& a, const Decomposition& b) {
    return a.first != b.first ? a.first < b.first : a.second < b.second;
  }

  static void decompose_syllable(char32_t index, std::vector<char32_t>& out) {
    out.push_back(kLeads + index / (kVowelCount * kTailCount));
    out.push_back(kVowels + index / kTailCount % kVowelCount);
    if (index % kTailCount != 0) out.push_back(kTails + index % kTailCount);
  }

  void add(const Decomposition& entry) {
    if (!entry.composes) {
      unsafe_[entry.code] = true;
      return;
    }
    pairs_.push_back(entry);
    unsafe_[entry.second] = true;
  }

  std::vector<std::uint8_t> classes_;
  std::vector<bool> unsafe_;
  std::vector<Decomposition> pairs_;
};

const Composition& composition() {
  static const Composition tables;
  return tables;
}

void order_marks(std::vector<char32_t>& points) {
  const Composition& tables = composition();
  auto at = points.begin();
  while (at != points.end()) {
    auto end = at;
    while (end != points.end() && tables.class_of(*end) != 0) ++end;
    std::stable_sort(at, end, [&](char32_t a, char32_t b) { return tables.class_of(a) < tables.class_of(b); });
    at = end == points.end() ? end : end + 1;
  }
}

/// Each code point goes into the last starter unless something of its own class or above stands between them.
void compose(std::vector<char32_t>& points) {
  const Composition& tables = composition();
  std::size_t count = 0, starter = points.size();
  for (const char32_t value : points) {
    const std::uint8_t mark = tables.class_of(value);
    const bool has_starter = starter < count;
    const bool next_to = has_starter && starter + 1 == count;
    const bool blocked = !next_to && has_starter && tables.class_of(points[count - 1]) >= mark;
    const char32_t both = has_starter && !blocked ? tables.compose(points[starter], value) : 0;
    if (both != 0) {
      points[starter] = both;
      continue;
    }
    if (mark == 0) starter = count;
    points[count++] = value;
  }
  points.resize(count);
}

/// Normalises what lies between two code points that nothing behind them changes.
void append_composed(std::string_view text, std::vector<char32_t>& points, std::string& out) {
  points.clear();
  for (std::size_t at = 0; at < text.size();) {
    const CodePoint point = code_point_at(text, at);
    composition().decompose(point.value, points);
    at += point.bytes;
  }
  order_marks(points);
  compose(points);
  for (const char32_t value : points) append_utf8(out, value);
}

/// Byte offset of the next unsafe code point from `at` on, text.size() when there is none; `safe` becomes the offset of
/// the last code point before it.
std::size_t next_unsafe(std::string_view text, std::size_t at, std::size_t& safe) {
  while (at < text.size()) {
    if (static_cast<std::uint8_t>(text[at]) < 0xCC) {  // below U+0300 all is composed
      safe = at;
      at += static_cast<std::uint8_t>(text[at]) < 0x80 ? 1 : 2;
      continue;
    }
    const CodePoint point = code_point_at(text, at);
    if (composition().unsafe(point.value)) return at;
    safe = at;
    at += point.bytes;
  }
  return at;
}

std::size_t next_safe(std::string_view text, std::size_t at) {
  while (at < text.size()) {
    const CodePoint point = code_point_at(text, at);
    if (!composition().unsafe(point.value)) return at;
    at += point.bytes;
  }
  return at;
}

std::string item(char32_t first, char32_t last) {
  char text[40];
  const auto begin = static_cast<unsigned>(first);
  if (first == last) std::snprintf(text, sizeof text, "\\x{%x}", begin);
  if (first != last) std::snprintf(text, sizeof text, "\\x{%x}-\\x{%x}", begin, static_cast<unsigned>(last));
  return text;
}

}  // namespace

bool is_space(char32_t value) {
  if (value < 0x80) return value == ' ' || (value >= '\t' && value <= '\r');
  constexpr std::array<char32_t, 8> others = {0x85, 0xA0, 0x1680, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000};
  return in_range(value, 0x2000, 11) || std::find(others.begin(), others.end(), value) != others.end();
}

std::string_view nfc(std::string_view text, std::string& storage) {
  std::size_t safe = 0;
  std::size_t unsafe = next_unsafe(text, 0, safe);
  if (unsafe == text.size()) return text;
  storage.clear();
  std::vector<char32_t> points;
  std::size_t done = 0;
  while (unsafe < text.size()) {
    const std::size_t begin = unsafe == 0 ? 0 : std::max(safe, done);
    const std::size_t end = next_safe(text, unsafe);
    storage.append(text, done, begin - done);
    append_composed(text.substr(begin, end - begin), points, storage);
    done = end;
    safe = end;
    unsafe = next_unsafe(text, end, safe);
  }
  storage.append(text, done);
  return storage;
}

std::string later_members(std::string_view name) {
  std::string items;
  for (const CategoryRange& range : kAdditions) {
    if (std::string_view(range.name).starts_with(name)) items += item(range.first, range.last);
  }
  return items;
}

}  // namespace tessera::detail
