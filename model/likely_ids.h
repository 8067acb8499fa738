#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "tokenizer/vocabulary.h"

namespace tessera {

/// Which ids are worth a draft's logits: an id left out is one draft rejected, and a large vocabulary costs each draft
/// more than the rest of its layer. Trained vocabularies are in the order of their merges, which is close to that of
/// frequency, so that the first quarter is likely text (as in FR-Spec, arXiv 2502.14856, which counts ids in a corpus).
/// Of the rest those 256ths are likely that hold more than one in 128 of the sequence's recent ids: codes of a clip or
/// a picture, another script, this text's rare words.
class LikelyIds {
 public:
  explicit LikelyIds(std::int64_t vocabulary);

  /// `ids`: all of the sequence; those that are new count.
  void observe(std::span<const std::int32_t> ids);
  /// What is likely of `wanted` (as WantedIds::panels() gives it); all of it where nothing is, or where it is no more
  /// than a quarter of the vocabulary itself.
  [[nodiscard]] std::vector<IdRange> of(std::span<const IdRange> wanted) const;

 private:
  [[nodiscard]] bool is_likely(std::size_t block) const;

  std::int64_t vocabulary_;
  std::int64_t block_;         // ids
  std::vector<float> shares_;  // by block: of recent ids, the newer weighing more
  std::size_t observed_ = 0;   // ids
};

}  // namespace tessera
