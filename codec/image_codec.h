#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "codec/codec.h"

namespace tessera {

/// A picture as image codecs take and give it: float32 [frame, row, column, channel] with three channels, in the range
/// that the checkpoint's preprocessing makes; more than one frame is a video.
struct FloatPicture {
  std::int64_t frames = 1;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::vector<float> values;

  [[nodiscard]] std::int64_t frame_size() const noexcept { return rows * columns * 3; }
};

/// What a checkpoint is, for `inspect`, `vocab` and the layers above.
struct ImageCodecInfo {
  std::string family;  ///< "chameleon", "janus-vq", "llamagen", "emu3", "taming", "ibq", …
  int levels = 1;
  std::vector<int> codebook_sizes;  ///< one a level
  int factor = 0;                   ///< pixels on the side of one code's square
  /// Frames of a video for one frame of codes; 0: pictures only.
  int time_factor = 0;
  bool decodes = true;  ///< false when the checkpoint has no decoder
  std::int64_t parameters = 0;
};

/// One loaded checkpoint. Const methods may run at once from several threads, each with its own Context.
class ImageCodec {
 public:
  virtual ~ImageCodec() = default;
  [[nodiscard]] virtual const ImageCodecInfo& info() const = 0;
  /// Sides must be multiples of `factor`; the frames of a video of `time_factor`. The codes of each level run through
  /// `grid` in reading order, frame by frame; `samples` is -1.
  /// Throws InputError("unsupported_media") for other sizes, ArgumentError when `values` has another length.
  [[nodiscard]] virtual Codes encode(Context& context, const FloatPicture& picture) const = 0;
  /// Values may exceed the range of the input. Throws InputError("bad_codes") for an id out of range or rows that do
  /// not fill the grid, ResourceError("no_decoder") when the checkpoint has none.
  [[nodiscard]] virtual FloatPicture decode(Context& context, const Codes& codes) const = 0;
};

/// Bytes of work memory beside the weights and the caller's own pictures. It grows with the number of pixels: no layer
/// holds more than a few rows of numbers for each of them, attention included.
struct PictureMemory {
  std::int64_t encode = 0;
  std::int64_t decode = 0;  ///< 0 when the checkpoint has no decoder
  std::int64_t both = 0;    ///< one behind the other in one context, which keeps its memory
};
/// What a picture of this size takes with the threads of `context`: found by a run through the whole network that
/// computes nothing, so exact on the CPU; on a GPU it is a little more than is needed.
/// Throws InputError("unsupported_media") for sides that are no multiples of `factor`, InputError("too_large") for a
/// picture no memory can hold.
[[nodiscard]] PictureMemory picture_memory(const ImageCodec& codec, const Context& context, std::int64_t rows,
                                           std::int64_t columns);

/// Loads a checkpoint folder (or a single .safetensors with config.json beside it) for this context's device. The
/// family comes from config.json. Throws CheckpointError.
[[nodiscard]] std::unique_ptr<ImageCodec> load_image_codec(Context& context, const std::string& path);
/// Whether its config.json names an image codec of this build. Throws CheckpointError when there is none.
[[nodiscard]] bool is_image_codec(const std::string& path);

}  // namespace tessera
