#include "tokenizer/layout.h"

#include <algorithm>

#include "kernels/error.h"
#include "tokenizer/grammar.h"

namespace tessera {
namespace {

[[noreturn]] void bad_ids(std::int64_t position, const std::string& what) {
  throw InputError("bad_ids", "id " + std::to_string(position) + " of the sequence: " + what);
}

AudioLayout::Slot slot_of(const VocabularyRange& range) { return {range.level, std::max(range.step, 0), range}; }

/// The frames of codes whose rows fit the layout.
std::int64_t frames_of(const Codes& codes, const AudioLayout& layout) {
  if (std::ssize(codes.rows) != layout.levels()) {
    throw ArgumentError("codes of " + std::to_string(codes.rows.size()) + " levels do not fit a layout of " +
                        std::to_string(layout.levels()));
  }
  for (int level = 0; level < layout.levels(); ++level) {
    const auto length = std::ssize(codes.rows[static_cast<std::size_t>(level)]);
    if (length == codes.frames() / layout.steps(0) * layout.steps(level) && codes.frames() % layout.steps(0) == 0)
      continue;
    throw ArgumentError("row " + std::to_string(level) + " has " + std::to_string(length) +
                        " codes, which are no whole frames");
  }
  return codes.frames() / layout.steps(0);
}

std::int32_t id_of_code(const IdRange& ids, std::int32_t code) {
  if (code >= 0 && code < ids.count) return static_cast<std::int32_t>(ids.first + code);
  throw ArgumentError("code " + std::to_string(code) + ": the vocabulary has " + std::to_string(ids.count));
}

void append_number(int number, const ImageLayout& layout, std::vector<std::int32_t>& ids) {
  const std::string digits = std::to_string(number);
  if (number < 1 || std::ssize(digits) > layout.most_digits) throw ArgumentError("a picture of side " + digits);
  for (const char c : digits) ids.push_back(layout.digits[static_cast<std::size_t>(c - '0')]);
}

void append_if(std::int32_t id, std::vector<std::int32_t>& ids) {
  if (id >= 0) ids.push_back(id);
}

bool ends_row(const ImageLayout& layout, int rows, int row) {
  return layout.row_end >= 0 && (layout.last_row_ends || row + 1 < rows);
}

/// A picture that the grammar has accepted.
ImageCodes parse_image(std::span<const std::int32_t> ids, const ImageLayout& layout) {
  ImageCodes image{layout.rows, layout.columns, {}};
  std::size_t at = 1;
  if (layout.sized()) {
    int* side = &image.rows;
    for (; ids[at] != layout.body && !layout.codes.contains(ids[at]); ++at) {
      const auto digit = std::find(layout.digits.begin(), layout.digits.end(), ids[at]) - layout.digits.begin();
      if (ids[at] == layout.times) side = &image.columns;
      if (ids[at] != layout.times) *side = 10 * *side + static_cast<int>(digit);
    }
  }
  for (; at < ids.size(); ++at) {
    if (layout.codes.contains(ids[at])) image.codes.push_back(static_cast<std::int32_t>(ids[at] - layout.codes.first));
  }
  return image;
}

Segment parse_clip(std::span<const std::int32_t> ids, std::int64_t position, const AudioLayout& layout) {
  try {
    return unflatten(ids.subspan(1, ids.size() - 2), layout);
  } catch (const InputError& error) {
    bad_ids(position, error.what());
  }
}

}  // namespace

int AudioLayout::levels() const {
  int most = 0;
  for (const Slot& slot : slots) most = std::max(most, slot.level + 1);
  return most;
}

int AudioLayout::steps(int level) const {
  return static_cast<int>(
      std::count_if(slots.begin(), slots.end(), [&](const Slot& slot) { return slot.level == level; }));
}

int AudioLayout::greatest_delay() const {
  int most = 0;
  for (const Slot& slot : slots) most = std::max(most, slot.delay);
  return most;
}

AudioLayout frame_major(std::span<const VocabularyRange> levels) {
  AudioLayout layout;
  for (const VocabularyRange& range : levels) layout.slots.push_back(slot_of(range));
  return layout;
}

AudioLayout delayed(std::span<const VocabularyRange> levels, std::span<const int> delays,
                    std::span<const std::int32_t> pads) {
  AudioLayout layout = frame_major(levels);
  const bool fits = delays.size() == levels.size() && pads.size() == levels.size() && !levels.empty() &&
                    delays[0] == 0 && *std::min_element(delays.begin(), delays.end()) == 0;
  if (!fits) throw ArgumentError("delays: one a level, the first 0, and a pad for each");
  for (std::size_t i = 0; i < levels.size(); ++i) {
    if (levels[i].contains(pads[i])) throw ArgumentError("pad " + std::to_string(pads[i]) + " is the id of a code");
    layout.slots[i].delay = delays[i];
    layout.slots[i].pad = pads[i];
  }
  return layout;
}

AudioLayout snac_frames(std::span<const VocabularyRange> slots) {
  AudioLayout layout = frame_major(slots);
  const bool fits = slots.size() == 7 && layout.levels() == 3 && layout.steps(0) == 1 && layout.steps(1) == 2;
  if (!fits) throw ArgumentError("SNAC's frames have seven slots: one of level 0, two of level 1, four of level 2");
  return layout;
}

std::vector<std::int32_t> flatten(const Codes& codes, const AudioLayout& layout) {
  const std::int64_t frames = frames_of(codes, layout);
  std::vector<std::int32_t> ids;
  const std::int64_t columns = frames == 0 ? 0 : frames + layout.greatest_delay();
  for (std::int64_t column = 0; column < columns; ++column) {
    for (const auto& slot : layout.slots) {
      const std::int64_t frame = column - slot.delay;
      const auto& row = codes.rows[static_cast<std::size_t>(slot.level)];
      const bool hole = frame < 0 || frame >= frames;
      ids.push_back(
          hole ? slot.pad
               : id_of_code(slot.ids, row[static_cast<std::size_t>(frame * layout.steps(slot.level) + slot.step)]));
    }
  }
  return ids;
}

Codes unflatten(std::span<const std::int32_t> ids, const AudioLayout& layout) {
  const auto width = std::ssize(layout.slots);
  const std::int64_t columns = width == 0 ? 0 : std::ssize(ids) / width;
  const std::int64_t frames = columns == 0 ? 0 : columns - layout.greatest_delay();
  if (columns * width != std::ssize(ids) || frames < 0) bad_ids(std::ssize(ids), "the clip ends within a frame");
  Codes codes;
  for (int level = 0; level < layout.levels(); ++level) {
    codes.rows.emplace_back(static_cast<std::size_t>(frames * layout.steps(level)));
  }
  for (std::int64_t at = 0; at < std::ssize(ids); ++at) {
    const auto& slot = layout.slots[static_cast<std::size_t>(at % width)];
    const std::int64_t frame = at / width - slot.delay;
    const std::int32_t id = ids[static_cast<std::size_t>(at)];
    const bool hole = frame < 0 || frame >= frames;
    if (hole ? id != slot.pad : !slot.ids.contains(id)) {
      bad_ids(at, std::to_string(id) + " is " + (hole ? "not the pad" : "no code") + " of level " +
                      std::to_string(slot.level));
    }
    if (hole) continue;
    codes.rows[static_cast<std::size_t>(slot.level)]
              [static_cast<std::size_t>(frame * layout.steps(slot.level) + slot.step)] =
        static_cast<std::int32_t>(id - slot.ids.first);
  }
  return codes;
}

std::vector<std::int32_t> flatten(const ImageCodes& image, const ImageLayout& layout) {
  const bool whole =
      image.rows > 0 && image.columns > 0 && std::ssize(image.codes) == std::int64_t{image.rows} * image.columns;
  const bool fits = layout.sized() || (image.rows == layout.rows && image.columns == layout.columns);
  if (!whole || !fits) throw ArgumentError("the picture's rows and columns do not fit its codes or the layout");
  std::vector<std::int32_t> ids = {layout.begin};
  if (layout.sized()) {
    append_number(image.rows, layout, ids);
    ids.push_back(layout.times);
    append_number(image.columns, layout, ids);
  }
  append_if(layout.body, ids);
  auto code = image.codes.begin();
  for (int row = 0; row < image.rows; ++row) {
    for (int column = 0; column < image.columns; ++column) ids.push_back(id_of_code(layout.codes, *code++));
    if (ends_row(layout, image.rows, row)) ids.push_back(layout.row_end);
  }
  append_if(layout.after, ids);
  ids.push_back(layout.end);
  return ids;
}

std::int64_t length_of(const ImageLayout& layout, int rows, int columns) {
  std::int64_t length = 2 + std::int64_t{rows} * columns + (layout.body >= 0) + (layout.after >= 0);
  if (layout.row_end >= 0) length += rows - !layout.last_row_ends;
  if (layout.sized()) length += 1 + std::ssize(std::to_string(rows)) + std::ssize(std::to_string(columns));
  return length;
}

std::optional<ImageLayout> image_layout(const Vocabulary& vocabulary, const TextTokenizer& tokenizer) {
  const VocabularyRange* codes = vocabulary.range("image.0");
  if (codes == nullptr) return std::nullopt;
  const auto named = [&](const char* name) {
    const auto id = tokenizer.id_of(name);
    if (!id) throw CheckpointError(std::string("the tokenizer has codes of pictures but no ") + name);
    return *id;
  };
  ImageLayout layout;
  layout.codes = *codes;
  if (tokenizer.id_of("<racm3:break>")) {
    layout.begin = named("<racm3:break>");
    layout.end = named("<eoss>");
    layout.rows = layout.columns = 32;
    return layout;
  }
  layout.begin = named("<|image start|>");
  layout.end = named("<|image end|>");
  layout.body = named("<|image token|>");
  layout.row_end = named("<|extra_200|>");
  layout.after = named("<|extra_201|>");
  layout.times = named("*");
  for (char digit = '0'; digit <= '9'; ++digit) {
    layout.digits[static_cast<std::size_t>(digit - '0')] = named(std::string(1, digit).c_str());
  }
  return layout;
}

std::vector<std::int32_t> compose(std::span<const Segment> segments, const SequenceLayout& layout) {
  std::vector<std::int32_t> ids;
  for (const Segment& segment : segments) {
    if (const auto* text = std::get_if<std::vector<std::int32_t>>(&segment)) {
      ids.insert(ids.end(), text->begin(), text->end());
    } else if (const auto* codes = std::get_if<Codes>(&segment)) {
      if (!layout.audio) throw ArgumentError("the layout has no audio");
      const auto clip = flatten(*codes, *layout.audio);
      append_if(layout.audio->begin, ids);
      ids.insert(ids.end(), clip.begin(), clip.end());
      append_if(layout.audio->end, ids);
    } else {
      if (!layout.image) throw ArgumentError("the layout has no pictures");
      const auto picture = flatten(std::get<ImageCodes>(segment), *layout.image);
      ids.insert(ids.end(), picture.begin(), picture.end());
    }
  }
  return ids;
}

std::vector<Segment> parse_sequence(std::span<const std::int32_t> ids, const SequenceLayout& layout) {
  std::vector<Segment> segments;
  Grammar grammar(layout);
  std::size_t begin = 0;
  for (std::size_t at = 0; at < ids.size(); ++at) {
    const bool in_text = grammar.at_boundary();
    grammar.advance(ids[at]);
    if (in_text && !grammar.at_boundary()) begin = at;
    if (!grammar.at_boundary() || grammar.stopped()) continue;
    const auto part = ids.subspan(begin, at + 1 - begin);
    if (in_text) {
      if (segments.empty() || segments.back().index() != 0) segments.emplace_back(std::vector<std::int32_t>());
      std::get<0>(segments.back()).push_back(ids[at]);
    } else if (layout.audio && part.front() == layout.audio->begin) {
      segments.push_back(parse_clip(part, static_cast<std::int64_t>(begin), *layout.audio));
    } else {
      segments.emplace_back(parse_image(part, *layout.image));
    }
  }
  if (!grammar.at_boundary()) bad_ids(std::ssize(ids), "the sequence ends within a clip or a picture");
  return segments;
}

}  // namespace tessera
