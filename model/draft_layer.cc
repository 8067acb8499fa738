#include "model/draft_layer.h"

namespace tessera {
namespace {

NormLayer draft_norm(Context& context, Checkpoint& checkpoint, const std::string& name, const DecoderConfig& config) {
  return {context, checkpoint, name, config.hidden, NormLayer::Kind::rms, config.epsilon};
}

}  // namespace

DraftLayer::DraftLayer(Context& context, Checkpoint& checkpoint, const DraftNames& names, const DecoderConfig& config)
    : embedding_norm_(draft_norm(context, checkpoint, names.embedding_norm, config)),
      hidden_norm_(draft_norm(context, checkpoint, names.hidden_norm, config)),
      join_(context, checkpoint, {{names.join, "", config.hidden}}, 2 * config.hidden),
      layer_(context, checkpoint, names.layer, config.layers.front(), config),
      norm_(draft_norm(context, checkpoint, names.norm, config)) {}

Tensor DraftLayer::join(Context& context, const Decoder& decoder, ConstMatrix hidden,
                        const std::vector<std::int32_t>& ids) const {
  const std::int64_t width = hidden.columns;
  const Tensor both = context.scratch({hidden.rows, 2 * width});
  embedding_norm_.forward(context, decoder.embed(context, ids), both.matrix().columns_from(0, width));
  hidden_norm_.forward(context, hidden, both.matrix().columns_from(width, width));
  return join_.forward(context, both);
}

Tensor DraftLayer::forward(Context& context, const Decoder& decoder, Sequence& sequence, ConstMatrix hidden,
                           const std::vector<std::int32_t>& ids) const {
  Tensor x = join(context, decoder, hidden, ids);
  const BatchPart part{&sequence, 0, hidden.rows};
  (void)layer_.forward(context, std::span(&part, 1), 0, x);
  return x;
}

void DraftLayer::remember(Context& context, const Decoder& decoder, Sequence& sequence, ConstMatrix hidden,
                          const std::vector<std::int32_t>& ids) const {
  const BatchPart part{&sequence, 0, hidden.rows};
  layer_.remember(context, std::span(&part, 1), 0, join(context, decoder, hidden, ids));
}

}  // namespace tessera
