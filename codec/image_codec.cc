#include "codec/image_codec.h"

#include "codec/family.h"
#include "codec/image/families.h"

namespace tessera {
namespace {

using Loader = std::unique_ptr<ImageCodec> (*)(Context&, const Config&, Checkpoint&);

constexpr std::array kFamilies = {
    Family<Loader>{{"chameleon", "ChameleonForConditionalGeneration"}, load_chameleon},
    Family<Loader>{{"chameleon_vqgan", "ChameleonVQVAE"}, load_chameleon},
    Family<Loader>{{"emu3", "Emu3ForConditionalGeneration"}, load_emu3},
    Family<Loader>{{"emu3_vqgan", "Emu3VQVAE"}, load_emu3},
    Family<Loader>{{"Emu3VisionVQ", "Emu3VisionVQModel"}, load_emu3},
    Family<Loader>{{"ibq"}, load_ibq},
    Family<Loader>{{"janus", "JanusForConditionalGeneration"}, load_janus},
    Family<Loader>{{"janus_vqgan", "JanusVQVAE"}, load_janus},
    Family<Loader>{{"llamagen", nullptr, {"codebook_embed_dim", "encoder_ch_mult"}}, load_llamagen},
    Family<Loader>{{"multi_modality", "MultiModalityCausalLM"}, load_janus_original},
    Family<Loader>{{"taming", nullptr, {"ddconfig", "n_embed"}}, load_taming},
};

}  // namespace

std::unique_ptr<ImageCodec> load_image_codec(Context& context, const std::string& path) {
  OpenCheckpoint open(path);
  return family_of(kFamilies, open.config).load(context, open.config, open.checkpoint);
}

bool is_image_codec(const std::string& path) { return find_family(kFamilies, Config::read(path)) != nullptr; }

}  // namespace tessera
