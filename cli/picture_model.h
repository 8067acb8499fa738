#pragma once

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "cli/codes_record.h"
#include "cli/options.h"
#include "cli/picture_memory.h"
#include "codec/image_codec.h"
#include "media/image_processor.h"
#include "tokenizer/layout.h"

namespace tessera::cli {

/// An image codec with the steps that lead from a picture to its input and back.
struct PictureModel {
  std::unique_ptr<ImageCodec> codec;
  media::ImageProcessor processor;
  /// False when the checkpoint has no preprocessor_config.json: pictures then keep their size, but for the rows and
  /// columns that do not fill a code, which are cut off evenly; values run from -1 to 1.
  bool fitted = false;
  MemoryLimit memory;  ///< of each picture in work
  /// How codes become ids of the language model that the codec is part of (Chameleon, Emu3).
  std::optional<ImageLayout> layout;
};

/// Whether --model is a checkpoint of an image codec. False too for what cannot be read at all.
[[nodiscard]] bool is_picture_model(const CommonOptions& options);
/// Its pictures may take all the memory that is left on the context's device once it is loaded.
[[nodiscard]] PictureModel open_picture_model(Context& context, const std::string& path);

/// The processor for a picture of this size. Throws InputError("unsupported_media") for one smaller than a code.
[[nodiscard]] media::ImageProcessor processor_for(const PictureModel& model, media::ImageSize size);
[[nodiscard]] FloatPicture to_input(const media::ImageProcessor& processor, const media::Image& image);
[[nodiscard]] media::Image to_image(const media::ImageProcessor& processor, const FloatPicture& picture);

/// A picture file on its way into a codec.
struct PictureInput {
  media::Image image;               ///< upright
  media::ImageProcessor processor;  ///< for it
  media::ImageSize size;            ///< of what the codec sees
  std::string warning;
};
/// Throws InputError: what cannot be read, or does not fit in memory for `work`.
[[nodiscard]] PictureInput read_picture(const PictureModel& model, const Context& context, const std::string& path,
                                        bool allow_truncated, PictureWork work);

/// The record of a picture file, codes and all. `quality`: null, or where the figures of the reconstruction go:
/// PictureQuality, bits_per_pixel, entropy_bits_per_pixel, code_use. Throws InputError.
[[nodiscard]] CodesRecord encode_picture(const PictureModel& model, Context& context, const std::string& path,
                                         bool allow_truncated, nlohmann::ordered_json* quality);
/// Throws InputError, "too_large" too.
[[nodiscard]] media::Image decode_picture(const PictureModel& model, Context& context, const CodesRecord& record,
                                          const std::string& where);

/// What every record made with `codec` says.
[[nodiscard]] CodesRecord describe_picture_codec(const ImageCodecInfo& codec);
/// Throws InputError("bad_codes" or "wrong_codec") unless the record holds codes that `codec` can decode.
void check_picture_record(const CodesRecord& record, const ImageCodecInfo& codec, const std::string& where);

}  // namespace tessera::cli
