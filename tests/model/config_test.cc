// What readers of config.json refuse, and that they say why.

#include "model/config.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

namespace tessera {
namespace {

using nlohmann::json;

DecoderConfig read_with(const std::string& fixture, const json& changes) {
  std::ifstream file(TESSERA_SOURCE_DIR "/tests/golden/decoder/" + fixture + "/config.json");
  json config = json::parse(file);
  config.update(changes, true);
  return read_decoder_config(Config::parse(config.dump(), "config.json"));
}

void expect_refusal(const std::string& fixture, const json& changes, const std::string& reason) {
  try {
    (void)read_with(fixture, changes);
    ADD_FAILURE() << fixture << " with " << changes << " is accepted";
  } catch (const CheckpointError& error) {
    EXPECT_NE(std::string(error.what()).find(reason), std::string::npos) << error.what();
  }
}

TEST(DecoderConfig, RefusesRoutersItDoesNotKnow) {
  expect_refusal("deepseek_v3_yarn_bf16", {{"scoring_func", "softmax"}}, "scoring_func");
  expect_refusal("deepseek_v3_yarn_bf16", {{"topk_method", "greedy"}}, "topk_method");
  expect_refusal("deepseek_v3_yarn_bf16", {{"moe_layer_freq", 2}}, "moe_layer_freq");
  expect_refusal("deepseek_v2_lite_bf16", {{"topk_method", "noaux_tc"}}, "topk_method");
  expect_refusal("deepseek_v2_lite_bf16", {{"norm_topk_prob", true}}, "norm_topk_prob");
  expect_refusal("longcat_flash_bf16", {{"zero_expert_type", "copy"}}, "zero_expert_type");
  expect_refusal("longcat_flash_bf16", {{"router_bias", true}}, "router_bias");
}

TEST(DecoderConfig, RefusesGroupsThatDoNotFit) {
  expect_refusal("deepseek_v3_yarn_bf16", {{"n_group", 5}}, "n_group");
  expect_refusal("deepseek_v3_yarn_bf16", {{"topk_group", 5}}, "n_group");
  // One expert a group has no two best; the best one is enough for DeepSeek-V2.
  expect_refusal("deepseek_v3_yarn_bf16", {{"n_group", 12}, {"topk_group", 6}}, "too small");
  EXPECT_NO_THROW((void)read_with("deepseek_v2_grouped_f32", {{"n_group", 12}, {"topk_group", 6}}));
  expect_refusal("deepseek_v2_grouped_f32", {{"n_group", 6}, {"topk_group", 1}}, "too small");
}

TEST(DecoderConfig, RefusesSizesOfLatentAttentionThatDoNotFit) {
  expect_refusal("deepseek_v3_yarn_bf16", {{"qk_rope_head_dim", 7}}, "even");
  expect_refusal("deepseek_v3_yarn_bf16", {{"kv_lora_rank", 1020}}, "1024");
  expect_refusal("longcat_flash_bf16", {{"q_lora_rank", nullptr}}, "q_lora_rank");
}

TEST(DecoderConfig, RefusesOtherQuantisation) {
  expect_refusal("deepseek_v3_fp8", {{"quantization_config", {{"quant_method", "gptq"}}}}, "gptq");
  expect_refusal("deepseek_v3_fp8", {{"quantization_config", {{"fmt", "e5m2"}}}}, "e4m3");
  expect_refusal("deepseek_v3_fp8", {{"quantization_config", {{"weight_block_size", {128}}}}}, "two entries");
  expect_refusal("deepseek_v3_fp8", {{"quantization_config", {{"weight_block_size", {0, 128}}}}}, "weight_block_size");
  expect_refusal("mimo_v2_fused_fp8", {{"attention_projection_layout", "fused_kv"}}, "fused_qkv");
  expect_refusal("mimo_v2_fused_fp8", {{"attention_bias", true}}, "attention_bias");
}

TEST(DecoderConfig, RefusesRotaryScalingsItDoesNotKnow) {
  const json longrope{{"rope_scaling", {{"type", "longrope"}}}};
  expect_refusal("deepseek_v3_yarn_bf16", longrope, "longrope");
  expect_refusal("deepseek_v3_yarn_bf16", {{"rope_scaling", {{"factor", 0}}}}, "factor");
  expect_refusal("deepseek_v3_yarn_bf16", {{"rope_theta", 1}}, "base");
  const json partial{{"rope_scaling", {{"type", "yarn"}, {"factor", 4}, {"original_max_position_embeddings", 32}}}};
  expect_refusal("mimo_v2_hybrid_bf16", partial, "part of a head");
}

TEST(DecoderConfig, LongcatsLayersAreTwoEach) {
  const DecoderConfig config = read_with("longcat_flash_bf16", json::object());
  ASSERT_EQ(config.layers.size(), 4U);
  EXPECT_TRUE(config.paired);
  for (std::size_t i = 0; i < config.layers.size(); ++i) {
    EXPECT_EQ(config.layers[i].shortcut, i % 2 == 0);
    EXPECT_EQ(config.layers[i].mixture.has_value(), i % 2 == 0);
  }
  EXPECT_EQ(config.layers[0].mixture->experts, 13);
  EXPECT_EQ(config.layers[0].mixture->identities, 4);
}

// A cache holds one latent and one turning key for all heads.
TEST(DecoderConfig, LatentAttentionCachesOneHead) {
  const DecoderAttention a = read_with("deepseek_v3_yarn_bf16", json::object()).layers[0].attention;
  EXPECT_EQ(a.heads, 5);
  EXPECT_EQ(a.key_value_heads, 1);
  EXPECT_EQ(a.head_dim, 27 + 6);
  EXPECT_EQ(a.value_dim, 27);
}

}  // namespace
}  // namespace tessera
