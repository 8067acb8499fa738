#include "codec/audio/mimo_config.h"

namespace tessera {
namespace {

int small(const Config& config, const std::string& key, int least, int most) {
  return static_cast<int>(config.integer(key, least, most));
}

// [left, right] as flash attention takes it: -1 is unlimited, and causal overrides the right side.
void read_window(const Config& config, const std::string& key, bool causal, TransformerShape& t) {
  const std::vector<std::int64_t> window = config.integers(key, -1, 1 << 24);
  config.require(window.size() == 2, "\"" + key + "\" must have two entries");
  t.left = window[0];
  t.right = causal ? 0 : window[1];
}

// Parts that the three transformers share.
TransformerShape common_transformer(const Config& config, std::int64_t width, const std::string& layers,
                                    const std::string& heads, const std::string& mlp) {
  TransformerShape t;
  t.width = width;
  t.layers = small(config, layers, 0, 1 << 10);
  t.heads = small(config, heads, 1, 1 << 10);
  config.require(width % t.heads == 0 && width / t.heads % 2 == 0 && width / t.heads <= 1024,
                 "\"" + heads + "\" must divide the width into even heads of at most 1024");
  t.key_value_heads = t.heads;
  t.head_dim = static_cast<int>(width / t.heads);
  t.mlp_width = config.integer(mlp, 1, 1 << 20);
  t.activation = activation_from_name(config.string("activation_function"), config.name());
  t.rope_theta = static_cast<float>(config.number("rope_theta"));
  config.require(t.rope_theta > 0, "\"rope_theta\" must be positive");
  const std::string norm = config.string("ln_type");
  config.require(norm == "LayerNorm" || norm == "RMSNorm", "\"ln_type\" must be LayerNorm or RMSNorm, is " + norm);
  t.norm = norm == "RMSNorm" ? NormLayer::Kind::rms : NormLayer::Kind::layer;
  t.epsilon = norm == "RMSNorm" ? 1e-6F : 1e-5F;
  if (config.has("rope_type")) {
    config.require(config.string("rope_type") == "default", "only the default \"rope_type\" is supported");
  }
  return t;
}

MelShape read_mel(const Config& config) {
  MelShape m;
  m.sample_rate = small(config, "sampling_rate", 1, 1 << 20);
  m.n_fft = config.integer("nfft", 2, 1 << 16);
  m.window = config.integer("window_size", 1, m.n_fft);
  m.hop = config.integer("hop_length", 1, m.n_fft);
  m.bands = config.integer("n_mels", 1, 1 << 12);
  m.f_min = config.number("fmin");
  m.f_max = config.has("fmax") ? config.number("fmax") : static_cast<double>(m.sample_rate / 2);
  config.require(m.f_min >= 0 && m.f_max > m.f_min, "\"fmin\" and \"fmax\" must be 0 <= fmin < fmax");
  return m;
}

// An extension key: absent is `usual`, else it must be `other`.
bool is_other(const Config& config, const std::string& key, const std::string& usual, const std::string& other) {
  if (!config.has(key)) return false;
  const std::string value = config.string(key);
  config.require(value == usual || value == other, "\"" + key + "\" must be " + usual + " or " + other);
  return value == other;
}

// The last size given serves all further levels.
std::vector<int> read_codebooks(const Config& config) {
  const int levels = small(config, "num_quantizers", 1, 1 << 10);
  std::vector<int> sizes;
  for (const std::int64_t size : config.integers("codebook_size", 1, 1 << 20)) sizes.push_back(static_cast<int>(size));
  config.require(!sizes.empty(), "\"codebook_size\" must not be empty");
  sizes.resize(static_cast<std::size_t>(levels), sizes.back());
  return sizes;
}

}  // namespace

MimoShape read_mimo_shape(const Config& config) {
  MimoShape s;
  s.mel = read_mel(config);
  s.mel.causal = is_other(config, "mel_padding", "reflect", "causal");
  s.causal_convs = is_other(config, "conv_padding", "symmetric", "causal");
  s.frame_norm = is_other(config, "decoder_norm_type", "GroupNorm", "LayerNorm");
  const std::int64_t width = config.integer("d_model", 1, 1 << 16);
  const std::int64_t vocoder_width = config.integer("vocoder_dim", 1, 1 << 16);
  s.encoder = common_transformer(config, width, "encoder_layers", "encoder_attention_heads", "encoder_ffn_dim");
  s.decoder = common_transformer(config, width, "decoder_layers", "decoder_attention_heads", "decoder_ffn_dim");
  s.vocoder = common_transformer(config, vocoder_width, "vocoder_num_layers", "vocoder_attention_heads",
                                 "vocoder_intermediate_dim");
  read_window(config, "encoder_attn_window_size", config.boolean("encoder_causal"), s.encoder);
  read_window(config, "decoder_attn_window_size", config.boolean("decoder_causal"), s.decoder);
  read_window(config, "vocoder_attn_window_size", false, s.vocoder);
  if (config.has("encoder_skip_layer_id")) s.encoder.skip_layer = small(config, "encoder_skip_layer_id", 0, 1 << 10);
  s.kernel = config.integer("kernel_size", 1, 1 << 8);
  s.stride = config.integer("stride_size", 1, 1 << 8);
  s.pool = config.integer("avg_pooler", 1, 1 << 8);
  s.decoder_kernel = config.integer("decoder_kernel_size", 1, 1 << 8);
  s.decoder_stride = config.integer("decoder_stride_size", 1, s.decoder_kernel);
  s.codebook_sizes = read_codebooks(config);
  const std::string padding = config.string("vocoder_padding");
  config.require(padding == "same" || padding == "center", "\"vocoder_padding\" must be same or center");
  s.synthesis = {vocoder_width, s.mel.n_fft, s.mel.hop, padding == "center"};
  config.require(!s.causal_convs || s.kernel >= s.stride, "causal convolutions need kernel_size >= stride_size");
  return s;
}

TransformerNames mimo_transformer_names() {
  TransformerNames n;
  n.attention_norm = "self_attn_layer_norm";
  n.query = "self_attn.q_proj.weight";
  n.query_bias = "self_attn.q_proj.bias";
  n.key = "self_attn.k_proj.weight";
  n.value = "self_attn.v_proj.weight";
  n.value_bias = "self_attn.v_proj.bias";
  n.output = "self_attn.out_proj.weight";
  n.output_bias = "self_attn.out_proj.bias";
  n.mlp_norm = "final_layer_norm";
  n.mlp_in = "fc1.weight";
  n.mlp_in_bias = "fc1.bias";
  n.mlp_out = "fc2.weight";
  n.mlp_out_bias = "fc2.bias";
  return n;
}

}  // namespace tessera
