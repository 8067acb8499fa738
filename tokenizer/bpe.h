#pragma once

#include <mutex>
#include <unordered_map>

#include "tokenizer/added_tokens.h"
#include "tokenizer/merges.h"
#include "tokenizer/normalizer.h"
#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/text.h"
#include "tokenizer/word_cache.h"

namespace tessera::detail {

/// What a tokenizer.json with a BPE model says.
struct BpeDescription {
  std::string name;                 ///< of the file, for messages
  std::vector<std::string> tokens;  ///< by id; empty where an id stands for nothing
  std::vector<bool> in_model;       ///< false for tokens that only `added` has
  MergeTable merges{0};
  bool ignore_merges = false;  ///< a whole word that is a token is that token
  bool byte_fallback = false;  ///< unknown characters become "<0x..>" tokens
  bool fuse_unknown = false;
  std::int32_t unknown = -1;
  Normalizer normalizer;
  PreTokenizer pre_tokenizer;
  std::vector<AddedToken> added;
  std::vector<std::int32_t> prefix, suffix;  ///< what the template puts around a text

  bool byte_level_decoder = false;
  bool byte_fallback_decoder = false;
  bool drops_first_blank = false;
  std::vector<std::pair<std::string, std::string>> decoder_replacements;
};

/// Byte-pair encoding after Sennrich et al. (2016), byte-level after GPT-2, in the details as the `tokenizers` package.
class BpeTokenizer final : public TextTokenizer {
 public:
  /// Throws CheckpointError when parts do not fit each other.
  explicit BpeTokenizer(BpeDescription description);

  [[nodiscard]] std::int32_t size() const override { return static_cast<std::int32_t>(parts_.tokens.size()); }
  void encode(std::string_view text, std::vector<std::int32_t>& ids, bool add_special) const override;
  [[nodiscard]] std::optional<std::int32_t> id_of(std::string_view token) const override;
  [[nodiscard]] std::string_view token(std::int32_t id) const override { return parts_.tokens[index(id)]; }
  [[nodiscard]] std::string_view text_of(std::int32_t id, bool at_start) const override;
  [[nodiscard]] bool is_special(std::int32_t id) const override { return special_[index(id)]; }

 private:
  using Ids = std::unordered_map<std::string_view, std::int32_t>;

  /// What one caller at a time encodes with.
  struct Scratch final : WordSink {
    Scratch(const BpeTokenizer& of) : owner(of), merger(of.parts_.merges) {}
    void word(std::string_view word) override { owner.encode_word(word, *this); }

    const BpeTokenizer& owner;
    WordMerger merger;
    WordCache cache;
    Normalizer::Scratch normalizer;
    PreTokenizer::Scratch pre_tokenizer;
    std::vector<std::int32_t> symbols;
    std::vector<std::int32_t>* ids = nullptr;
  };

  void index();
  void index_tokens();
  void index_added();
  void check_bytes();
  [[nodiscard]] std::string decoded(std::int32_t id) const;
  [[nodiscard]] std::size_t index(std::int32_t id) const;

  void encode_text(std::string_view text, bool first, Scratch& scratch) const;
  void encode_word(std::string_view word, Scratch& scratch) const;
  void first_symbols(std::string_view word, std::vector<std::int32_t>& symbols) const;
  bool fall_back(std::string_view character, std::vector<std::int32_t>& symbols) const;

  [[nodiscard]] std::unique_ptr<Scratch> take() const;
  void give_back(std::unique_ptr<Scratch> scratch) const;

  BpeDescription parts_;
  Ids ids_;                           // by spelling
  Ids words_;                         // tokens of the model by what they match in a word
  std::vector<std::string> matched_;  // what these are views of
  std::vector<std::string> texts_;
  std::vector<bool> special_;
  std::int32_t bytes_[256];  // of "<0x..>" or of byte-level characters; -1: none
  AddedTokenFinder raw_, normalized_;

  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<Scratch>> idle_;
};

}  // namespace tessera::detail
