#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "model/draft_layer.h"
#include "model/drafter.h"

namespace tessera {

/// From when on drafts are cheaper than exact. They are verified, so that they need not be exact, and must not read
/// much of the memory that they should save.
struct DraftThresholds {
  /// Drafts of a decoder with more weights have layers, and a head of their own, in 4 bits (kernels/quantised.h), where
  /// --weights does not keep all in few bits.
  std::int64_t most_stored = std::int64_t{1} << 26;
  /// Of what a step reads, the head: where it is more, and in 4 bits for drafts, only LikelyIds are drafted.
  double most_of_step = 0.2;
};

/// Layers of multi-token prediction (MTP): the checkpoint's own draft. Row t of a layer reads a row of hidden states
/// and the embedding of an id behind it, joined in this order, the embedding first.
///
/// MiMo-V2 (arXiv 2601.02780; SGLang): layer k at row t reads the id at t + 1 + k and the decoder's residual stream at
/// t, the same for all layers, and gives logits of the id at t + 2 + k. As many ids as there are layers.
///
/// DeepSeek-V3 (arXiv 2412.19437, equations 21 to 25) and LongCat-Flash: the first layer behind the last one is used.
/// At row t it reads the id at t + 1 and the decoder's row t behind the final norm, and gives logits of the id at t +
/// 2; it goes on at row t + 1 with the id it drafted and its own row behind its own norm, and so on for any number of
/// ids. That hidden states are normed is what SGLang (deepseek_nextn, longcat_flash_nextn) and vLLM (deepseek_mtp,
/// longcat_flash_mtp) do, and DeepSeek's published modelling code; the paper leaves it open. vLLM sets the embedding at
/// row 0 to zeros, SGLang and this do not. The copies of the embedding table and the head that lie beside the layer are
/// the decoder's own tables (DeepSeek's README_WEIGHTS) and are not read, as in SGLang.
class DraftModel : public DraftSource {
 public:
  /// Reads as many layers as `checkpoint` has and the family uses; other tensors are left alone. `decoder` must outlive
  /// this. Throws CheckpointError.
  DraftModel(Context& context, Checkpoint& checkpoint, const Decoder& decoder, const DraftThresholds& thresholds = {});

  [[nodiscard]] int layers() const noexcept { return static_cast<int>(layers_.size()); }
  [[nodiscard]] bool has_own_head() const noexcept { return head_.has_value(); }
  /// Whether only LikelyIds are drafted, but where a grammar asks for others.
  [[nodiscard]] bool drafts_likely_ids() const noexcept { return likely_only_; }
  /// Of chained layers the rest of the frame, 3 ids where there is none; else an id a layer.
  [[nodiscard]] int reach(int frame) const override;
  [[nodiscard]] bool reads_hidden() const override { return true; }
  [[nodiscard]] std::int64_t bytes(std::int64_t capacity) const override;
  [[nodiscard]] std::unique_ptr<Drafter> start(Context& context, std::int64_t capacity) const override;

 private:
  class Session;

  /// Logits [rows, vocabulary] of normed rows, those of `only` or, where it is empty, all.
  [[nodiscard]] Tensor project(Context& context, ConstMatrix normed, std::span<const IdRange> only) const;

  const Decoder& decoder_;
  DecoderConfig config_;  // of a decoder of one such layer
  bool chained_;
  std::vector<DraftLayer> layers_;
  std::optional<PackedWeights> head_;  // none: the decoder's
  bool likely_only_ = false;
};

/// The MTP layers of a public checkpoint folder; null when the family or the folder has none. Throws CheckpointError.
[[nodiscard]] std::unique_ptr<DraftModel> load_drafts(Context& context, const std::filesystem::path& folder,
                                                      const Decoder& decoder, const DraftThresholds& thresholds = {});

}  // namespace tessera
