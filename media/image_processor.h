#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "media/image.h"
#include "media/image_resize.h"

namespace tessera::media {

/// What an image codec reads and writes: float32, [row, column, channel], three channels.
struct FloatImage {
  int rows = 0;
  int columns = 0;
  std::vector<float> values;  ///< rows * columns * 3
};

/// How a picture gets its size.
enum class Fit : std::uint8_t {
  none,           ///< as it is
  exact,          ///< `rows` by `columns`, whatever that does to the shape
  shortest_edge,  ///< short side `edge`, long side edge * long / short, truncated (transformers; Chameleon)
  longest_edge,   ///< long side `edge`, each side rounded half to even and at least `min_side` (Janus)
  pixel_range,    ///< both sides multiples of `factor`, area between `min_pixels` and `max_pixels` (Emu3, Qwen2-VL)
  target_area,    ///< area near `max_pixels`, both sides to the nearest multiple of `factor` (Emu3.5)
  halving,        ///< halved with a box while the short side is at least 2 * edge, then short side `edge` (LlamaGen)
};

/// The steps from a picture to a codec's input, in this order: fit, crop, square, rescale, normalize.
/// The defaults change nothing but the type.
struct ImageProcessor {
  Fit fit = Fit::none;
  Filter filter = Filter::bicubic;
  int rows = 0;
  int columns = 0;
  int edge = 0;
  int min_side = 1;
  int factor = 1;
  std::int64_t min_pixels = 0;
  std::int64_t max_pixels = 0;
  double max_aspect = 200;  ///< pixel_range only: a picture more than so many times as long as wide is refused
  int crop_rows = 0;        ///< 0: no crop; the middle otherwise, see center_crop()
  int crop_columns = 0;
  bool square = false;  ///< put in the middle of a square of its long side, of the colour int(255 * mean)
  bool do_rescale = false;
  double rescale_factor = 1;
  bool do_normalize = false;
  std::array<double, 3> mean{};
  std::array<double, 3> std{1, 1, 1};
};

/// Reads the values of a preprocessor_config.json of transformers (Chameleon, Janus, Emu3, Qwen2-VL, or any that has
/// the common keys). Throws CheckpointError, which names the key, for what is missing, malformed or unknown.
[[nodiscard]] ImageProcessor parse_image_processor(const std::string& json, const std::string& name);
[[nodiscard]] ImageProcessor read_image_processor(const std::string& path);

struct ImageSize {
  int rows = 0;
  int columns = 0;
};

/// The size that `fit` gives, before crop and square. Throws InputError("unsupported_media") for a picture that the
/// processor refuses: too long for its width, or so small that a side would be 0.
[[nodiscard]] ImageSize fitted_size(const ImageProcessor& processor, int rows, int columns);

/// … and after them: that of what the codec sees. Throws the same.
[[nodiscard]] ImageSize shaped_size(const ImageProcessor& processor, int rows, int columns);

/// Fit, crop and square.
[[nodiscard]] Image apply_geometry(const ImageProcessor& processor, const Image& image);

/// All steps. A sample x becomes (float(x * rescale_factor) - mean) / std: the product in double, the rest in float32,
/// as in transformers' NumPy processors.
[[nodiscard]] FloatImage preprocess(const ImageProcessor& processor, const Image& image);

/// Back from a codec's output: (value - (-mean / std)) / (1 / std) in float32, times 1 / rescale_factor in double, to
/// float32, clipped to 0…255 and truncated, as JanusImageProcessor.postprocess() does. NaN becomes 0.
[[nodiscard]] Image postprocess(const ImageProcessor& processor, const FloatImage& image);

}  // namespace tessera::media
