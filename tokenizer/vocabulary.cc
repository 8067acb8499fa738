#include "tokenizer/vocabulary.h"

#include <algorithm>
#include <limits>
#include <set>

#include "codec/checkpoint/json.h"
#include "kernels/error.h"

namespace tessera {
namespace {

void check_range(const VocabularyRange& range, std::int64_t size, const std::string& name) {
  constexpr std::int64_t most = std::numeric_limits<std::int32_t>::max();
  const std::int64_t end = range.own_table ? most : size;
  const bool fits = range.first >= 0 && range.count >= 1 && range.first <= end && range.count <= end - range.first;
  if (!fits) throw CheckpointError(name + ": range " + detail::quote(range.name) + " is not within the vocabulary");
}

void check_overlap(std::vector<VocabularyRange> ranges, const std::string& name) {
  std::erase_if(ranges, [](const auto& range) { return range.own_table; });
  std::sort(ranges.begin(), ranges.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  for (std::size_t i = 1; i < ranges.size(); ++i) {
    if (ranges[i - 1].contains(ranges[i].first)) {
      throw CheckpointError(name + ": ranges " + detail::quote(ranges[i - 1].name) + " and " +
                            detail::quote(ranges[i].name) + " share ids");
    }
  }
}

}  // namespace

Vocabulary::Vocabulary(std::int64_t size, std::vector<VocabularyRange> ranges,
                       std::map<std::string, std::int64_t> specials, std::optional<MultiLevelPattern> pattern,
                       const std::string& name)
    : size_(size), ranges_(std::move(ranges)), specials_(std::move(specials)), pattern_(std::move(pattern)) {
  std::set<std::string> names;
  for (const VocabularyRange& range : ranges_) {
    check_range(range, size_, name);
    if (!names.insert(range.name).second) {
      throw CheckpointError(name + ": two ranges are called " + detail::quote(range.name));
    }
  }
  check_overlap(ranges_, name);
  for (const auto& [special, id] : specials_) {
    if (id < 0 || id >= size_) throw CheckpointError(name + ": special " + detail::quote(special) + " has no such id");
  }
}

const VocabularyRange* Vocabulary::range(std::string_view name) const {
  const auto found =
      std::find_if(ranges_.begin(), ranges_.end(), [&](const auto& range) { return range.name == name; });
  return found == ranges_.end() ? nullptr : &*found;
}

const VocabularyRange* Vocabulary::range_of(std::int64_t id) const {
  const auto found = std::find_if(ranges_.begin(), ranges_.end(),
                                  [&](const auto& range) { return !range.own_table && range.contains(id); });
  return found == ranges_.end() ? nullptr : &*found;
}

std::string Vocabulary::special_name(std::int64_t id) const {
  const auto found =
      std::find_if(specials_.begin(), specials_.end(), [&](const auto& special) { return special.second == id; });
  return found == specials_.end() ? std::string() : found->first;
}

std::vector<VocabularyRange> Vocabulary::ranges_of_codec(std::string_view codec) const {
  std::vector<VocabularyRange> found;
  for (const VocabularyRange& range : ranges_) {
    if (range.codec == codec) found.push_back(range);
  }
  return found;
}

Vocabulary codec_vocabulary(std::span<const int> codebook_sizes, const std::string& codec) {
  std::vector<VocabularyRange> ranges;
  std::int64_t first = 0;
  for (const int count : codebook_sizes) {
    const auto level = static_cast<int>(ranges.size());
    ranges.push_back({{first, count}, codec + "." + std::to_string(level), codec, level});
    first += count;
  }
  return {first, std::move(ranges), {}};
}

}  // namespace tessera
