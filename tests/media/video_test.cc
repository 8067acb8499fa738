// Frames of videos that the ffmpeg program makes of known pictures, without loss.

#include "media/video.h"

#include "tests/media/files.h"
#include "tests/media/image_goldens.h"

namespace tessera::media::test {
namespace {

constexpr int kRows = 18;
constexpr int kColumns = 34;
constexpr int kFrames = 10;

/// Each frame another part of the pattern.
Image frame_image(int index) {
  const Image all = pattern(kRows + kFrames, kColumns);
  Image image(kRows, kColumns);
  std::copy(all.row(index), all.row(index) + image.pixels.size(), image.pixels.begin());
  return image;
}

std::string raw_frames() {
  std::string bytes;
  for (int i = 0; i < kFrames; ++i) {
    const Image image = frame_image(i);
    bytes.append(image.pixels.begin(), image.pixels.end());
  }
  return bytes;
}

class Video : public testing::Test {
 protected:
  /// Ten frames at 5 a second.
  bool make(const std::string& name, const std::string& options) {
    put_bytes(folder_ / "raw", raw_frames());
    return ffmpeg("-f rawvideo -pix_fmt rgb24 -s 34x18 -r 5 -i " + folder_ / "raw" + " " + options + " " +
                  (folder_ / name));
  }

  std::vector<VideoFrame> read(const std::string& name, const VideoReadOptions& options = {}) {
    const auto reader = open_video(folder_ / name, options);
    std::vector<VideoFrame> frames;
    for (VideoFrame frame; reader->read(frame);) frames.push_back(frame);
    return frames;
  }

  std::string reason(const std::string& name, const VideoReadOptions& options = {}) {
    try {
      (void)read(name, options);
    } catch (const InputError& error) {
      return error.reason();
    }
    return {};
  }

  Folder folder_;
};

TEST_F(Video, EveryFrameWithoutLoss) {
  if (!make("a.mkv", "-c:v ffv1 -pix_fmt bgr0")) GTEST_SKIP() << "no ffmpeg program";
  const std::vector<VideoFrame> frames = read("a.mkv");
  ASSERT_EQ(frames.size(), std::size_t{kFrames});
  for (int i = 0; i < kFrames; ++i) {
    EXPECT_EQ(frames[static_cast<std::size_t>(i)].image.pixels, frame_image(i).pixels) << i;
    EXPECT_NEAR(frames[static_cast<std::size_t>(i)].time, i * 0.2, 1e-3);
  }
}

TEST_F(Video, FramesByTheClock) {
  if (!make("a.mkv", "-c:v ffv1 -pix_fmt bgr0")) GTEST_SKIP() << "no ffmpeg program";
  VideoReadOptions options;
  options.fps = 2;  // at 0, 0.5, 1 and 1.5 s; the video ends at 2 s
  const std::vector<VideoFrame> slow = read("a.mkv", options);
  ASSERT_EQ(slow.size(), 4U);
  for (int i = 0; i < 4; ++i) {
    const int shown = i * 5 / 2;
    EXPECT_EQ(slow[static_cast<std::size_t>(i)].image.pixels, frame_image(shown).pixels) << i;
  }
  options.fps = 10;  // each frame twice
  options.start = 0.4;
  options.duration = 0.6;
  const std::vector<VideoFrame> fast = read("a.mkv", options);
  ASSERT_EQ(fast.size(), 6U);
  for (int i = 0; i < 6; ++i) {
    EXPECT_EQ(fast[static_cast<std::size_t>(i)].image.pixels, frame_image(2 + i / 2).pixels) << i;
    EXPECT_NEAR(fast[static_cast<std::size_t>(i)].time, 0.4 + i * 0.1, 1e-9);
  }
}

TEST_F(Video, StartAndDurationWithoutAClock) {
  if (!make("a.mkv", "-c:v ffv1 -pix_fmt bgr0")) GTEST_SKIP() << "no ffmpeg program";
  VideoReadOptions options;
  options.start = 0.6;
  options.duration = 0.4;
  const std::vector<VideoFrame> frames = read("a.mkv", options);
  ASSERT_EQ(frames.size(), 2U);
  EXPECT_EQ(frames[0].image.pixels, frame_image(3).pixels);
  EXPECT_EQ(frames[1].image.pixels, frame_image(4).pixels);
}

TEST_F(Video, ColoursEqualTheProgramsBitExactConversion) {
  const std::string flags = "-sws_flags bicubic+accurate_rnd+bitexact+full_chroma_int+full_chroma_inp";
  for (const std::string matrix : {"bt709", "smpte170m"}) {
    if (!make("a.mkv", "-c:v ffv1 -pix_fmt yuv420p -colorspace " + matrix)) GTEST_SKIP() << "no ffmpeg program";
    ASSERT_TRUE(ffmpeg("-i " + folder_ / "a.mkv" + " " + flags + " -f rawvideo -pix_fmt rgb24 " + folder_ / "rgb"));
    const std::string expected = bytes_of(folder_ / "rgb");
    std::string got;
    for (const VideoFrame& frame : read("a.mkv")) got.append(frame.image.pixels.begin(), frame.image.pixels.end());
    EXPECT_TRUE(got == expected) << matrix;
  }
}

TEST_F(Video, FaultsAreNamed) {
  if (!make("a.mkv", "-c:v ffv1 -pix_fmt bgr0")) GTEST_SKIP() << "no ffmpeg program";
  VideoReadOptions options;
  options.max_pixels = 100;
  EXPECT_EQ(reason("a.mkv", options), "too_large");
  put_bytes(folder_ / "text", "it is no video at all");
  EXPECT_EQ(reason("text"), "unknown_format");
  EXPECT_EQ(reason("absent"), "unreadable");
  ASSERT_TRUE(make("a.mkv", "-c:v ffv1 -level 3 -slicecrc 1 -pix_fmt bgr0"));
  std::string bytes = bytes_of(folder_ / "a.mkv");
  for (std::size_t i = bytes.size() / 2; i < bytes.size() / 2 + 60; ++i) bytes[i] = '\x11';
  put_bytes(folder_ / "bad.mkv", bytes);
  EXPECT_EQ(reason("bad.mkv"), "corrupt_media");
  ASSERT_TRUE(ffmpeg("-f lavfi -i sine=d=0.1 " + folder_ / "a.wav"));
  EXPECT_EQ(reason("a.wav"), "no_video");
  options.max_pixels = 0;
  EXPECT_THROW((void)open_video(folder_ / "a.mkv", options), ArgumentError);
  options.max_pixels = 1000;
  options.start = -1;
  EXPECT_THROW((void)open_video(folder_ / "a.mkv", options), ArgumentError);
}

}  // namespace
}  // namespace tessera::media::test
