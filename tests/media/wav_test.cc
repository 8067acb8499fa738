// WAV byte by byte: what each sample format becomes, and every kind of header in the wild.

#include <cmath>
#include <cstring>
#include <limits>

#include "tests/media/files.h"

namespace tessera::media::test {
namespace {

constexpr int kPcm = 1, kFloat = 3, kALaw = 6;

std::string chunk(const std::string& id, const std::string& body) {
  return id + little(body.size(), 4) + body + std::string(body.size() % 2, '\0');
}

std::string format(int tag, int channels, int rate, int sample_bytes) {
  return chunk("fmt ", little(static_cast<std::uint64_t>(tag), 2) + little(static_cast<std::uint64_t>(channels), 2) +
                           little(static_cast<std::uint64_t>(rate), 4) +
                           little(static_cast<std::uint64_t>(rate * channels * sample_bytes), 4) +
                           little(static_cast<std::uint64_t>(channels * sample_bytes), 2) +
                           little(static_cast<std::uint64_t>(8 * sample_bytes), 2));
}

std::string riff(const std::string& chunks) { return "RIFF" + little(4 + chunks.size(), 4) + "WAVE" + chunks; }

std::string floats(const Samples& samples) {
  return {reinterpret_cast<const char*>(samples.data()), samples.size() * sizeof(float)};
}

class Wav : public ::testing::Test {
 protected:
  Sound read_bytes(const std::string& bytes, const ReadOptions& options = {}) {
    put_bytes(path_, bytes);
    return read(path_, options);
  }
  Fault fault(const std::string& bytes, const ReadOptions& options = {}) {
    put_bytes(path_, bytes);
    return fault_of(path_, options);
  }

