// Files that are missing, foreign, cut or damaged: each a named error, none a silent loss.

#include <sndfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "tests/media/files.h"

namespace tessera::media::test {
namespace {

class Faults : public ::testing::Test {
 protected:
  WriteOptions options(int rate = 24000) {
    WriteOptions result;
    result.sample_rate = rate;
    return result;
  }
  Folder folder_;
};

TEST_F(Faults, WhatCannotBeOpened) {
  EXPECT_EQ(fault_of(folder_ / "none.wav").reason, "unreadable");
  EXPECT_EQ(fault_of(folder_ / "none.wav").message, (folder_ / "none.wav") + ": No such file or directory");
  EXPECT_EQ(fault_of(folder_ / "").reason, "unreadable");
  put_bytes(folder_ / "file", "x");
  EXPECT_EQ(fault_of(folder_ / "file/a.wav").reason, "unreadable");
}

TEST_F(Faults, NoPermission) {
  const std::string folder = folder_ / "";
  ::chmod(folder.c_str(), 0755);
  write(folder_ / "a.wav", tones(100, 1), options());
  ::chmod((folder_ / "a.wav").c_str(), 0);
  const bool was_root = ::geteuid() == 0;
  if (was_root) {
    ASSERT_EQ(::seteuid(65534), 0);
  }
  const Fault found = fault_of(folder_ / "a.wav");
  if (was_root) {
    ASSERT_EQ(::seteuid(0), 0);
  }
  EXPECT_EQ(found.reason, "unreadable");
  EXPECT_EQ(found.message, (folder_ / "a.wav") + ": Permission denied");
}

TEST_F(Faults, WhatIsNoMedia) {
  std::string text;
  for (int i = 0; i < 300; ++i) text += "This line is text, whatever its file is called.\n";
  for (const char* name : {"a.wav", "a.mp3", "a.flac", "a.raw", "a.m4a"}) {
    put_bytes(folder_ / name, text);
    EXPECT_EQ(fault_of(folder_ / name).reason, "unknown_format") << name;
  }
  put_bytes(folder_ / "zeros.wav", std::string(10000, '\0'));
  EXPECT_EQ(fault_of(folder_ / "zeros.wav").reason, "unknown_format");
  put_bytes(folder_ / "one.wav", "x");
  EXPECT_EQ(fault_of(folder_ / "one.wav").reason, "unknown_format");
  put_bytes(folder_ / "nothing.wav", "");
  EXPECT_EQ(fault_of(folder_ / "nothing.wav").reason, "empty_media");
}

TEST_F(Faults, PlaylistsOpenNothingElse) {
  write(folder_ / "secret.wav", tones(1000, 1), options());
  put_bytes(folder_ / "a.m3u8",
            "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n" + (folder_ / "secret.wav") + "\n#EXT-X-ENDLIST\n");
  put_bytes(folder_ / "a.txt", "ffconcat version 1.0\nfile 'secret.wav'\n");
  EXPECT_NE(fault_of(folder_ / "a.m3u8").reason, "");
  EXPECT_NE(fault_of(folder_ / "a.txt").reason, "");
}

TEST_F(Faults, ContentCountsNotTheExtension) {
  const Samples samples = on_s16_grid(tones(1000, 1));
  write(folder_ / "a.flac", samples, options());
  for (const char* name : {"a.wav", "a.mp3", "a.raw", "a.txt", "a"}) {
    put_bytes(folder_ / name, bytes_of(folder_ / "a.flac"));
    EXPECT_EQ(read(folder_ / name).samples, samples) << name;
  }
}

/// Cuts a file at many places: each cut must be noticed, and must pass with a warning when it is allowed and anything
/// can be decoded.
void cut_everywhere(const Folder& folder, const std::string& whole_path, std::size_t header_bytes) {
  const std::string whole = bytes_of(whole_path);
  const std::size_t frames = read(whole_path).samples.size();
  const std::string path = folder / "cut";
  for (std::size_t cut = header_bytes; cut < whole.size(); cut += 1 + whole.size() / 61) {
    put_bytes(path, whole.substr(0, cut));
    const Fault found = fault_of(path);
    EXPECT_TRUE(found.reason == "truncated_media" || found.reason == "corrupt_media")
        << whole_path << " cut at " << cut << " of " << whole.size() << ": " << found.reason;
    EXPECT_EQ(found.message.rfind(path + ": ", 0), 0U) << found.message;
    ReadOptions allow;
    allow.allow_truncated = true;
    if (fault_of(path, allow).reason.empty()) {
      const Sound rest = read(path, allow);
      EXPECT_LE(rest.samples.size(), frames);
      EXPECT_EQ(rest.warning.rfind(path + ": truncated", 0), 0U) << rest.warning;
    }
  }
  put_bytes(path, whole.substr(0, whole.size() - 1));
  EXPECT_EQ(fault_of(path).reason, "truncated_media") << whole_path;
}

TEST_F(Faults, CutFlac) {
  write(folder_ / "a.flac", tones(30000, 1), options());
  cut_everywhere(folder_, folder_ / "a.flac", 100);
}

TEST_F(Faults, CutOpusAndVorbis) {
  write(folder_ / "a.opus", tones(100000, 1), options());
  cut_everywhere(folder_, folder_ / "a.opus", 30);
  write_sndfile(folder_ / "v.ogg", SF_FORMAT_OGG | SF_FORMAT_VORBIS, tones(100000, 1), 24000, 1);
  cut_everywhere(folder_, folder_ / "v.ogg", 30);
}

TEST_F(Faults, CutMp3) {
  write(folder_ / "a.mp3", tones(50000, 1), options());
  cut_everywhere(folder_, folder_ / "a.mp3", 1000);
}

TEST_F(Faults, CutUncompressed) {
  const Samples samples = tones(3000, 1);
  for (const int format : {SF_FORMAT_AIFF, SF_FORMAT_AU, SF_FORMAT_W64, SF_FORMAT_RF64, SF_FORMAT_CAF}) {
    write_sndfile(folder_ / "a", format | SF_FORMAT_PCM_16, samples, 24000, 1);
    const std::size_t header = bytes_of(folder_ / "a").size() - samples.size() * 2;
    cut_everywhere(folder_, folder_ / "a", header + 1);
  }
}

TEST_F(Faults, MessagesSayWhereTheSoundEnds) {
  write(folder_ / "c.mp3", tones(240000, 1), options());
  const std::string bytes = bytes_of(folder_ / "c.mp3");
  put_bytes(folder_ / "c.mp3", bytes.substr(0, bytes.size() / 2 + 3));
  const std::string message = fault_of(folder_ / "c.mp3").message;
  EXPECT_EQ(message.rfind((folder_ / "c.mp3") + ": truncated MPEG frame at ", 0), 0U) << message;
  EXPECT_EQ(message.substr(message.size() - 2), " s");
}

TEST_F(Faults, OneBitOfDamageIsNoticedWhereverFramesHaveChecksums) {
  for (const char* name : {"a.flac", "a.opus"}) {
    write(folder_ / name, tones(50000, 1), options());
    const std::string whole = bytes_of(folder_ / name);
    for (std::size_t at = whole.size() / 9; at < whole.size(); at += whole.size() / 9) {
      std::string bytes = whole;
      bytes[at] = static_cast<char>(bytes[at] ^ 0x10);
      put_bytes(folder_ / name, bytes);
      const Fault found = fault_of(folder_ / name);
      EXPECT_TRUE(found.reason == "corrupt_media" || found.reason == "truncated_media") << name << " at " << at;
    }
  }
}

TEST_F(Faults, AMissingOggPageIsNoticed) {
  write(folder_ / "a.opus", tones(100000, 1), options());
  const std::string bytes = bytes_of(folder_ / "a.opus");
  const std::size_t third = bytes.find("OggS", bytes.find("OggS", 40) + 1);
  const std::size_t fourth = bytes.find("OggS", third + 1);
  ASSERT_NE(fourth, std::string::npos);
  put_bytes(folder_ / "a.opus", bytes.substr(0, third) + bytes.substr(fourth));
  EXPECT_EQ(fault_of(folder_ / "a.opus").reason, "corrupt_media");
}

TEST_F(Faults, JunkInsideMp3IsDamageAndBehindItIsNot) {
  write(folder_ / "a.mp3", tones(50000, 1), options());
  const std::string bytes = bytes_of(folder_ / "a.mp3");
  const Samples samples = read(folder_ / "a.mp3").samples;
  put_bytes(folder_ / "b.mp3", bytes + std::string(1000, '\0'));
  const Samples padded = read(folder_ / "b.mp3").samples;
  ASSERT_GE(padded.size(), samples.size());  // a file of another size than its header says is not trimmed at its end
  EXPECT_TRUE(std::equal(samples.begin(), samples.end(), padded.begin()));
  put_bytes(folder_ / "b.mp3", bytes + "TAG" + std::string(125, ' '));
  EXPECT_EQ(read(folder_ / "b.mp3").samples, samples);
  put_bytes(folder_ / "b.mp3", bytes.substr(0, 3000) + std::string(500, 'j') + bytes.substr(3000));
  EXPECT_EQ(fault_of(folder_ / "b.mp3").reason, "corrupt_media");
}

TEST_F(Faults, RandomDamageNeverCrashes) {
  std::uint32_t state = 1;
  const auto next = [&state] { return state = state * 1664525 + 1013904223; };
  write_sndfile(folder_ / "a.aiff", SF_FORMAT_AIFF | SF_FORMAT_PCM_16, tones(2000, 1), 24000, 1);
  for (const char* name : {"a.wav", "a.flac", "a.opus", "a.mp3", "a.aiff"}) {
    if (std::string(name) != "a.aiff") write(folder_ / name, tones(2000, 1), options());
    const std::string whole = bytes_of(folder_ / name);
    for (int round = 0; round < 40; ++round) {
      std::string bytes = whole;
      for (int hit = 0; hit < 3; ++hit) {
        bytes[(next() >> 8) % std::min<std::size_t>(bytes.size(), round % 2 != 0 ? 100 : bytes.size())] =
            static_cast<char>(next() >> 24);
      }
      put_bytes(folder_ / "damaged", bytes);
      static_cast<void>(fault_of(folder_ / "damaged"));
    }
  }
}

}  // namespace
}  // namespace tessera::media::test
