#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "codec/codec.h"
#include "tokenizer/vocabulary.h"

namespace tessera {

/// How the codes of an audio codec become one sequence of ids: the slots of a frame, one id each, in their order.
struct AudioLayout {
  struct Slot {
    int level = 0;
    int step = 0;           ///< which code of the level within the frame
    IdRange ids;            ///< id = first + code
    int delay = 0;          ///< frames that this slot lags: column t holds the code of frame t − delay
    std::int32_t pad = -1;  ///< the id where a delay leaves a hole; it must be outside of `ids`
  };
  std::vector<Slot> slots;
  std::int32_t begin = -1, end = -1;  ///< delimiters; -1: none

  [[nodiscard]] int levels() const;
  /// Codes of a level in one frame.
  [[nodiscard]] int steps(int level) const;
  [[nodiscard]] int greatest_delay() const;
};

/// Level after level within a frame (AnyGPT's music, EnCodec's and Mimi's flat form).
[[nodiscard]] AudioLayout frame_major(std::span<const VocabularyRange> levels);
/// Level k lags `delays[k]` frames, holes are `pads[k]` (MusicGen, MiMo-Audio, Moshi). Throws ArgumentError.
[[nodiscard]] AudioLayout delayed(std::span<const VocabularyRange> levels, std::span<const int> delays,
                                  std::span<const std::int32_t> pads);
/// SNAC's three levels at rates 1, 2, 4 in Orpheus's order: level 0, 1, 2, 2, 1, 2, 2. `slots`: the seven ranges of
/// `model_vocabulary`. Throws ArgumentError.
[[nodiscard]] AudioLayout snac_frames(std::span<const VocabularyRange> slots);

/// The ids of all frames, without delimiters. Throws ArgumentError for rows whose lengths do not fit the layout or a
/// code that its range does not have.
[[nodiscard]] std::vector<std::int32_t> flatten(const Codes& codes, const AudioLayout& layout);
/// The exact inverse. Throws InputError("bad_ids") that names the position: an id of another slot, or ids that are no
/// whole frames.
[[nodiscard]] Codes unflatten(std::span<const std::int32_t> ids, const AudioLayout& layout);

/// How the codes of a picture become ids. Ids of -1 are not there.
/// Chameleon: begin, 1024 codes, end. Emu3: begin, "H*W", body, rows each with row_end, after, end. Emu3.5: no row_end
/// behind the last row, no after.
struct ImageLayout {
  IdRange codes;
  std::int32_t begin = -1, end = -1;
  std::array<std::int32_t, 10> digits = {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1};
  std::int32_t times = -1;  ///< between height and width; -1: the size is not written
  std::int32_t body = -1;   ///< between the size and the first row
  std::int32_t row_end = -1;
  bool last_row_ends = true;
  std::int32_t after = -1;    ///< behind the last row
  int rows = 0, columns = 0;  ///< of every picture, where the size is not written
  int most_digits = 3;        ///< of each side, where it is
  [[nodiscard]] bool sized() const noexcept { return times >= 0; }
};

/// Codes of a picture in raster order.
struct ImageCodes {
  int rows = 0, columns = 0;
  std::vector<std::int32_t> codes;
  friend bool operator==(const ImageCodes&, const ImageCodes&) = default;
};

/// With its delimiters. Throws ArgumentError for codes that the layout has no place or no ids for.
[[nodiscard]] std::vector<std::int32_t> flatten(const ImageCodes& image, const ImageLayout& layout);
/// The ids of a picture of that size, delimiters included.
[[nodiscard]] std::int64_t length_of(const ImageLayout& layout, int rows, int columns);

/// Chameleon's and Emu3's by the names of their tokens; nothing when the vocabulary has no "image.0".
/// Throws CheckpointError when a delimiter is missing.
[[nodiscard]] std::optional<ImageLayout> image_layout(const Vocabulary& vocabulary, const TextTokenizer& tokenizer);

/// What a sequence may hold. Text is every id that delimits nothing.
struct SequenceLayout {
  std::vector<IdRange> text;
  std::optional<AudioLayout> audio;
  std::optional<ImageLayout> image;
  std::vector<std::int32_t> stops;  ///< ids that end a sequence
};

/// A part of a sequence: text ids, a clip, or a picture.
using Segment = std::variant<std::vector<std::int32_t>, Codes, ImageCodes>;

/// The ids of all segments, each clip and picture with its delimiters. Throws ArgumentError.
[[nodiscard]] std::vector<std::int32_t> compose(std::span<const Segment> segments, const SequenceLayout& layout);
/// The exact inverse; neighbouring text becomes one segment, a stop ends the sequence and belongs to no segment.
/// Throws InputError("bad_ids") that names the position and what was expected there.
[[nodiscard]] std::vector<Segment> parse_sequence(std::span<const std::int32_t> ids, const SequenceLayout& layout);

}  // namespace tessera