  Folder folder_;
  std::string path_ = folder_ / "c.wav";
};

TEST_F(Wav, SamplesBecomeTheExactFloats) {
  const auto of = [this](int tag, int bytes, const std::string& data) {
    return read_bytes(riff(format(tag, 1, 8000, bytes) + chunk("data", data))).samples;
  };
  EXPECT_EQ(of(kPcm, 1, {'\0', '\x80', '\x81', '\xFF'}), (Samples{-1, 0, 1 / 128.0F, 127 / 128.0F}));
  EXPECT_EQ(of(kPcm, 2, little(0x8000, 2) + little(1, 2) + little(0x7FFF, 2)),
            (Samples{-1, 1 / 32768.0F, 32767 / 32768.0F}));
  EXPECT_EQ(of(kPcm, 3, little(0x800000, 3) + little(0xFFFFFF, 3) + little(0x7FFFFF, 3)),
            (Samples{-1, -1 / 8388608.0F, 8388607 / 8388608.0F}));
  EXPECT_EQ(of(kPcm, 4, little(0x80000000, 4) + little(1, 4) + little(0x40000000, 4)),
            (Samples{-1, 1 / 2147483648.0F, 0.5F}));
  EXPECT_EQ(of(kFloat, 4, floats({-1.5F, 0.1F, 1e-40F})), (Samples{-1.5F, 0.1F, 1e-40F}));
  const double pair[] = {0.1, -2.0};
  EXPECT_EQ(of(kFloat, 8, {reinterpret_cast<const char*>(pair), sizeof pair}), (Samples{0.1F, -2.0F}));
}

TEST_F(Wav, InfoSaysWhatTheHeaderSays) {
  const Sound sound = read_bytes(riff(format(kPcm, 3, 192000, 3) + chunk("data", std::string(9 * 5, '\1'))));
  EXPECT_EQ(sound.info.container, "wav");
  EXPECT_EQ(sound.info.codec, "pcm_s24");
  EXPECT_EQ(sound.info.sample_rate, 192000);
  EXPECT_EQ(sound.info.channels, 3);
  EXPECT_EQ(sound.info.samples, 5);
  EXPECT_EQ(sound.info.streams, 1);
}

TEST_F(Wav, ChunksAroundTheSamplesArePassedOver) {
  const std::string data = little(16384, 2);
  const std::string bytes =
      riff(chunk("LIST", "odd") + format(kPcm, 1, 8000, 2) + chunk("junk", std::string(70001, 'j')) +
           chunk("data", data) + chunk("id3 ", "behind"));
  EXPECT_EQ(read_bytes(bytes).samples, Samples{0.5F});
}

TEST_F(Wav, ExtensibleAndRf64) {
  std::string body = format(kPcm, 1, 8000, 2).substr(8);
  body.replace(0, 2, little(0xFFFE, 2));
  const std::string guid =
      little(kPcm, 2) + std::string("\x00\x00\x00\x00\x10\x00\x80\x00\x00\xAA\x00\x38\x9B\x71", 14);
  const std::string extensible = chunk("fmt ", body + little(22, 2) + little(16, 2) + little(4, 4) + guid);
  EXPECT_EQ(read_bytes(riff(extensible + chunk("data", little(16384, 2)))).samples, Samples{0.5F});

  const std::string sizes = chunk("ds64", little(1000, 8) + little(4, 8) + little(2, 8) + little(0, 4));
  const std::string rf64 = "RF64" + little(0xFFFFFFFF, 4) + "WAVE" + sizes + format(kPcm, 1, 8000, 2) + "data" +
                           little(0xFFFFFFFF, 4) + little(16384, 2) + little(8192, 2) + "LIST" + little(0, 4);
  EXPECT_EQ(read_bytes(rf64).samples, (Samples{0.5F, 0.25F}));
}

TEST_F(Wav, StreamingSizesMeanToTheEnd) {
  for (const std::uint64_t size : {0x0ULL, 0xFFFFFFFFULL, 0xFFFFFFDBULL, 0x7FFFFFFFULL, 0x7FFFF000ULL, 0x80000000ULL}) {
    const std::string bytes = "RIFF" + little(size, 4) + "WAVE" + format(kPcm, 1, 8000, 2) + "data" + little(size, 4) +
                              little(16384, 2) + little(8192, 2);
    const Sound sound = read_bytes(bytes);
    EXPECT_EQ(sound.samples, (Samples{0.5F, 0.25F})) << size;
    EXPECT_EQ(sound.warning, "") << size;
    PipedInput input(bytes);
    EXPECT_EQ(read("-").samples, (Samples{0.5F, 0.25F})) << size;
  }
}

TEST_F(Wav, AHeaderLeftByAWriterThatDiedIsAStream) {
  const std::string bytes = "RIFF" + little(36, 4) + "WAVE" + format(kPcm, 1, 8000, 2) + "data" + little(0, 4);
  EXPECT_EQ(read_bytes(bytes + little(16384, 2)).samples, Samples{0.5F});
  EXPECT_EQ(fault(bytes).reason, "empty_media");
}

TEST_F(Wav, NoSamplesIsEmptyMedia) {
  EXPECT_EQ(fault(riff(format(kPcm, 1, 8000, 2) + chunk("data", "") + chunk("LIST", "abcd"))).reason, "empty_media");
  EXPECT_EQ(fault("").reason, "empty_media");
  PipedInput input("");
  EXPECT_EQ(fault_of("-").reason, "empty_media");
}

TEST_F(Wav, TruncatedAnywhereIsNoticed) {
  const std::string whole = riff(format(kPcm, 2, 8000, 2) + chunk("data", std::string(4000, '\1')));
  for (std::size_t cut = 13; cut < whole.size(); cut += cut < 60 ? 1 : 211) {
    const Fault found = fault(whole.substr(0, cut));
    EXPECT_EQ(found.reason, "truncated_media") << cut;
    EXPECT_EQ(found.message.rfind(path_ + ": truncated", 0), 0U) << found.message;
  }
  EXPECT_EQ(fault(whole.substr(0, whole.size() - 2400)).message,
            path_ + ": truncated: the sound ends at 0.05 s (400 of 1000 samples)");
}

TEST_F(Wav, TruncatedPipeIsNoticedToo) {
  const std::string whole = riff(format(kPcm, 1, 8000, 2) + chunk("data", std::string(4000, '\1')));
  PipedInput input(whole.substr(0, 3000));
  EXPECT_EQ(fault_of("-").reason, "truncated_media");
}

TEST_F(Wav, TruncationCanBeAllowed) {
  ReadOptions options;
  options.allow_truncated = true;
  const std::string whole = riff(format(kPcm, 1, 8000, 2) + chunk("data", std::string(4000, '\1')));
  const Sound sound = read_bytes(whole.substr(0, 44 + 801), options);
  EXPECT_EQ(sound.samples.size(), 400U);
  EXPECT_EQ(sound.warning, path_ + ": truncated: the sound ends at 0.05 s (400 of 2000 samples)");
  PipedInput input(whole.substr(0, 44 + 801));
  const Sound piped = read("-", options);
  EXPECT_EQ(piped.samples, sound.samples);
  EXPECT_NE(piped.warning, "");
}

TEST_F(Wav, AStartBehindTheEndSaysWhereTheSoundEnds) {
  ReadOptions options;
  options.allow_truncated = true;
  const std::string cut = riff(format(kPcm, 1, 8000, 2) + chunk("data", std::string(4000, '\1'))).substr(0, 44 + 801);
  const std::string end = " s on: the sound ends at 0.05 s";
  for (const double start : {0.1, 1e18}) {
    options.start = start;
    const std::string of_file = fault(cut, options).message;
    EXPECT_NE(of_file.find(end), std::string::npos) << of_file;
    PipedInput input(cut);
    const std::string of_pipe = fault_of("-", options).message;
    EXPECT_NE(of_pipe.find(end), std::string::npos) << of_pipe;
  }
}

TEST_F(Wav, HalfASampleAtTheEndOfAStreamIsTruncated) {
  const std::string bytes = "RIFF" + little(0, 4) + "WAVE" + format(kPcm, 1, 8000, 2) + "data" + little(0, 4) + "abc";
  EXPECT_EQ(fault(bytes).reason, "truncated_media");
}

TEST_F(Wav, NaNAndInfinityAreNamedWithTheirPlace) {
  Samples samples = tones(2000, 2);
  samples[2 * 1234 + 1] = std::numeric_limits<float>::quiet_NaN();
  const auto with = [](const Samples& data) { return riff(format(kFloat, 2, 8000, 4) + chunk("data", floats(data))); };
  Fault found = fault(with(samples));
  EXPECT_EQ(found.reason, "bad_sample");
  EXPECT_EQ(found.message, path_ + ": NaN at sample 1234 (0.154 s), channel 1");
  samples[2 * 7] = -INFINITY;
  EXPECT_EQ(fault(with(samples)).message, path_ + ": infinity at sample 7 (0.001 s), channel 0");
  ReadOptions behind;
  behind.start = 1235 / 8000.0;
  EXPECT_EQ(read_bytes(with(samples), behind).samples.size(), 2U * 765);
}

TEST_F(Wav, NonsenseInTheHeaderIsCorrupt) {
  const std::string data = chunk("data", "abcd");
  EXPECT_EQ(fault(riff(data)).reason, "corrupt_media");
  EXPECT_EQ(fault(riff(chunk("fmt ", "short") + data)).reason, "corrupt_media");
  EXPECT_EQ(fault(riff(format(kPcm, 0, 8000, 2) + data)).reason, "corrupt_media");
  EXPECT_EQ(fault(riff(format(kPcm, 1, 0, 2) + data)).reason, "corrupt_media");
}

TEST_F(Wav, OtherCodecsGoToTheLibraries) {
  const Sound sound = read_bytes(riff(format(kALaw, 1, 8000, 1) + chunk("data", std::string(100, '\xD5'))));
  EXPECT_EQ(sound.info.codec, "alaw");
  EXPECT_EQ(sound.samples, Samples(100, 8 / 32768.0F));
  PipedInput input(bytes_of(path_));
  EXPECT_EQ(read("-").samples, sound.samples);
}

TEST_F(Wav, HugeClaimsCostNoMemory) {
  const std::string bytes = "RF64" + little(0xFFFFFFFF, 4) + "WAVE" +
                            chunk("ds64", little(~0ULL, 8) + little(1ULL << 61, 8) + little(0, 8) + little(0, 4)) +
                            format(kPcm, 65535, 8000, 1) + "data" + little(0xFFFFFFFF, 4) + "abcd";
  EXPECT_EQ(fault(bytes).reason, "truncated_media");
}

}  // namespace
}  // namespace tessera::media::test
