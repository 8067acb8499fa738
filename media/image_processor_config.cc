#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>

#include "kernels/error.h"
#include "media/image_processor.h"

namespace tessera::media {
namespace {

using Json = nlohmann::json;

constexpr std::int64_t kLongestSide = 65536;
constexpr std::int64_t kMostPixels = std::int64_t{1} << 32;

/// One object of the file, with the words for messages.
class Settings {
 public:
  Settings(const Json& object, std::string name) : object_(object), name_(std::move(name)) {
    if (!object_.is_object()) bad("it is no object");
  }

  [[nodiscard]] bool has(const char* key) const { return object_.contains(key) && !object_[key].is_null(); }

  [[nodiscard]] bool flag(const char* key, bool otherwise) const {
    if (!has(key)) return otherwise;
    if (!object_[key].is_boolean()) bad(key, "is no true or false");
    return object_[key].get<bool>();
  }

  [[nodiscard]] std::int64_t integer(const char* key, std::int64_t least, std::int64_t most) const {
    if (!has(key)) bad(key, "is missing");
    const Json& value = object_[key];
    if (!value.is_number_integer() || value < least || value > most) {
      bad(key, "is no integer from " + std::to_string(least) + " to " + std::to_string(most));
    }
    return value.get<std::int64_t>();
  }

  [[nodiscard]] int side(const char* key) const { return static_cast<int>(integer(key, 1, kLongestSide)); }

  [[nodiscard]] double number(const char* key) const {
    if (!has(key)) bad(key, "is missing");
    if (!object_[key].is_number()) bad(key, "is no number");
    return object_[key].get<double>();
  }

  /// One number for all channels, or one for each.
  [[nodiscard]] std::array<double, 3> channels(const char* key) const {
    if (has(key) && object_[key].is_number()) return {number(key), number(key), number(key)};
    const Json& list = has(key) ? object_[key] : Json();
    std::array<double, 3> values{};
    if (!list.is_array() || list.size() != 3) bad(key, "is no list of three numbers");
    for (std::size_t i = 0; i < 3; ++i) {
      if (!list[i].is_number()) bad(key, "is no list of three numbers");
      values[i] = list[i].get<double>();
    }
    return values;
  }

  [[nodiscard]] std::string text(const char* key) const {
    return has(key) && object_[key].is_string() ? object_[key].get<std::string>() : std::string();
  }

  [[nodiscard]] bool is_number(const char* key) const { return has(key) && object_[key].is_number(); }
  [[nodiscard]] Settings inner(const char* key) const { return {object_[key], name_ + ": " + key}; }

  [[noreturn]] void bad(const std::string& what) const { throw CheckpointError(name_ + ": " + what); }
  [[noreturn]] void bad(const std::string& key, const std::string& what) const { bad('"' + key + "\" " + what); }

 private:
  const Json& object_;
  std::string name_;
};

void set_pixel_range(ImageProcessor& processor, const Settings& from, const char* least, const char* most) {
  processor.fit = Fit::pixel_range;
  processor.min_pixels = from.integer(least, 1, kMostPixels);
  processor.max_pixels = from.integer(most, processor.min_pixels, kMostPixels);
}

void set_exact(ImageProcessor& processor, int rows, int columns) {
  processor.fit = Fit::exact;
  processor.rows = rows;
  processor.columns = columns;
}

void set_janus(ImageProcessor& processor, const Settings& file) {
  const Settings size = file.inner("size");
  processor.fit = Fit::longest_edge;
  processor.edge = size.side("height");
  if (size.side("width") != processor.edge) size.bad("the sides differ");
  processor.min_side = file.side("min_size");
  processor.square = file.flag("do_pad", true);
}

/// Their own key names or, from transformers 5 on, all in `size`.
void set_smart(ImageProcessor& processor, const Settings& file, const std::string& type) {
  const bool is_qwen = type.rfind("Qwen2VL", 0) == 0;
  processor.factor = is_qwen ? file.side("patch_size") * file.side("merge_size") : file.side("spatial_factor");
  if (type.rfind("Emu3VisionVQ", 0) == 0) processor.max_aspect = 5;
  if (file.has("min_pixels")) return set_pixel_range(processor, file, "min_pixels", "max_pixels");
  const bool by_edges = is_qwen && file.has("size") && file.inner("size").has("shortest_edge");
  if (!file.has("size")) file.bad("\"min_pixels\" is missing");
  set_pixel_range(processor, file.inner("size"), by_edges ? "shortest_edge" : "min_pixels",
                  by_edges ? "longest_edge" : "max_pixels");
}

/// A bare number is the short side, except for processors that make squares.
void set_common(ImageProcessor& processor, const Settings& file) {
  if (file.is_number("size")) {
    const int side = file.side("size");
    if (file.flag("default_to_square", false)) return set_exact(processor, side, side);
    processor.fit = Fit::shortest_edge;
    processor.edge = side;
    return;
  }
  const Settings size = file.inner("size");
  if (size.has("height")) return set_exact(processor, size.side("height"), size.side("width"));
  if (!size.has("shortest_edge") || size.has("longest_edge")) {
    size.bad("only height and width, or shortest_edge alone, are known for this processor");
  }
  processor.fit = Fit::shortest_edge;
  processor.edge = size.side("shortest_edge");
}

void set_fit(ImageProcessor& processor, const Settings& file) {
  const std::string type = file.text("image_processor_type");
  if (type.rfind("Emu3", 0) == 0 || type.rfind("Qwen2VL", 0) == 0) return set_smart(processor, file, type);
  if (!file.has("size")) file.bad("\"size\" is missing");
  if (type.rfind("Janus", 0) == 0) return set_janus(processor, file);
  set_common(processor, file);
}

void set_crop(ImageProcessor& processor, const Settings& file) {
  if (file.is_number("crop_size")) {
    processor.crop_rows = processor.crop_columns = file.side("crop_size");
    return;
  }
  if (!file.has("crop_size")) file.bad("\"crop_size\" is missing");
  const Settings size = file.inner("crop_size");
  processor.crop_rows = size.side("height");
  processor.crop_columns = size.side("width");
}

void set_values(ImageProcessor& processor, const Settings& file) {
  processor.do_rescale = file.flag("do_rescale", true);
  if (processor.do_rescale)
    processor.rescale_factor = file.has("rescale_factor") ? file.number("rescale_factor") : 1.0 / 255;
  processor.do_normalize = file.flag("do_normalize", true);
  if (file.has("image_mean")) processor.mean = file.channels("image_mean");
  if (!processor.do_normalize) return;
  processor.mean = file.channels("image_mean");
  processor.std = file.channels("image_std");
  for (const double deviation : processor.std) {
    if (!(deviation > 0)) file.bad("\"image_std\" is not positive");
  }
  if (!(processor.rescale_factor > 0)) file.bad("\"rescale_factor\" is not positive");
}

}  // namespace

ImageProcessor parse_image_processor(const std::string& json, const std::string& name) {
  const Json document = Json::parse(json, nullptr, false);
  if (document.is_discarded()) throw CheckpointError(name + ": it is no JSON");
  const Settings file(document, name);
  ImageProcessor processor;
  if (file.has("resample")) processor.filter = static_cast<Filter>(file.integer("resample", 0, 5));
  if (file.flag("do_resize", true)) set_fit(processor, file);
  if (file.flag("do_center_crop", false)) set_crop(processor, file);
  set_values(processor, file);
  return processor;
}

ImageProcessor read_image_processor(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw CheckpointError(path + ": cannot be read");
  std::ostringstream text;
  text << file.rdbuf();
  return parse_image_processor(text.str(), path);
}

}  // namespace tessera::media
