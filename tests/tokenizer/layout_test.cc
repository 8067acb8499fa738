// Interleavings and sequences: what is composed parses to the same, and whatever the grammar lets through parses.

#include "tokenizer/layout.h"

#include <gtest/gtest.h>

#include <random>

#include "kernels/error.h"
#include "tokenizer/grammar.h"

namespace tessera {
namespace {

using Ids = std::vector<std::int32_t>;
using Random = std::mt19937;

int draw(Random& random, int least, int most) { return std::uniform_int_distribution<int>(least, most)(random); }

Codes clip(std::vector<std::vector<std::int32_t>> rows) {
  Codes codes;
  codes.rows = std::move(rows);
  return codes;
}

VocabularyRange level(int number, std::int64_t first, std::int64_t count) {
  return {{first, count}, "audio." + std::to_string(number), "audio", number};
}

/// Text 0 … 99 with its digits at 10 … 19 and '*' at 20; delimiters from 100 on; codes behind.
ImageLayout emu3() {
  ImageLayout layout;
  layout.codes = {1000, 50};
  layout.begin = 100;
  layout.end = 101;
  layout.body = 102;
  layout.row_end = 103;
  layout.after = 104;
  layout.times = 20;
  for (int digit = 0; digit < 10; ++digit) layout.digits[static_cast<std::size_t>(digit)] = 10 + digit;
  layout.most_digits = 2;
  return layout;
}

ImageLayout emu35() {
  ImageLayout layout = emu3();
  layout.last_row_ends = false;
  layout.after = -1;
  return layout;
}

ImageLayout chameleon() {
  ImageLayout layout;
  layout.codes = {1000, 50};
  layout.begin = 100;
  layout.end = 101;
  layout.rows = 3;
  layout.columns = 4;
  return layout;
}

std::vector<VocabularyRange> three_levels() { return {level(0, 2000, 8), level(1, 2008, 16), level(2, 2024, 4)}; }

AudioLayout plain() { return frame_major(three_levels()); }

AudioLayout musicgen() { return delayed(three_levels(), std::vector<int>{0, 1, 3}, Ids{110, 111, 112}); }

AudioLayout orpheus() {
  const std::pair<int, int> slots[] = {{0, 0}, {1, 0}, {2, 0}, {2, 1}, {1, 1}, {2, 2}, {2, 3}};
  std::vector<VocabularyRange> ranges;
  for (const auto& [number, step] : slots) {
    VocabularyRange range = level(number, 2000 + 8 * std::ssize(ranges), 8);
    range.step = step;
    ranges.push_back(range);
  }
  return snac_frames(ranges);
}

SequenceLayout sequence(AudioLayout audio, const ImageLayout& image) {
  audio.begin = 105;
  audio.end = 106;
  return {{{0, 130}}, std::move(audio), image, {107}};
}

std::vector<SequenceLayout> sequences() {
  return {sequence(plain(), emu3()),
          sequence(musicgen(), emu35()),
          sequence(orpheus(), chameleon()),
          {{{0, 50}}, std::nullopt, std::nullopt, {49}}};
}

Codes random_codes(const AudioLayout& layout, int frames, Random& random) {
  Codes codes;
  for (int number = 0; number < layout.levels(); ++number) {
    std::int64_t most = 0;
    for (const auto& slot : layout.slots) most = slot.level == number ? slot.ids.count - 1 : most;
    codes.rows.emplace_back();
    for (int i = 0; i < frames * layout.steps(number); ++i) {
      codes.rows.back().push_back(draw(random, 0, static_cast<int>(most)));
    }
  }
  return codes;
}

ImageCodes random_image(const ImageLayout& layout, Random& random) {
  ImageCodes image{layout.rows, layout.columns, {}};
  if (layout.sized()) image = {draw(random, 1, 20), draw(random, 1, 20), {}};
  for (int i = 0; i < image.rows * image.columns; ++i) image.codes.push_back(draw(random, 0, 49));
  return image;
}

std::vector<Segment> random_segments(const SequenceLayout& layout, Random& random) {
  std::vector<Segment> segments;
  bool after_text = false;
  for (int i = draw(random, 0, 6); i > 0; --i) {
    const int kind = layout.audio ? draw(random, after_text ? 1 : 0, 2) : after_text ? 3 : 0;
    if (kind != 3) after_text = kind == 0;
    if (kind == 0) segments.emplace_back(Ids(static_cast<std::size_t>(draw(random, 1, 5)), draw(random, 0, 48)));
    if (kind == 1) segments.emplace_back(random_codes(*layout.audio, draw(random, 1, 7), random));
    if (kind == 2) segments.emplace_back(random_image(*layout.image, random));
  }
  return segments;
}

std::int32_t draw_id(const std::vector<IdRange>& ranges, Random& random) {
  const IdRange& range = ranges[static_cast<std::size_t>(draw(random, 0, static_cast<int>(ranges.size()) - 1))];
  return static_cast<std::int32_t>(range.first + draw(random, 0, static_cast<int>(range.count) - 1));
}

void expect_disjoint(std::vector<IdRange> ranges) {
  std::sort(ranges.begin(), ranges.end(), [](const IdRange& a, const IdRange& b) { return a.first < b.first; });
  for (std::size_t i = 1; i < ranges.size(); ++i) EXPECT_GE(ranges[i].first, ranges[i - 1].first + ranges[i - 1].count);
}

TEST(Interleaving, FramesLevelByLevel) {
  EXPECT_EQ(flatten(clip({{1, 2}, {3, 4}, {0, 3}}), plain()), (Ids{2001, 2011, 2024, 2002, 2012, 2027}));
}

TEST(Interleaving, DelaysLeaveHoles) {
  EXPECT_EQ(flatten(clip({{1, 2}, {3, 4}, {0, 3}}), musicgen()),
            (Ids{2001, 111, 112, 2002, 2011, 112, 110, 2012, 112, 110, 111, 2024, 110, 111, 2027}));
}

TEST(Interleaving, SnacInOrpheusOrder) {
  const Codes frame = clip({{1}, {2, 3}, {4, 5, 6, 7}});
  EXPECT_EQ(flatten(frame, orpheus()), (Ids{2001, 2010, 2020, 2029, 2035, 2046, 2055}));
}

TEST(Interleaving, RoundTrips) {
  Random random(1);
  for (const AudioLayout& layout : {plain(), musicgen(), orpheus()}) {
    for (int frames = 0; frames < 12; ++frames) {
      const Codes codes = random_codes(layout, frames, random);
      EXPECT_EQ(unflatten(flatten(codes, layout), layout), codes);
    }
  }
}

TEST(Interleaving, WhatDoesNotFitIsRefused) {
  EXPECT_THROW((void)flatten(clip({{8}, {0}, {0}}), plain()), ArgumentError);
  EXPECT_THROW((void)flatten(clip({{1}, {0, 1}, {0}}), plain()), ArgumentError);
  EXPECT_THROW((void)flatten(clip({{1}}), plain()), ArgumentError);
  EXPECT_THROW((void)unflatten(Ids{2000, 2008}, plain()), InputError);
  EXPECT_THROW((void)unflatten(Ids{2008, 2000, 2024}, plain()), InputError);
  EXPECT_THROW((void)unflatten(Ids{110, 111, 112}, musicgen()), InputError);
  EXPECT_THROW((void)delayed(three_levels(), std::vector<int>{1, 0, 0}, Ids{110, 111, 112}), ArgumentError);
  EXPECT_THROW((void)delayed(three_levels(), std::vector<int>{0, 1, 2}, Ids{110, 2009, 112}), ArgumentError);
}

TEST(Pictures, AsEmu3WritesThem) {
  const ImageCodes image{2, 3, {1, 2, 3, 4, 5, 6}};
  EXPECT_EQ(flatten(image, emu3()),
            (Ids{100, 12, 20, 13, 102, 1001, 1002, 1003, 103, 1004, 1005, 1006, 103, 104, 101}));
  EXPECT_EQ(flatten(image, emu35()), (Ids{100, 12, 20, 13, 102, 1001, 1002, 1003, 103, 1004, 1005, 1006, 101}));
}

TEST(Pictures, LengthIsKnownBefore) {
  Random random(2);
  for (const ImageLayout& layout : {emu3(), emu35(), chameleon()}) {
    for (int i = 0; i < 20; ++i) {
      const ImageCodes image = random_image(layout, random);
      EXPECT_EQ(std::ssize(flatten(image, layout)), length_of(layout, image.rows, image.columns));
    }
  }
}

TEST(Sequences, RoundTrip) {
  Random random(3);
  for (const SequenceLayout& layout : sequences()) {
    for (int i = 0; i < 100; ++i) {
      const auto segments = random_segments(layout, random);
      EXPECT_EQ(parse_sequence(compose(segments, layout), layout), segments);
    }
  }
}

TEST(Sequences, CutWithinAClipIsRefused) {
  Random random(4);
  const SequenceLayout layout = sequences()[0];
  const Ids whole = compose(std::vector<Segment>{random_codes(*layout.audio, 2, random)}, layout);
  for (std::size_t length = 1; length < whole.size(); ++length) {
    EXPECT_THROW((void)parse_sequence(std::span(whole).first(length), layout), InputError) << length;
  }
}

/// Whatever is drawn from what the grammar allows ends in time, parses, and composes to the same ids again.
TEST(GrammarWalk, Parses) {
  Random random(5);
  for (const SequenceLayout& layout : sequences()) {
    std::size_t kinds = 0;
    for (int walk = 0; walk < 150; ++walk) {
      Grammar grammar(layout);
      Ids ids;
      for (std::int64_t left = draw(random, 0, 400); left > 0; --left) {
        const auto ranges = grammar.allowed(left);
        if (grammar.stopped()) break;
        ASSERT_FALSE(ranges.empty());
        expect_disjoint(ranges);
        ids.push_back(draw_id(ranges, random));
        grammar.advance(ids.back());
      }
      ASSERT_TRUE(grammar.at_boundary()) << "a clip or picture did not end in the room there was";
      const auto segments = parse_sequence(ids, layout);
      for (const Segment& segment : segments) kinds |= std::size_t{1} << segment.index();
      if (grammar.stopped()) ids.pop_back();
      EXPECT_EQ(compose(segments, layout), ids);
    }
    EXPECT_EQ(kinds, layout.audio ? 7U : 1U) << "the walks did not meet every kind of segment";
  }
}

TEST(GrammarWalk, RefusesTheRestAndStays) {
  const SequenceLayout layout = sequences()[0];
  Grammar grammar(layout);
  grammar.advance(105);
  EXPECT_EQ(grammar.modality(), Grammar::Modality::audio);
  EXPECT_THROW(grammar.advance(106), InputError) << "a clip has a frame";
  EXPECT_THROW(grammar.advance(2008), InputError) << "level 0 comes first";
  for (const std::int32_t id : {2000, 2008, 2024, 106}) grammar.advance(id);
  EXPECT_TRUE(grammar.at_boundary());
  EXPECT_THROW(grammar.advance(101), InputError) << "no picture is open";
}

TEST(GrammarWalk, APictureNeedsRoom) {
  const SequenceLayout layout = sequences()[2];
  const Grammar grammar(layout);
  const auto begins = [&](std::int64_t room) {
    const auto ranges = grammar.allowed(room);
    return std::any_of(ranges.begin(), ranges.end(), [](const IdRange& range) { return range.contains(100); });
  };
  EXPECT_TRUE(begins(14));
  EXPECT_FALSE(begins(13));
}

}  // namespace
}  // namespace tessera
