// What only FFmpeg reads; the files are made by the ffmpeg program and the tests are skipped without it.

#include "tests/media/files.h"

namespace tessera::media::test {
namespace {

class Ffmpeg : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!ffmpeg("-version >/dev/null")) GTEST_SKIP() << "no ffmpeg program";
    WriteOptions options;
    options.sample_rate = 24000;
    options.channels = 2;
    write(folder_ / "a.wav", samples_, options);
  }
  /// The sound as `name`, with further arguments.
  std::string make(const std::string& name, const std::string& arguments = "") {
    const std::string path = folder_ / name;
    EXPECT_TRUE(ffmpeg("-i " + (folder_ / "a.wav") + " " + arguments + " " + path)) << name;
    return path;
  }
  static std::string picture() { return " -f lavfi -i testsrc=duration=2:size=64x64:rate=10 "; }

  Folder folder_;
  Samples samples_ = on_s16_grid(tones(48000, 2, 0.02));
};

TEST_F(Ffmpeg, LosslessFormats) {
  for (const char* name : {"a.wv", "a.tta", "alac.m4a", "a.nut"}) {
    const std::string codec = std::string(name) == "alac.m4a" ? "-c:a alac"
                              : std::string(name) == "a.nut"  ? "-c:a flac"
                                                              : "";
    const Sound sound = read(make(name, codec));
    EXPECT_EQ(sound.samples, samples_) << name;
    EXPECT_EQ(sound.info.sample_rate, 24000);
  }
}

TEST_F(Ffmpeg, LossyFormatsAreInTime) {
  for (const char* name : {"a.m4a", "a.aac", "a.mka", "a.mp2"}) {
    const Sound sound = read(make(name));
    EXPECT_GE(sound.samples.size(), samples_.size()) << name;
    EXPECT_LE(sound.samples.size(), samples_.size() + 2 * 2 * 2048) << name;
    EXPECT_EQ(sound.info.channels, 2);
  }
  EXPECT_GT(signal_to_noise(samples_, read(folder_ / "a.m4a").samples), 15);
  EXPECT_EQ(read(folder_ / "a.m4a").info.codec, "aac");
}

TEST_F(Ffmpeg, StartAndDurationEqualTheSameSamplesOfTheWhole) {
  for (const char* name : {"a.m4a", "a.mka"}) {
    const Samples whole = read(make(name)).samples;
    ReadOptions options;
    options.start = 0.7001;
    options.duration = 0.3;
    const Samples part = read(folder_ / name, options, 100).samples;
    EXPECT_EQ(part, Samples(whole.begin() + 2 * 16802, whole.begin() + 2 * (16802 + 7200))) << name;
  }
}

TEST_F(Ffmpeg, TheSoundOfAVideo) {
  for (const char* name : {"a.mp4", "a.mov", "a.mkv", "a.avi"}) {
    const std::string path = folder_ / name;
    ASSERT_TRUE(ffmpeg(picture() + "-i " + (folder_ / "a.wav") + " " + path)) << name;
    EXPECT_GE(read(path).samples.size(), samples_.size()) << name;
  }
}

TEST_F(Ffmpeg, AVideoWithoutSound) {
  ASSERT_TRUE(ffmpeg(picture() + (folder_ / "mute.mp4")));
  EXPECT_EQ(fault_of(folder_ / "mute.mp4").reason, "no_audio");
  EXPECT_EQ(fault_of(folder_ / "mute.mp4").message, (folder_ / "mute.mp4") + ": the file has no sound");
}

TEST_F(Ffmpeg, StreamsAreChosenByNumber) {
  ASSERT_TRUE(ffmpeg("-i " + (folder_ / "a.wav") +
                     " -filter_complex '[0:a]asplit=2[x][y];[y]aresample=8000,pan=mono|c0=c0[z]'" +
                     " -map '[x]' -map '[z]' -c:a flac " + (folder_ / "two.mka")));
  ReadOptions second;
  second.stream = 1;
  const Sound sound = read(folder_ / "two.mka", second);
  EXPECT_EQ(sound.info.sample_rate, 8000);
  EXPECT_EQ(sound.info.stream, 1);
  EXPECT_EQ(sound.info.streams, 2);
  EXPECT_EQ(read(folder_ / "two.mka").info.sample_rate, 24000);
  second.stream = 2;
  EXPECT_EQ(fault_of(folder_ / "two.mka", second).reason, "no_audio");
}

TEST_F(Ffmpeg, TagsAreRead) {
  make("a.m4a", "-metadata title=Tessera");
  const AudioInfo info = probe_audio(folder_ / "a.m4a");
  bool found = false;
  for (const auto& [key, value] : info.tags) found |= key == "title" && value == "Tessera";
  EXPECT_TRUE(found);
  EXPECT_NEAR(info.seconds, 2.0, 0.1);
}

TEST_F(Ffmpeg, PipesGiveTheSameSamplesAsFiles) {
  for (const char* name : {"a.m4a", "a.mka", "a.aac"}) {
    const Samples whole = read(make(name)).samples;
    PipedInput input(bytes_of(folder_ / name));
    EXPECT_EQ(read("-").samples, whole) << name;
  }
}

TEST_F(Ffmpeg, CutFilesAreNoticed) {
  for (const char* name : {"a.m4a", "fast.m4a", "a.mka", "a.aac", "a.wma", "a.ac3"}) {
    const std::string whole = bytes_of(make(name, std::string(name) == "fast.m4a" ? "-movflags +faststart" : ""));
    for (int part = 1; part < 12; ++part) {
      put_bytes(folder_ / "cut", whole.substr(0, whole.size() * static_cast<std::size_t>(part) / 12 - 7));
      const std::string found = fault_of(folder_ / "cut").reason;
      EXPECT_TRUE(found == "truncated_media" || found == "corrupt_media") << name << ' ' << part << ' ' << found;
    }
  }
}

TEST_F(Ffmpeg, ACutAtAFrameBoundaryIsNoticedByTheHeadersCount) {
  const std::string whole = bytes_of(make("a.mp3", "-c:a libmp3lame -b:a 64k"));
  std::size_t at = whole.find("\xFF\xF3");
  ASSERT_NE(at, std::string::npos);
  while (whole.find("\xFF\xF3", at + 4) < whole.size() * 2 / 3) at = whole.find("\xFF\xF3", at + 4);
  put_bytes(folder_ / "cut", whole.substr(0, at));
  EXPECT_EQ(fault_of(folder_ / "cut").reason, "truncated_media");
}

TEST_F(Ffmpeg, DamageInTheMiddleIsNamedWithItsTime) {
  std::string bytes = bytes_of(make("a.aac"));
  for (std::size_t i = bytes.size() / 2; i < bytes.size() / 2 + 300; ++i) bytes[i] = '\0';
  put_bytes(folder_ / "a.aac", bytes);
  const Fault found = fault_of(folder_ / "a.aac");
  EXPECT_EQ(found.reason, "corrupt_media");
  EXPECT_NE(found.message.find(" s"), std::string::npos) << found.message;
}

}  // namespace
}  // namespace tessera::media::test
