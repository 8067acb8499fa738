#pragma once

#include "tokenizer/layout.h"

namespace tessera {

/// Says which ids may come next in a sequence: text anywhere; a clip in whole frames between its delimiters, each slot
/// from its own range; a picture with its size, rows and delimiters. Everything else is masked, so whatever is drawn
/// parses. A copy is a fork.
class Grammar {
 public:
  /// `layout` must outlive this. Throws ArgumentError when the parts of the layout cannot be told apart, or audio has
  /// no delimiters.
  explicit Grammar(const SequenceLayout& layout);
  explicit Grammar(SequenceLayout&&) = delete;

  /// The ids that may come next, as ranges that do not overlap; none after a stop. `remaining`: the ids there is room
  /// for: a picture or a clip that could not end within it does not begin, and one that has begun ends in time where
  /// its size is not fixed yet.
  [[nodiscard]] std::vector<IdRange> allowed(std::int64_t remaining = INT64_MAX) const;
  [[nodiscard]] bool allows(std::int32_t id) const;
  /// Throws InputError("bad_ids") that names the position when `id` may not come now; the state stays.
  void advance(std::int32_t id);

  /// True between segments and within text: a sequence may be cut here and still parses.
  [[nodiscard]] bool at_boundary() const noexcept { return state_ == State::text || state_ == State::stopped; }
  [[nodiscard]] bool stopped() const noexcept { return state_ == State::stopped; }
  /// Where sampling settings change: text, audio or image comes next.
  enum class Modality { text, audio, image };
  [[nodiscard]] Modality modality() const noexcept;
  /// Ids to the end of the frame of audio that is being written, a whole frame where the next begins; 0 outside of
  /// clips.
  [[nodiscard]] int frame_left() const noexcept;
  /// Ids of a frame of audio; 0: the layout has none.
  [[nodiscard]] int frame_size() const noexcept;

 private:
  enum class State { text, audio, height, width, image, stopped };

  void text_ranges(std::int64_t remaining, std::vector<IdRange>& ranges) const;
  void audio_ranges(std::int64_t remaining, std::vector<IdRange>& ranges) const;
  void size_ranges(std::int64_t remaining, std::vector<IdRange>& ranges) const;
  [[nodiscard]] IdRange picture_range() const;
  [[nodiscard]] bool row_end_next() const;
  [[nodiscard]] std::int64_t least_audio() const;
  [[nodiscard]] std::int64_t least_image() const;
  void move(std::int32_t id);
  void move_in_text(std::int32_t id);
  void move_in_clip(std::int32_t id);
  void move_in_size(std::int32_t id);
  void begin_picture();

  const SequenceLayout* layout_;
  std::vector<IdRange> text_;  // without delimiters and codes
  State state_ = State::text;
  std::int64_t position_ = 0;
  // Of a clip: its columns so far, the slot within the column, and its frames once their end is known (else -1).
  std::int64_t column_ = 0;
  std::size_t slot_ = 0;
  std::int64_t frames_ = -1;
  // Of a picture: its size, the digits written of the side, and the place behind the size (-1: before the body's mark).
  int rows_ = 0, columns_ = 0;
  int digits_ = 0;
  std::int64_t place_ = 0;
};

}  // namespace tessera
