#pragma once

#include <memory>

#include "codec/checkpoint/checkpoint.h"
#include "codec/image_codec.h"

namespace tessera {

/// One function a family; each reads its sizes from the configuration and its tensors from the checkpoint, and names
/// what is missing, misshaped or left over. All throw CheckpointError.

/// The VQGAN of Chameleon (Meta 2024, arXiv 2405.09818), alone or inside a language model's checkpoint of transformers,
/// which holds its encoder only, with its decoder where a checkpoint has it.
[[nodiscard]] std::unique_ptr<ImageCodec> load_chameleon(Context& context, const Config& config,
                                                         Checkpoint& checkpoint);

/// LlamaGen's VQ-16 and VQ-8 (Sun et al. 2024, arXiv 2406.06525) in the authors' names; configuration keys are those of
/// their ModelArgs, beside "ch", "num_res_blocks", "norm_num_groups", "in_channels" and "out_channels" for what they
/// never change.
[[nodiscard]] std::unique_ptr<ImageCodec> load_llamagen(Context& context, const Config& config, Checkpoint& checkpoint);

/// The same network in Janus and Janus-Pro (arXiv 2410.13848, 2501.17811) as transformers writes it. The search follows
/// the authors', which brings both sides to length 1; transformers' own encoder does not.
[[nodiscard]] std::unique_ptr<ImageCodec> load_janus(Context& context, const Config& config, Checkpoint& checkpoint);

/// … and in the authors' checkpoints ("multi_modality"), under gen_vision_model.
[[nodiscard]] std::unique_ptr<ImageCodec> load_janus_original(Context& context, const Config& config,
                                                              Checkpoint& checkpoint);

/// Emu3's vision tokenizer (arXiv 2409.18869), in transformers' names (alone or inside a language model's checkpoint)
/// and in the authors'. Pictures, and videos of whole groups of frames; a grid of one frame is decoded to one picture.
[[nodiscard]] std::unique_ptr<ImageCodec> load_emu3(Context& context, const Config& config, Checkpoint& checkpoint);

/// VQGAN of taming transformers (arXiv 2012.09841), Chameleon's authors' layout among others.
[[nodiscard]] std::unique_ptr<ImageCodec> load_taming(Context& context, const Config& config, Checkpoint& checkpoint);

/// The discrete image tokenizers of Cosmos (NVIDIA 2024, DI8x8 and DI16x16): Haar wavelets, the common trunk with fewer
/// halvings than levels, finite scalar quantization. The configuration is the authors' dictionary as JSON.
[[nodiscard]] std::unique_ptr<ImageCodec> load_cosmos(Context& context, const Config& config, Checkpoint& checkpoint);

/// Show-o's tokenizer (arXiv 2408.12528), which the authors call MAGVITv2: the common trunk, blocks of each level
/// counted on their own, lookup-free quantization. The published configuration says no more than the class's name;
/// "encoder" and "decoder" with the names of their arguments say what differs from it.
[[nodiscard]] std::unique_ptr<ImageCodec> load_magvitv2(Context& context, const Config& config, Checkpoint& checkpoint);

/// IBQ of SEED-Voken (arXiv 2412.02692) and of Emu3.5 (arXiv 2510.26583): the same, with the largest product.
[[nodiscard]] std::unique_ptr<ImageCodec> load_ibq(Context& context, const Config& config, Checkpoint& checkpoint);

}  // namespace tessera
