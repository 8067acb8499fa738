#include "cli/picture_model.h"

#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/code_use.h"
#include "cli/language_model.h"
#include "cli/picture_quality.h"
#include "cli/session.h"
#include "kernels/error.h"
#include "kernels/memory_limit.h"

namespace tessera::cli {
namespace {

std::filesystem::path folder_of(const std::string& path) {
  std::error_code ignored;
  const std::filesystem::path at(path);
  return std::filesystem::is_directory(at, ignored) ? at : at.parent_path();
}

// x / 127.5 - 1.
media::ImageProcessor plain_processor() {
  media::ImageProcessor processor;
  processor.do_rescale = processor.do_normalize = true;
  processor.rescale_factor = 1.0 / 255;
  processor.mean = processor.std = {0.5, 0.5, 0.5};
  return processor;
}

// Of a codec inside a language model whose tokenizer has names for its codes.
std::optional<ImageLayout> layout_of(const std::string& path, const ImageCodecInfo& info) {
  const std::string folder = folder_of(path);
  if (!has_tokenizer(folder) || (info.family != "chameleon" && info.family != "emu3")) return std::nullopt;
  const auto layout = image_layout(open_vocabulary(folder), *open_tokenizer(folder));
  const bool fits = layout && layout->codes.count == info.codebook_sizes.front();
  return fits ? layout : std::nullopt;
}

}  // namespace

bool is_picture_model(const CommonOptions& options) {
  try {
    return is_image_codec(model_path(options));
  } catch (const CheckpointError&) {
    return false;  // whoever opens it says what is wrong
  }
}

PictureModel open_picture_model(Context& context, const std::string& path) {
  PictureModel model;
  const std::filesystem::path file = folder_of(path) / "preprocessor_config.json";
  std::error_code ignored;
  model.fitted = std::filesystem::exists(file, ignored);
  model.processor = model.fitted ? media::read_image_processor(file) : plain_processor();
  model.codec = load_image_codec(context, path);
  model.memory.bytes = available_bytes(context.device());
  model.layout = layout_of(path, model.codec->info());
  return model;
}

media::ImageProcessor processor_for(const PictureModel& model, media::ImageSize image) {
  media::ImageProcessor processor = model.processor;
  if (model.fitted) return processor;
  const int factor = model.codec->info().factor;
  processor.crop_rows = image.rows / factor * factor;
  processor.crop_columns = image.columns / factor * factor;
  if (processor.crop_rows > 0 && processor.crop_columns > 0) return processor;
  throw InputError("unsupported_media", "a picture of " + std::to_string(image.columns) + " by " +
                                            std::to_string(image.rows) + " pixels is smaller than one code, " +
                                            std::to_string(factor) + " by " + std::to_string(factor));
}

FloatPicture to_input(const media::ImageProcessor& processor, const media::Image& image) {
  media::FloatImage values = media::preprocess(processor, image);
  return {1, values.rows, values.columns, std::move(values.values)};
}

media::Image to_image(const media::ImageProcessor& processor, const FloatPicture& picture) {
  return media::postprocess(processor,
                            {static_cast<int>(picture.rows), static_cast<int>(picture.columns), picture.values});
}

PictureInput read_picture(const PictureModel& model, const Context& context, const std::string& path,
                          bool allow_truncated, PictureWork work) {
  media::ImageReadOptions options;
  options.allow_truncated = allow_truncated;
  media::ImageFile file = media::read_image(path, options);
  PictureInput input;
  input.processor = processor_for(model, {file.image.rows, file.image.columns});
  input.size = media::shaped_size(input.processor, file.image.rows, file.image.columns);
  require_memory(model, context, input.size.rows, input.size.columns, work, path);
  input.image = std::move(file.image);
  input.warning = std::move(file.warning);
  return input;
}

namespace {

void add_ids(const ImageLayout& layout, CodesRecord& record) {
  const auto rows = static_cast<int>(record.codes.grid.rows);
  const auto columns = static_cast<int>(record.codes.grid.columns);
  if (!layout.sized() && (rows != layout.rows || columns != layout.columns)) {
    record.warning += (record.warning.empty() ? "" : "; ") + record.input +
                      ": no ids: pictures of the language model have " + std::to_string(layout.rows) + " x " +
                      std::to_string(layout.columns) + " codes";
    return;
  }
  record.ids = flatten(ImageCodes{rows, columns, record.codes.rows.front()}, layout);
}

}  // namespace

CodesRecord encode_picture(const PictureModel& model, Context& context, const std::string& path, bool allow_truncated,
                           nlohmann::ordered_json* quality) {
  const PictureWork work = quality == nullptr ? PictureWork::encode : PictureWork::both;
  const PictureInput input = read_picture(model, context, path, allow_truncated, work);
  CodesRecord record = describe_picture_codec(model.codec->info());
  record.input = path;
  record.math = name_of(context.math());
  record.warning = input.warning;
  record.width = input.size.columns;
  record.height = input.size.rows;
  record.codes = model.codec->encode(context, to_input(input.processor, input.image));
  record.has_codes = true;
  if (model.layout) add_ids(*model.layout, record);
  if (quality == nullptr) return record;
  const media::Image back = to_image(input.processor, model.codec->decode(context, record.codes));
  *quality = to_json(compare(media::apply_geometry(input.processor, input.image), back));
  CodeUse use(model.codec->info());
  use.add(record.codes);
  put_picture_json(use, *quality);
  return record;
}

media::Image decode_picture(const PictureModel& model, Context& context, const CodesRecord& record,
                            const std::string& where) {
  const ImageCodecInfo& info = model.codec->info();
  check_picture_record(record, info, where);
  const Codes::Grid& grid = record.codes.grid;
  require_memory(model, context, grid.rows * info.factor, grid.columns * info.factor, PictureWork::decode, where);
  return to_image(model.processor, model.codec->decode(context, record.codes));
}

CodesRecord describe_picture_codec(const ImageCodecInfo& codec) {
  CodesRecord record;
  record.status = "ok";
  record.kind = "image";
  record.codec = codec.family;
  record.levels = codec.levels;
  return record;
}

void check_picture_record(const CodesRecord& record, const ImageCodecInfo& codec, const std::string& where) {
  const auto wrong = [&](const std::string& theirs) {
    throw InputError("wrong_codec", where + ": the codes are " + theirs + ", but the checkpoint is " + codec.family +
                                        ": name the one they were made with (--model)");
  };
  if (record.kind != "image") wrong("of kind \"" + record.kind + "\"");
  if (!record.codec.empty() && record.codec != codec.family) wrong(record.codec);
  if (!record.has_codes) bad_codes(where, "there are no codes");
  const Codes::Grid& grid = record.codes.grid;
  if (grid.positions() == 0) bad_codes(where, "\"grid\" is missing: a picture's rows and columns of codes");
  const auto differs = [&](int pixels, std::int64_t codes) { return pixels > 0 && pixels != codes * codec.factor; };
  if (differs(record.height, grid.rows) || differs(record.width, grid.columns)) {
    wrong("of " + std::to_string(record.width) + " by " + std::to_string(record.height) + " pixels in a grid of " +
          std::to_string(grid.columns) + " by " + std::to_string(grid.rows));
  }
}

}  // namespace tessera::cli
