#pragma once

#include <string>
#include <vector>

#include "codec/layers/picture_norm.h"

namespace tessera {

/// How one layout names the layers of a trunk; each is a full prefix.
struct TrunkNames {
  std::string trunk;                    ///< "encoder": TRUNK.conv_in, TRUNK.norm_out, TRUNK.conv_out
  std::string levels;                   ///< LEVELS.i
  std::string block = "block";          ///< LEVELS.i.BLOCK.j
  std::string resample;                 ///< LEVELS.i.RESAMPLE.conv
  std::string first, attention, last;   ///< of the middle: TRUNK.FIRST, …
  std::string attention_norm = "norm";  ///< of an attention block, ATTENTION.NORM …
  std::string level_norms;              ///< … or LEVELS.i.LEVEL_NORMS.j, if not empty
  std::string middle_norm;              ///< … and TRUNK.MIDDLE_NORM
  std::string q = "q", k = "k", v = "v", out = "proj_out";
  bool reversed = false;  ///< level i of the names is the last but i to run
};

/// The encoder or decoder that VQGAN (Esser et al. 2020, arXiv 2012.09841, "taming transformers") took over from latent
/// diffusion's ancestor, DDPM: residual blocks by levels of resolution, attention over all positions in the middle and
/// on some levels. An encoder runs its levels, then the middle; a decoder the middle, then its levels.
struct TrunkShape {
  struct Level {
    std::int64_t width = 0;
    int blocks = 0;
    bool attention = false;  ///< after every block
    bool resample = false;   ///< behind the level: halves, or doubles, the picture
  };
  bool decoder = false;
  std::int64_t in_channels = 0;
  std::int64_t stem = 0;      ///< channels behind the first convolution
  std::vector<Level> levels;  ///< in the order in which they run
  std::int64_t out_channels = 0;
  bool middle_attention = true;
  int heads = 1;
  PictureNorm::Options norm;
  TrunkNames names;

  /// Pixels on the side of the larger picture for one of the smaller.
  [[nodiscard]] std::int64_t factor() const noexcept;
  [[nodiscard]] std::int64_t middle_width() const noexcept { return decoder ? stem : levels.back().width; }
};

/// Group norm, swish, 3 x 3, twice, around which the input is added; a kernel-1 convolution ("nin_shortcut") brings it
/// to another width.
class ResnetBlock2d {
 public:
  ResnetBlock2d(Context& context, Checkpoint& checkpoint, const std::string& name, std::int64_t in, std::int64_t out,
                const PictureNorm::Options& norm);
  [[nodiscard]] PictureTensor forward(Context& context, ConstPicture x, ConstPicture map) const;

 private:
  PictureNorm norm1_;
  Conv2dLayer conv1_;
  PictureNorm norm2_;
  Conv2dLayer conv2_;
  std::optional<Conv2dLayer> shortcut_;
};

/// Attention over all positions of a picture, the input added. Scale 1 / sqrt(channels of a head).
class AttentionBlock2d {
 public:
  AttentionBlock2d(Context& context, Checkpoint& checkpoint, const std::string& name, const std::string& norm_name,
                   std::int64_t width, const TrunkShape& shape);
  [[nodiscard]] PictureTensor forward(Context& context, ConstPicture x, ConstPicture map) const;

 private:
  int heads_;
  PictureNorm norm_;
  Conv2dLayer in_;  // q, k, v
  Conv2dLayer out_;
};

class Trunk {
 public:
  /// Throws CheckpointError.
  Trunk(Context& context, Checkpoint& checkpoint, const TrunkShape& shape);

  /// `map` feeds spatial norms. A picture whose sides an encoder cannot halve loses its last row or column.
  [[nodiscard]] PictureTensor forward(Context& context, ConstPicture x, ConstPicture map = {}) const;
  [[nodiscard]] const TrunkShape& shape() const noexcept { return shape_; }

 private:
  struct Level {
    std::vector<ResnetBlock2d> blocks;
    std::vector<AttentionBlock2d> attention;
    std::optional<Conv2dLayer> resample;
  };
  [[nodiscard]] Level load_level(Context& context, Checkpoint& checkpoint, std::size_t index, std::int64_t in) const;
  void load_middle(Context& context, Checkpoint& checkpoint);
  [[nodiscard]] PictureTensor run_levels(Context& context, PictureTensor x, ConstPicture map) const;
  [[nodiscard]] PictureTensor run_middle(Context& context, PictureTensor x, ConstPicture map) const;

  TrunkShape shape_;
  Conv2dLayer conv_in_;
  std::vector<Level> levels_;
  std::vector<ResnetBlock2d> middle_;
  std::optional<AttentionBlock2d> middle_attention_;
  PictureNorm norm_out_;
  Conv2dLayer conv_out_;
};

}  // namespace tessera
