#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/text.h"

namespace tessera {

/// Ids `first` … `first + count - 1`.
struct IdRange {
  std::int64_t first = 0;
  std::int64_t count = 0;
  [[nodiscard]] bool contains(std::int64_t id) const noexcept { return id >= first && id - first < count; }
  friend bool operator==(const IdRange&, const IdRange&) = default;
};

/// A named range: "text", "audio.0", "image.0".
struct VocabularyRange : IdRange {
  std::string name;
  std::string codec;  ///< "audio" or "image"; empty for text. Its codes: id = first + code
  int level = -1;
  /// Of a frame that holds several codes of the level, each with ids of its own, which one (Orpheus); -1: all.
  int step = -1;
  /// True when the level has an embedding table of its own and its ids are not of the sequence's (MiMo-Audio).
  bool own_table = false;
  friend bool operator==(const VocabularyRange&, const VocabularyRange&) = default;
};

/// How the levels of a codec share the positions of a multi-level sequence.
struct MultiLevelPattern {
  int group = 1;                        ///< frames at one position of the sequence
  std::vector<int> delays;              ///< frames that each level lags
  std::vector<std::int32_t> empty_ids;  ///< of each level, where there is no code
  friend bool operator==(const MultiLevelPattern&, const MultiLevelPattern&) = default;
};

/// The id contract of a model: what every id stands for.
class Vocabulary {
 public:
  /// Throws CheckpointError (it begins with `name`) when ranges overlap, or anything is not within `size`, or two
  /// ranges have one name.
  Vocabulary(std::int64_t size, std::vector<VocabularyRange> ranges, std::map<std::string, std::int64_t> specials,
             std::optional<MultiLevelPattern> pattern = std::nullopt, const std::string& name = "vocabulary");

  /// Ids of a sequence are 0 … size() - 1.
  [[nodiscard]] std::int64_t size() const noexcept { return size_; }
  [[nodiscard]] const std::vector<VocabularyRange>& ranges() const noexcept { return ranges_; }
  [[nodiscard]] const std::map<std::string, std::int64_t>& specials() const noexcept { return specials_; }
  /// Present when the layout is multi-level.
  [[nodiscard]] const std::optional<MultiLevelPattern>& pattern() const noexcept { return pattern_; }

  /// Null when there is none.
  [[nodiscard]] const VocabularyRange* range(std::string_view name) const;
  /// Of an id of a sequence; null when it is in none.
  [[nodiscard]] const VocabularyRange* range_of(std::int64_t id) const;
  /// Empty when it is none.
  [[nodiscard]] std::string special_name(std::int64_t id) const;
  /// All ranges of a codec ("audio", "image"), in the order of the vocabulary.
  [[nodiscard]] std::vector<VocabularyRange> ranges_of_codec(std::string_view codec) const;

  friend bool operator==(const Vocabulary&, const Vocabulary&) = default;

 private:
  std::int64_t size_;
  std::vector<VocabularyRange> ranges_;
  std::map<std::string, std::int64_t> specials_;
  std::optional<MultiLevelPattern> pattern_;
};

/// A codec alone, flat: "audio.0", "audio.1" … follow each other.
[[nodiscard]] Vocabulary codec_vocabulary(std::span<const int> codebook_sizes, const std::string& codec = "audio");

/// What a model's tokenizer and config.json say, by the names of tokens, never by fixed ids:
/// - Chameleon (also Anole, Lumina-mGPT): picture codes are `IMGIMG` + letters A–J for digits + `Z`;
/// - Emu3, Emu3.5: `<|visual token 000000|>` …;
/// - Orpheus: SNAC's seven codes a frame in `<custom_token_10>` …, 4096 ids for each;
/// - MiMo-Audio: `speech_vocab_size`, `speech_zeroemb_idx`, `delay_pattern` and `group_size` of config.json:
/// multi-level;
/// - anything else: text and its special tokens.
/// `config`: the text of config.json, empty when there is none. Throws CheckpointError when the names have gaps or
/// another order than the codes.
[[nodiscard]] Vocabulary model_vocabulary(const TextTokenizer& tokenizer, std::string_view config,
                                          const std::string& name);

/// `{"size":N,"ranges":[{"name":"text","first":0,"count":…},{"name":"audio.0",…,"codec":"audio","level":0},…],
/// "specials":{"<|audio_start|>":…},"layout":"flat"}`; ranges have "step" and "own_table" where they are said, and a
/// multi-level vocabulary ends in "pattern": {"group", "delays", "empty"}.
[[nodiscard]] std::string to_json(const Vocabulary& vocabulary);
/// Reads the same. Throws CheckpointError.
[[nodiscard]] Vocabulary parse_vocabulary(std::string_view json, const std::string& name);

}  // namespace tessera
