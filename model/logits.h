#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/tensor.h"
#include "tokenizer/vocabulary.h"

namespace tessera {

class Context;

/// Which ids' logits are wanted, of rows that each want some: collects ranges, in any order and overlapping.
class WantedIds {
 public:
  void add(std::span<const IdRange> ids) { ranges_.insert(ranges_.end(), ids.begin(), ids.end()); }
  void add_all() noexcept { all_ = true; }
  /// As the head computes them: ranges of whole panels of 16 ids within the vocabulary, ascending, apart. Where nothing
  /// was added they are the whole vocabulary.
  [[nodiscard]] std::vector<IdRange> panels(std::int64_t vocabulary) const;

 private:
  std::vector<IdRange> ranges_;
  bool all_ = false;
};

/// Ids in ranges that are apart.
[[nodiscard]] std::int64_t count_of(std::span<const IdRange> ids) noexcept;

/// Contiguous logits [rows, vocabulary] on the host: what lies in `ids` (as panels() gives them), NaN, which is never
/// drawn, in all other columns.
[[nodiscard]] std::vector<float> download_logits(Context& context, ConstMatrix logits, std::span<const IdRange> ids);

}  // namespace tessera
