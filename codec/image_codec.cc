#include "codec/image_codec.h"

#include "codec/family.h"
#include "codec/image/families.h"
#include "kernels/error.h"

namespace tessera {
namespace {

using ImageLoader = std::unique_ptr<ImageCodec> (*)(Context&, const Config&, Checkpoint&);

constexpr std::array kImageFamilies = {
    Family<ImageLoader>{{"chameleon", "ChameleonForConditionalGeneration"}, load_chameleon},
    Family<ImageLoader>{{"chameleon_vqgan", "ChameleonVQVAE"}, load_chameleon},
    Family<ImageLoader>{{"cosmos", nullptr, {"spatial_compression", "embedding_dim"}}, load_cosmos},
    Family<ImageLoader>{{"emu3", "Emu3ForConditionalGeneration"}, load_emu3},
    Family<ImageLoader>{{"emu3_vqgan", "Emu3VQVAE"}, load_emu3},
    Family<ImageLoader>{{"Emu3VisionVQ", "Emu3VisionVQModel"}, load_emu3},
    Family<ImageLoader>{{"ibq"}, load_ibq},
    Family<ImageLoader>{{"janus", "JanusForConditionalGeneration"}, load_janus},
    Family<ImageLoader>{{"janus_vqgan", "JanusVQVAE"}, load_janus},
    Family<ImageLoader>{{"llamagen", nullptr, {"codebook_embed_dim", "encoder_ch_mult"}}, load_llamagen},
    Family<ImageLoader>{{"magvitv2", "MAGVITv2"}, load_magvitv2},
    Family<ImageLoader>{{"multi_modality", "MultiModalityCausalLM"}, load_janus_original},
    Family<ImageLoader>{{"taming", nullptr, {"ddconfig", "n_embed"}}, load_taming},
};

// Beyond it nothing is walked through: 2^40 pixels would be 12 TB as they are.
constexpr std::int64_t kMostPixels = std::int64_t{1} << 40;

std::int64_t peak_of(const Context& context) { return static_cast<std::int64_t>(context.peak_bytes()); }

}  // namespace

PictureMemory picture_memory(const ImageCodec& codec, const Context& context, std::int64_t rows, std::int64_t columns) {
  std::int64_t pixels = 0;
  if (__builtin_mul_overflow(rows, columns, &pixels) || pixels > kMostPixels) {
    throw InputError("too_large", "a picture of " + std::to_string(columns) + " by " + std::to_string(rows) +
                                      " pixels is too large for any memory: resize it");
  }
  ContextOptions options;
  options.threads = context.threads();
  options.isa = context.isa();
  options.math = context.math();
  options.unit = context.bfloat_unit();
  options.measure = true;
  Context first(options);
  const Codes codes = codec.encode(first, {1, rows, columns, {}});
  PictureMemory memory{peak_of(first), 0, peak_of(first)};
  if (!codec.info().decodes) return memory;
  Context second(options);
  (void)codec.decode(second, codes);
  (void)codec.decode(first, codes);
  memory.decode = peak_of(second);
  memory.both = peak_of(first);
  return memory;
}

std::unique_ptr<ImageCodec> load_image_codec(Context& context, const std::string& path) {
  OpenCheckpoint open(path);
  return family_of(kImageFamilies, open.config).load(context, open.config, open.checkpoint);
}

bool is_image_codec(const std::string& path) { return find_family(kImageFamilies, Config::read(path)) != nullptr; }

}  // namespace tessera
