#pragma once

#include <memory>
#include <optional>
#include <string>

#include "codec/image_codec.h"
#include "codec/layers/trunk.h"
#include "codec/quantizer/position.h"

namespace tessera {

/// A family in whole: an encoder's trunk, a kernel-1 convolution to the codebook's width, a quantizer, a kernel-1
/// convolution back, a decoder's trunk.
struct TrunkCodecShape {
  std::string family;
  std::int64_t patch = 1;  ///< pixels on the side of the Haar patches (HaarPatches) that the trunks see as pixels
  TrunkShape encoder;      ///< 3 patch² channels in
  TrunkShape decoder;      ///< … and out
  std::int64_t codebook_size = 0;
  std::int64_t codebook_width = 0;
  Search search = Search::nearest;
  std::vector<int> levels;  ///< of a finite scalar quantizer, if not empty: one a channel, no codebook
  bool signs = false;       ///< lookup-free: a bit a channel, the first one the highest, no codebook
  std::string prefix;       ///< of every tensor, "model.vqmodel."
  /// Names of the kernel-1 convolutions behind the prefix.
  std::string quant_conv = "quant_conv";
  std::string post_quant_conv = "post_quant_conv";
};

/// Reads the tensors of a trunk codec; a checkpoint may have no decoder. Throws CheckpointError.
[[nodiscard]] std::unique_ptr<ImageCodec> load_trunk_codec(Context& context, Checkpoint& checkpoint,
                                                           const TrunkCodecShape& shape);

/// The values of a picture on the device: a frame [rows, columns, 3].
[[nodiscard]] PictureTensor upload_frame(Context& context, const FloatPicture& picture, std::int64_t frame);
/// Appends a frame's values to picture.values.
void download_frame(Context& context, ConstPicture frame, FloatPicture& picture);
/// Throws unless `picture` is one that a codec of these sizes can take. A context that measures reads no values, and so
/// needs none.
void check_picture(const Context& context, const ImageCodecInfo& info, const FloatPicture& picture);
/// Throws InputError("bad_codes") unless `codes` fill their grid with ids in range.
void check_codes(const ImageCodecInfo& info, const Codes& codes);
/// Pixels side by side, without what lies behind the rows of a picture; and back.
[[nodiscard]] Tensor compact(Context& context, ConstPicture x);
[[nodiscard]] PictureTensor spread(Context& context, ConstMatrix pixels, std::int64_t rows, std::int64_t columns);

}  // namespace tessera
