#pragma once

#include <cstdint>
#include <span>

#include "model/decoder.h"

namespace tessera {

/// What a pass through the decoder gave for one feed.
struct PassPart {
  std::span<float> logits;  ///< rows of the vocabulary, on the host
  ConstMatrix hidden;       ///< the residual stream of all ids; empty when nobody asked for it
};

/// What one pass gave, to be taken feed after feed.
class Pass {
 public:
  /// `logits` and `hidden` are those of Decoder::forward(…, feeds, rows, …), the first on the host.
  Pass(std::span<const Feed> feeds, LogitRows rows, std::span<float> logits, std::int64_t vocabulary,
       ConstMatrix hidden)
      : feeds_(feeds), rows_(rows), logits_(logits), width_(vocabulary), hidden_(hidden) {}

  /// Whether the next feed is this sequence's.
  [[nodiscard]] bool feeds(const Sequence& sequence) const noexcept {
    return !feeds_.empty() && feeds_.front().sequence == &sequence;
  }
  [[nodiscard]] PassPart next() {
    const auto ids = static_cast<std::int64_t>(feeds_.front().ids.size());
    const std::int64_t rows = rows_ == LogitRows::all ? ids : 1;
    const auto floats = static_cast<std::size_t>(rows * width_);
    const PassPart part{logits_.first(floats), hidden_.data == nullptr ? hidden_ : hidden_.slice(ids_, ids)};
    feeds_ = feeds_.subspan(1);
    logits_ = logits_.subspan(floats);
    ids_ += ids;
    logit_rows_ += rows;
    return part;
  }
  /// Rows of logits taken so far.
  [[nodiscard]] std::int64_t logit_rows() const noexcept { return logit_rows_; }

 private:
  std::span<const Feed> feeds_;
  LogitRows rows_;
  std::span<float> logits_;
  std::int64_t width_;
  ConstMatrix hidden_;
  std::int64_t ids_ = 0;
  std::int64_t logit_rows_ = 0;
};

}  // namespace tessera
