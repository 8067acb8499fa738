#pragma once

#include <memory>
#include <optional>
#include <string>

#include "cli/codes_record.h"
#include "cli/options.h"
#include "codec/image_codec.h"
#include "media/image_processor.h"

namespace tessera::cli {

/// An image codec with the steps that lead from a picture to its input and back.
struct PictureModel {
  std::unique_ptr<ImageCodec> codec;
  media::ImageProcessor processor;
  /// False when the checkpoint has no preprocessor_config.json: pictures then keep their size, but for the rows and
  /// columns that do not fill a code, which are cut off evenly; values run from -1 to 1.
  bool fitted = false;
};

/// Whether --model is a checkpoint of an image codec. False too for what cannot be read at all.
[[nodiscard]] bool is_picture_model(const CommonOptions& options);
[[nodiscard]] PictureModel open_picture_model(Context& context, const std::string& path);

/// The processor for a picture of this size.
[[nodiscard]] media::ImageProcessor processor_for(const PictureModel& model, const media::Image& image);
[[nodiscard]] FloatPicture to_input(const media::ImageProcessor& processor, const media::Image& image);
[[nodiscard]] media::Image to_image(const media::ImageProcessor& processor, const FloatPicture& picture);

/// The record of a picture file, codes and all. `psnr`: null, or where the quality of the reconstruction goes.
/// Throws InputError.
[[nodiscard]] CodesRecord encode_picture(const PictureModel& model, Context& context, const std::string& path,
                                         bool allow_truncated, std::optional<double>* psnr);

/// What every record made with `codec` says.
[[nodiscard]] CodesRecord describe_picture_codec(const ImageCodecInfo& codec);
/// Throws InputError("bad_codes" or "wrong_codec") unless the record holds codes that `codec` can decode.
void check_picture_record(const CodesRecord& record, const ImageCodecInfo& codec, const std::string& where);

/// 10 log10 (255^2 / mean squared difference) of two pictures of one size; infinite when they are the same.
[[nodiscard]] double peak_signal_to_noise(const media::Image& a, const media::Image& b);

}  // namespace tessera::cli
