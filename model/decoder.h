#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

#include "model/cache.h"
#include "model/config.h"
#include "model/decoder_layer.h"
#include "model/logits.h"

namespace tessera {

/// The next ids of one sequence.
struct Feed {
  Sequence* sequence;
  std::span<const std::int32_t> ids;
};

/// Which positions of a feed give logits.
enum class LogitRows : std::uint8_t { last, all };

/// A decoder-only language model: embeddings, pre-norm layers of attention and a gated MLP or routed experts, a norm,
/// a head. Weights are immutable; what a sequence carries is in its Sequence. Logits of a position depend on the ids
/// before it and on nothing else: not on chunks, company in a batch, threads, instruction set or device.
class Decoder {
 public:
  /// Reads `checkpoint`'s tensors under their public names. Throws CheckpointError for one that is missing, of another
  /// shape, or not expected. Layers of multi-token prediction (model.mtp.*, or behind the last layer) are left alone.
  Decoder(Context& context, Checkpoint& checkpoint, DecoderConfig config);

  [[nodiscard]] const DecoderConfig& config() const noexcept { return config_; }
  [[nodiscard]] std::int64_t parameters() const noexcept { return parameters_; }
  /// Weights that a step of one sequence reads: without the experts it does not choose, and a table that is no head.
  [[nodiscard]] std::int64_t active_parameters() const;
  /// What MLPs are kept as.
  [[nodiscard]] DType storage() const noexcept { return storage_; }
  /// Whether these are numbers of FP8.
  [[nodiscard]] bool is_fp8() const noexcept { return is_fp8_; }

  /// An empty sequence with room for `capacity` positions, on `context`'s device.
  [[nodiscard]] Sequence start(Context& context, std::int64_t capacity) const;

  /// Appends each feed's ids to its sequence. Logits are float32 [rows, vocabulary] on the device: one row a feed, or
  /// one an id, in the order of the batch. Throws ArgumentError, before anything is done, when a feed is empty, an id
  /// is outside the vocabulary, a sequence occurs twice or has no room left. Interrupted leaves sequences in the
  /// middle of their feeds (see Sequence::length).
  /// `hidden`: null, or what becomes the residual stream behind the last layer, before the final norm: float32
  /// [ids, hidden] of all ids in the order of the batch.
  /// `only`: empty, or which ids' logits are computed, as WantedIds::panels() gives them: the same bits; the other
  /// columns hold anything.
  [[nodiscard]] Tensor forward(Context& context, std::span<const Feed> batch, LogitRows rows, Tensor* hidden = nullptr,
                               std::span<const IdRange> only = {}) const;
  /// The same of one sequence.
  [[nodiscard]] Tensor forward(Context& context, Sequence& sequence, std::span<const std::int32_t> ids,
                               LogitRows rows) const;

  /// Rows of the embedding table, float32 [ids, hidden] on the device. The caller has checked the ids.
  [[nodiscard]] Tensor embed(Context& context, const std::vector<std::int32_t>& ids) const;
  /// The final norm of rows of the residual stream; `out` may be `hidden`.
  void normalise(Context& context, ConstMatrix hidden, Matrix out) const;
  /// The head: logits [rows, vocabulary] of rows that a norm has been over; `only` as in forward().
  [[nodiscard]] Tensor project(Context& context, ConstMatrix normed, std::span<const IdRange> only = {}) const;

 private:
  struct Run;

  void check(std::span<const Feed> batch) const;
  void run(Context& context, const Run& rows, Matrix logits, Matrix hidden, std::span<const IdRange> only) const;
  void project_into(Context& context, ConstMatrix normed, std::span<const IdRange> only, Matrix logits) const;

  DecoderConfig config_;
  Tensor embeddings_;  // as stored
  std::vector<DecoderLayer> layers_;
  NormLayer norm_;
  LinearLayer head_;
  std::int64_t parameters_ = 0;
  DType storage_ = DType::f32;
  bool is_fp8_ = false;
};

/// The tensors of a folder, widened as `config` says they are stored. Throws CheckpointError.
[[nodiscard]] Checkpoint open_weights(const std::filesystem::path& folder, const DecoderConfig& config);

/// The model of a public checkpoint folder: config.json (see read_decoder_config) and *.safetensors in float32,
/// bfloat16, float16, FP8 with a scale a block, or MXFP4, sharded or not. Throws CheckpointError that says which file,
/// and what is wrong with it.
[[nodiscard]] std::unique_ptr<Decoder> load_decoder(Context& context, const std::filesystem::path& folder);

}  // namespace tessera
