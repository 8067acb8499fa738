#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "model/decoder.h"

namespace tessera {

/// Layers of multi-token prediction (MTP) as MiMo-V2 has them (arXiv 2601.02780), used to draft ids that the decoder
/// then verifies. Layer k at row t reads the id at position t + 1 + k and the decoder's residual stream at t, the same
/// for all layers:
///   z = eh_proj [RMSNorm_e(embedding of id t+1+k), RMSNorm_h(hidden t)], a pre-norm block of windowed attention and a
///   gated MLP over z, RMSNorm, the decoder's head: logits of the id at position t + 2 + k.
class DraftModel {
 public:
  /// Reads `model.mtp.layers.{0, 1, …}.` of `checkpoint`, as many as there are; other tensors are left alone.
  /// `decoder` must outlive this. Throws CheckpointError.
  DraftModel(Context& context, Checkpoint& checkpoint, const Decoder& decoder);
  ~DraftModel();
  DraftModel(const DraftModel&) = delete;
  DraftModel& operator=(const DraftModel&) = delete;

  [[nodiscard]] int layers() const noexcept;

  /// What one sequence carries: each layer's keys and values, and the decoder's rows they have not read yet.
  class State {
   public:
    State(Context& context, const DraftModel& model, std::int64_t capacity);
    /// Rows of the decoder's residual stream, [rows, hidden], of the positions that follow those seen so far. `ids` are
    /// all of the sequence, of which position i of the rows is the one before ids[i + 1].
    void observe(Context& context, const DraftModel& model, ConstMatrix hidden, std::span<const std::int32_t> ids);

   private:
    friend class DraftModel;
    std::vector<Sequence> layers_;
    Tensor hidden_;           // [kPending, hidden]: rows of positions first_ … seen_ - 1
    std::int64_t first_ = 0;  // everything before is in every layer's cache
    std::int64_t seen_ = 0;
  };

  /// Chooses an id from logits [vocabulary] on the host for a position.
  using Pick = std::function<std::int32_t(std::span<const float> logits, std::int64_t position)>;
  /// The ids that may follow `ids`, one a layer, `count` at most. The state has observed all positions but the last.
  [[nodiscard]] std::vector<std::int32_t> propose(Context& context, State& state, std::span<const std::int32_t> ids,
                                                  int count, const Pick& pick) const;

 private:
  struct Layer;

  void settle(Context& context, State& state, std::span<const std::int32_t> ids) const;
  [[nodiscard]] Tensor join(Context& context, const Layer& layer, ConstMatrix hidden,
                            const std::vector<std::int32_t>& ids) const;
  struct Rows {
    Tensor x;
    Tensor normed;
  };
  [[nodiscard]] Rows read_rows(Context& context, std::size_t index, const State& state,
                               std::span<const std::int32_t> ids, std::int64_t end) const;
  [[nodiscard]] Tensor run_layer(Context& context, std::size_t index, State& state, std::span<const std::int32_t> ids,
                                 std::int64_t end) const;

  const Decoder& decoder_;
  DecoderConfig config_;  // of a decoder of one such layer
  std::vector<Layer> layers_;
};

/// The MTP layers of a public checkpoint folder; null when the family or the folder has none. Throws CheckpointError.
[[nodiscard]] std::unique_ptr<DraftModel> load_drafts(Context& context, const std::filesystem::path& folder,
                                                      const Decoder& decoder);

}  // namespace tessera
