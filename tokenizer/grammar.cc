#include "tokenizer/grammar.h"

#include <algorithm>

#include "kernels/error.h"

namespace tessera {
namespace {

/// Takes one id out of ranges that do not overlap.
void cut(std::vector<IdRange>& ranges, std::int64_t id) {
  const auto found =
      std::find_if(ranges.begin(), ranges.end(), [&](const IdRange& range) { return range.contains(id); });
  if (found == ranges.end()) return;
  const IdRange behind{id + 1, found->first + found->count - id - 1};
  found->count = id - found->first;
  if (behind.count > 0) ranges.insert(found + 1, behind);
  std::erase_if(ranges, [](const IdRange& range) { return range.count == 0; });
}

/// Takes a range of ids out.
void cut(std::vector<IdRange>& ranges, const IdRange& gone) {
  std::vector<IdRange> kept;
  const std::int64_t gone_end = gone.first + gone.count;
  for (const IdRange& range : ranges) {
    const std::int64_t end = range.first + range.count;
    const IdRange before{range.first, std::min(end, gone.first) - range.first};
    const std::int64_t behind_first = std::max(range.first, gone_end);
    if (before.count > 0) kept.push_back(before);
    if (end > behind_first) kept.push_back({behind_first, end - behind_first});
  }
  ranges = std::move(kept);
}

void refuse_layout(bool bad, const char* what) {
  if (bad) throw ArgumentError(std::string("sequence layout: ") + what);
}

void check_audio(const AudioLayout& audio) {
  refuse_layout(audio.begin < 0 || audio.end < 0 || audio.begin == audio.end, "audio needs two delimiters");
  refuse_layout(audio.slots.empty() || audio.slots.front().delay != 0, "audio needs slots, the first without a delay");
  for (const auto& slot : audio.slots) {
    refuse_layout(slot.ids.contains(audio.end), "the end of audio is the id of a code");
    refuse_layout(audio.greatest_delay() > 0 && slot.ids.contains(slot.pad), "a pad is the id of a code");
    refuse_layout(audio.greatest_delay() > 0 && slot.pad == audio.end, "a pad is the end of audio");
  }
}

void check_image(const ImageLayout& image) {
  refuse_layout(image.begin < 0 || image.end < 0, "pictures need two delimiters");
  refuse_layout(!image.sized() && (image.rows < 1 || image.columns < 1), "pictures need a size");
  refuse_layout(image.sized() && image.body < 0, "a size needs an id behind it");
  for (const std::int32_t id : {image.end, image.row_end, image.after, image.body, image.times}) {
    refuse_layout(image.codes.contains(id), "a delimiter of pictures is the id of a code");
  }
}

}  // namespace

Grammar::Grammar(const SequenceLayout& layout) : layout_(&layout), text_(layout.text) {
  std::vector<std::int32_t> delimiters = layout.stops;
  if (layout.audio) {
    check_audio(*layout.audio);
    delimiters.insert(delimiters.end(), {layout.audio->begin, layout.audio->end});
    for (const auto& slot : layout.audio->slots) cut(text_, slot.ids);
    for (const auto& slot : layout.audio->slots) delimiters.push_back(slot.pad);
  }
  if (layout.image) {
    const ImageLayout& image = *layout.image;
    check_image(image);
    cut(text_, image.codes);
    delimiters.insert(delimiters.end(), {image.begin, image.end, image.body, image.row_end, image.after});
    refuse_layout(layout.audio && layout.audio->begin == image.begin, "audio and pictures begin alike");
  }
  for (const std::int32_t id : delimiters) cut(text_, id);
}

int Grammar::frame_size() const noexcept { return layout_->audio ? static_cast<int>(layout_->audio->slots.size()) : 0; }

int Grammar::frame_left() const noexcept { return state_ == State::audio ? frame_size() - static_cast<int>(slot_) : 0; }

Grammar::Modality Grammar::modality() const noexcept {
  if (state_ == State::audio) return Modality::audio;
  return at_boundary() ? Modality::text : Modality::image;
}

std::vector<IdRange> Grammar::allowed(std::int64_t remaining) const {
  std::vector<IdRange> ranges;
  if (remaining <= 0) return ranges;
  switch (state_) {
    case State::text:
      text_ranges(remaining, ranges);
      break;
    case State::audio:
      audio_ranges(remaining, ranges);
      break;
    case State::height:
    case State::width:
      size_ranges(remaining, ranges);
      break;
    case State::image:
      ranges.push_back(picture_range());
      break;
    case State::stopped:
      break;
  }
  return ranges;
}

bool Grammar::allows(std::int32_t id) const {
  const auto ranges = allowed();
  return std::any_of(ranges.begin(), ranges.end(), [&](const IdRange& range) { return range.contains(id); });
}

void Grammar::advance(std::int32_t id) {
  if (!allows(id)) {
    const char* where = stopped()                ? "behind the end"
                        : state_ == State::audio ? "in a clip"
                        : at_boundary()          ? "in text"
                                                 : "in a picture";
    throw InputError("bad_ids", "id " + std::to_string(position_) + " of the sequence: " + std::to_string(id) +
                                    " may not come " + where);
  }
  move(id);
  ++position_;
}

std::int64_t Grammar::least_audio() const {
  return 2 + std::ssize(layout_->audio->slots) * (1 + layout_->audio->greatest_delay());
}

std::int64_t Grammar::least_image() const {
  const ImageLayout& image = *layout_->image;
  return image.sized() ? length_of(image, 1, 1) : length_of(image, image.rows, image.columns);
}

void Grammar::text_ranges(std::int64_t remaining, std::vector<IdRange>& ranges) const {
  ranges = text_;
  for (const std::int32_t id : layout_->stops) ranges.push_back({id, 1});
  if (layout_->audio && remaining >= least_audio()) ranges.push_back({layout_->audio->begin, 1});
  if (layout_->image && remaining >= least_image()) ranges.push_back({layout_->image->begin, 1});
}

/// A clip with delays ends by the pad of its first slot; then the other slots run out, and its end comes.
void Grammar::audio_ranges(std::int64_t remaining, std::vector<IdRange>& ranges) const {
  const AudioLayout& audio = *layout_->audio;
  const auto& slot = audio.slots[slot_];
  const int delay = audio.greatest_delay();
  if (slot_ == 0 && frames_ >= 0 && column_ == frames_ + delay) return ranges.push_back({audio.end, 1});
  const std::int64_t frame = column_ - slot.delay;
  if (frame < 0 || (frames_ >= 0 && frame >= frames_)) return ranges.push_back({slot.pad, 1});
  const bool may_go_on = slot_ > 0 || column_ == 0 || remaining >= least_audio() - 1;
  if (may_go_on) ranges.push_back(slot.ids);
  if (slot_ == 0 && column_ > 0 && frames_ < 0) ranges.push_back({delay > 0 ? slot.pad : audio.end, 1});
}

void Grammar::size_ranges(std::int64_t remaining, std::vector<IdRange>& ranges) const {
  const ImageLayout& image = *layout_->image;
  const bool height = state_ == State::height;
  const int side = height ? rows_ : columns_;
  for (int digit = digits_ == 0 ? 1 : 0; digit <= 9 && digits_ < image.most_digits; ++digit) {
    const int longer = 10 * side + digit;
    // length_of counts the delimiter in front and every digit; what has been written of them does not remain.
    const std::int64_t written = 1 + digits_ + (height ? 0 : 1 + std::ssize(std::to_string(rows_)));
    const std::int64_t whole = height ? length_of(image, longer, 1) : length_of(image, rows_, longer);
    if (remaining >= whole - written) ranges.push_back({image.digits[static_cast<std::size_t>(digit)], 1});
  }
  if (digits_ > 0) ranges.push_back({height ? image.times : image.body, 1});
}

bool Grammar::row_end_next() const {
  const ImageLayout& image = *layout_->image;
  return image.row_end >= 0 && place_ % (columns_ + 1) == columns_;
}

IdRange Grammar::picture_range() const {
  const ImageLayout& image = *layout_->image;
  if (place_ < 0) return {image.body, 1};
  const std::int64_t row_ends = image.row_end < 0 ? 0 : rows_ - !image.last_row_ends;
  const std::int64_t body = std::int64_t{rows_} * columns_ + row_ends;
  if (place_ < body) return row_end_next() ? IdRange{image.row_end, 1} : image.codes;
  return {place_ == body && image.after >= 0 ? image.after : image.end, 1};
}

void Grammar::begin_picture() {
  const ImageLayout& image = *layout_->image;
  digits_ = 0;
  rows_ = image.sized() ? 0 : image.rows;
  columns_ = image.sized() ? 0 : image.columns;
  place_ = image.body >= 0 && !image.sized() ? -1 : 0;
  state_ = image.sized() ? State::height : State::image;
}

void Grammar::move_in_text(std::int32_t id) {
  if (std::find(layout_->stops.begin(), layout_->stops.end(), id) != layout_->stops.end()) {
    state_ = State::stopped;
  } else if (layout_->audio && id == layout_->audio->begin) {
    state_ = State::audio;
    column_ = 0;
    slot_ = 0;
    frames_ = -1;
  } else if (layout_->image && id == layout_->image->begin) {
    begin_picture();
  }
}

void Grammar::move_in_clip(std::int32_t id) {
  const AudioLayout& audio = *layout_->audio;
  if (slot_ == 0 && id == audio.end) {
    state_ = State::text;
    return;
  }
  if (slot_ == 0 && frames_ < 0 && !audio.slots[0].ids.contains(id)) frames_ = column_;
  if (++slot_ < audio.slots.size()) return;
  slot_ = 0;
  ++column_;
}

void Grammar::move_in_size(std::int32_t id) {
  const ImageLayout& image = *layout_->image;
  const auto digit = std::find(image.digits.begin(), image.digits.end(), id);
  const bool is_digit = digit != image.digits.end() && id != image.times && id != image.body;
  int& side = state_ == State::height ? rows_ : columns_;
  if (is_digit) {
    side = 10 * side + static_cast<int>(digit - image.digits.begin());
    ++digits_;
    return;
  }
  digits_ = 0;
  state_ = state_ == State::height ? State::width : State::image;
}

void Grammar::move(std::int32_t id) {
  switch (state_) {
    case State::text:
      return move_in_text(id);
    case State::audio:
      return move_in_clip(id);
    case State::height:
    case State::width:
      return move_in_size(id);
    case State::image:
      ++place_;
      if (id == layout_->image->end) state_ = State::text;
      return;
    case State::stopped:
      return;
  }
}

}  // namespace tessera
