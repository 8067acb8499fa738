// Every format there and back, and start and duration against the whole.

#include <sndfile.h>

#include <cmath>
#include <map>

#include "media/channels.h"
#include "tests/media/files.h"

namespace tessera::media::test {
namespace {

class Formats : public ::testing::Test {
 protected:
  Folder folder_;
};

WriteOptions options_of(int rate, int channels, SampleFormat format = SampleFormat::s16) {
  WriteOptions options;
  options.sample_rate = rate;
  options.channels = channels;
  options.sample_format = format;
  return options;
}

TEST_F(Formats, LosslessRoundTrips) {
  for (const int channels : {1, 2, 8}) {
    for (const int rate : {8000, 24000, 44100, 192000}) {
      const Samples samples = on_s16_grid(tones(5000, channels));
      for (const char* name : {"a.wav", "a.flac"}) {
        write(folder_ / name, samples, options_of(rate, channels));
        const Sound back = read(folder_ / name);
        EXPECT_EQ(back.samples, samples) << name << ' ' << channels << ' ' << rate;
        EXPECT_EQ(back.info.sample_rate, rate);
        EXPECT_EQ(back.info.channels, channels);
        EXPECT_EQ(back.info.samples, 5000);
      }
    }
  }
}

TEST_F(Formats, FloatWavKeepsEveryBit) {
  Samples samples = tones(3000, 2);
  samples[5] = 3.5F;
  write(folder_ / "a.wav", samples, options_of(24000, 2, SampleFormat::f32));
  EXPECT_EQ(read(folder_ / "a.wav").samples, samples);
}

TEST_F(Formats, OpusRoundTripsAtItsRates) {
  for (const int rate : {8000, 12000, 16000, 24000, 48000}) {
    const Samples samples = tones(rate + 77, 1, 0.02);
    for (const char* name : {"a.opus", "a.ogg"}) {
      write(folder_ / name, samples, options_of(rate, 1));
      const Sound back = read(folder_ / name);
      EXPECT_EQ(back.info.codec, "opus");
      EXPECT_EQ(back.info.sample_rate, rate);
      EXPECT_EQ(back.samples.size(), samples.size()) << rate;
      EXPECT_GT(signal_to_noise(samples, back.samples), 10) << rate;
    }
  }
}

TEST_F(Formats, Mp3RoundTripsWithoutItsEncodersDelay) {
  for (const int rate : {8000, 16000, 24000, 44100, 48000}) {
    const Samples samples = tones(rate, 2, 0.02);
    write(folder_ / "a.mp3", samples, options_of(rate, 2));
    const Sound back = read(folder_ / "a.mp3");
    EXPECT_EQ(back.info.codec, "mp3");
    EXPECT_EQ(back.info.sample_rate, rate);
    EXPECT_EQ(back.samples.size(), samples.size()) << rate;
    EXPECT_GT(signal_to_noise(samples, back.samples), 15) << rate;
  }
}

TEST_F(Formats, LibsndfilesFormats) {
  const Samples samples = on_s16_grid(tones(4000, 2));
  const std::map<std::string, int> formats = {
      {"aiff", SF_FORMAT_AIFF | SF_FORMAT_PCM_16}, {"au", SF_FORMAT_AU | SF_FORMAT_PCM_16},
      {"caf", SF_FORMAT_CAF | SF_FORMAT_PCM_24},   {"w64", SF_FORMAT_W64 | SF_FORMAT_PCM_16},
      {"aifc", SF_FORMAT_AIFF | SF_FORMAT_FLOAT},  {"rifx", SF_FORMAT_WAV | SF_FORMAT_PCM_16 | SF_ENDIAN_BIG},
      {"flac", SF_FORMAT_FLAC | SF_FORMAT_PCM_24}, {"sph", SF_FORMAT_NIST | SF_FORMAT_PCM_16},
      {"alac", SF_FORMAT_CAF | SF_FORMAT_ALAC_16}, {"rf64", SF_FORMAT_RF64 | SF_FORMAT_PCM_16},
  };
  for (const auto& [name, format] : formats) {
    const std::string path = folder_ / ("misnamed-" + name + ".mp3");
    write_sndfile(path, format, samples, 16000, 2);
    EXPECT_EQ(read(path).samples, samples) << name;
  }
}

TEST_F(Formats, LossyFormatsOfLibsndfile) {
  const Samples samples = tones(20000, 1);
  const std::map<std::string, int> formats = {{"vorbis.ogg", SF_FORMAT_OGG | SF_FORMAT_VORBIS},
                                              {"ulaw.au", SF_FORMAT_AU | SF_FORMAT_ULAW},
                                              {"ima.wav", SF_FORMAT_WAV | SF_FORMAT_IMA_ADPCM},
                                              {"gsm.wav", SF_FORMAT_WAV | SF_FORMAT_GSM610}};
  for (const auto& [name, format] : formats) {
    write_sndfile(folder_ / name, format, samples, 16000, 1);
    EXPECT_GT(signal_to_noise(samples, read(folder_ / name).samples), 8) << name;
  }
}

TEST_F(Formats, StartAndDurationEqualTheSameSamplesOfTheWhole) {
  const int rate = 24000;
  const Samples samples = tones(30011, 2, 0.02);
  for (const char* name : {"a.wav", "a.flac", "a.opus", "a.mp3"}) write(folder_ / name, samples, options_of(rate, 2));
  write_sndfile(folder_ / "a.aiff", SF_FORMAT_AIFF | SF_FORMAT_PCM_16, samples, rate, 2);
  write_sndfile(folder_ / "v.ogg", SF_FORMAT_OGG | SF_FORMAT_VORBIS, samples, rate, 2);
  for (const char* name : {"a.wav", "a.flac", "a.opus", "a.mp3", "a.aiff", "v.ogg"}) {
    const Samples whole = read(folder_ / name).samples;
    for (const double start : {0.0, 0.00004, 0.1, 0.333333, 1.0, 1.25}) {
      for (const double duration : {0.00005, 0.01, 0.5, 9.0}) {
        ReadOptions options;
        options.start = start;
        options.duration = duration;
        const auto first = static_cast<std::size_t>(std::llround(start * rate)) * 2;
        const auto count = static_cast<std::size_t>(std::llround(duration * rate)) * 2;
        const Samples expected(whole.begin() + static_cast<std::ptrdiff_t>(first),
                               whole.begin() + static_cast<std::ptrdiff_t>(std::min(whole.size(), first + count)));
        EXPECT_EQ(read(folder_ / name, options, 777).samples, expected) << name << ' ' << start << ' ' << duration;
      }
    }
  }
}

TEST_F(Formats, TheSizeOfTheBlocksDoesNotMatter) {
  const Samples samples = tones(9000, 2, 0.02);
  for (const char* name : {"a.wav", "a.flac", "a.opus", "a.mp3"}) {
    write(folder_ / name, samples, options_of(24000, 2));
    const Samples whole = read(folder_ / name, {}, 1 << 30).samples;
    EXPECT_EQ(read(folder_ / name, {}, 1).samples, whole) << name;
    EXPECT_EQ(read(folder_ / name, {}, 4096).samples, whole) << name;
  }
}

TEST_F(Formats, AStartBehindTheEndIsEmptyMedia) {
  const Samples samples = tones(8000, 1);
  for (const char* name : {"a.wav", "a.flac", "a.opus", "a.mp3"}) {
    write(folder_ / name, samples, options_of(8000, 1));
    for (const double start : {1.0, 1.5}) {
      ReadOptions options;
      options.start = start;
      EXPECT_EQ(fault_of(folder_ / name, options).reason, "empty_media") << name << ' ' << start;
    }
  }
}

TEST_F(Formats, OptionsThatMakeNoSenseAreArguments) {
  write(folder_ / "a.wav", tones(100, 1), options_of(8000, 1));
  for (const double bad : {-1.0, static_cast<double>(NAN), static_cast<double>(INFINITY)}) {
    ReadOptions options;
    options.start = bad;
    EXPECT_THROW(static_cast<void>(open_audio(folder_ / "a.wav", options)), ArgumentError) << bad;
  }
  ReadOptions options;
  options.duration = 0.0;
  EXPECT_THROW(static_cast<void>(open_audio(folder_ / "a.wav", options)), ArgumentError);
  ReadOptions stream;
  stream.stream = 1;
  EXPECT_EQ(fault_of(folder_ / "a.wav", stream).reason, "no_audio");
}

TEST_F(Formats, PipesGiveTheSameSamplesAsFiles) {
  const Samples samples = tones(30000, 1, 0.02);
  write_sndfile(folder_ / "a.aiff", SF_FORMAT_AIFF | SF_FORMAT_PCM_16, samples, 24000, 1);
  for (const char* name : {"a.wav", "a.flac", "a.opus", "a.mp3", "a.aiff"}) {
    if (std::string(name) != "a.aiff") write(folder_ / name, samples, options_of(24000, 1));
    const Sound file = read(folder_ / name);
    PipedInput input(bytes_of(folder_ / name));
    const Sound piped = read("-");
    EXPECT_EQ(piped.samples, file.samples) << name;
    EXPECT_EQ(piped.info.codec, file.info.codec);
  }
}

TEST_F(Formats, APipeCanBeStartedInTheMiddle) {
  const Samples samples = on_s16_grid(tones(3000000, 1));
  write(folder_ / "a.wav", samples, options_of(24000, 1));
  PipedInput input(bytes_of(folder_ / "a.wav"));
  ReadOptions options;
  options.start = 100;
  options.duration = 1;
  EXPECT_EQ(read("-", options).samples, Samples(samples.begin() + 2400000, samples.begin() + 2424000));
}

TEST_F(Formats, RawPcm) {
  const Samples samples = {0.5F, -0.25F, 0.125F, 0};
  std::string s16;
  for (const float x : samples) s16 += little(static_cast<std::uint16_t>(static_cast<std::int16_t>(x * 32768)), 2);
  put_bytes(folder_ / "a.raw", s16);
  RawFormat format;
  format.sample_rate = 16000;
  format.channels = 2;
  EXPECT_EQ(drain(*open_raw(folder_ / "a.raw", format)).samples, samples);
  {
    PipedInput input(s16);
    EXPECT_EQ(drain(*open_raw("-", format)).samples, samples);
  }
  format.sample = RawFormat::Sample::f32;
  put_bytes(folder_ / "a.raw", {reinterpret_cast<const char*>(samples.data()), 16});
  EXPECT_EQ(drain(*open_raw(folder_ / "a.raw", format)).samples, samples);
  put_bytes(folder_ / "a.raw", {reinterpret_cast<const char*>(samples.data()), 15});
  EXPECT_THROW(static_cast<void>(drain(*open_raw(folder_ / "a.raw", format))), InputError);
  format.sample_rate = 0;
  EXPECT_THROW(static_cast<void>(open_raw(folder_ / "a.raw", format)), ArgumentError);
}

TEST_F(Formats, ProbeReadsNoSamples) {
  write(folder_ / "a.flac", tones(24000, 2), options_of(24000, 2));
  const AudioInfo info = probe_audio(folder_ / "a.flac");
  EXPECT_EQ(info.container, "flac");
  EXPECT_EQ(info.codec, "flac");
  EXPECT_EQ(info.samples, 24000);
  EXPECT_EQ(info.seconds, 1.0);
}

TEST(FoldToMono, IsTheMeanInAscendingOrder) {
  const Samples samples = {0.1F, 0.2F, 0.4F, -1, 1, 0.5F};
  Samples mono(2);
  fold_to_mono(samples.data(), 2, 3, mono.data());
  EXPECT_EQ(mono, (Samples{((0.1F + 0.2F) + 0.4F) / 3.0F, 0.5F / 3.0F}));
  Samples in_place = samples;
  fold_to_mono(in_place.data(), 2, 3, in_place.data());
  EXPECT_EQ(Samples(in_place.begin(), in_place.begin() + 2), mono);
}

TEST(Channels, AreTakenApartAndPutTogether) {
  const Samples samples = {1, 2, 3, 4, 5, 6};
  Samples again(6);
  for (int channel = 0; channel < 3; ++channel) {
    Samples one(2);
    take_channel(samples.data(), 2, 3, channel, one.data());
    EXPECT_EQ(one, (Samples{samples[channel], samples[channel + 3]}));
    put_channel(one.data(), 2, 3, channel, again.data());
  }
  EXPECT_EQ(again, samples);
}

}  // namespace
}  // namespace tessera::media::test
