#pragma once

#include <vector>

#include "model/decoder.h"
#include "model/names.h"

namespace tessera {

/// One layer of multi-token prediction: z = eh_proj [RMSNorm_e(embedding), RMSNorm_h(hidden)], a decoder layer over z,
/// a norm. Embeddings and head are the decoder's.
class DraftLayer {
 public:
  /// `config`: of a decoder of one such layer. Throws CheckpointError.
  DraftLayer(Context& context, Checkpoint& checkpoint, const DraftNames& names, const DecoderConfig& config);

  /// The layer's next rows: [rows, hidden] of what they read. The rows stay to be advanced over.
  [[nodiscard]] Tensor forward(Context& context, const Decoder& decoder, Sequence& sequence, ConstMatrix hidden,
                               const std::vector<std::int32_t>& ids) const;
  /// Rows that nobody asks anything of: keys and values alone.
  void remember(Context& context, const Decoder& decoder, Sequence& sequence, ConstMatrix hidden,
                const std::vector<std::int32_t>& ids) const;
  /// The norm behind the layer; what the head reads.
  void normalise(Context& context, Matrix x) const { norm_.forward(context, x, x); }

 private:
  [[nodiscard]] Tensor join(Context& context, const Decoder& decoder, ConstMatrix hidden,
                            const std::vector<std::int32_t>& ids) const;

  NormLayer embedding_norm_;
  NormLayer hidden_norm_;
  LinearLayer join_;
  DecoderLayer layer_;
  NormLayer norm_;
};

}  // namespace tessera
