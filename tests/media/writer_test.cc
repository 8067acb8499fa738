// What is written, and what is left when it fails.

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <csignal>

#include "tests/media/files.h"

namespace tessera::media::test {
namespace {

constexpr const char* kNames[] = {"a.wav", "a.flac", "a.opus", "a.ogg", "a.mp3"};

class Writer : public ::testing::Test {
 protected:
  static WriteOptions options(int rate = 24000, int channels = 1, SampleFormat format = SampleFormat::s16) {
    WriteOptions result;
    result.sample_rate = rate;
    result.channels = channels;
    result.sample_format = format;
    return result;
  }
  std::string reason(const std::string& name, const Samples& samples) {
    try {
      write(folder_ / name, samples, options());
    } catch (const ResourceError& error) {
      return error.reason();
    }
    return {};
  }
  Folder folder_;
};

TEST_F(Writer, IdenticalSamplesMakeIdenticalBytes) {
  const Samples samples = tones(60000, 1);
  std::vector<std::string> first;
  for (const char* name : kNames) {
    write(folder_ / name, samples, options());
    first.push_back(bytes_of(folder_ / name));
  }
  ::usleep(1100000);  // a second later, for encoders that write or seed with the time
  for (std::size_t i = 0; i < first.size(); ++i) {
    const auto writer = create_audio(folder_ / kNames[i], options());
    for (std::size_t at = 0; at < samples.size(); at += 1000) writer->write(samples.data() + at, 1000);
    writer->finish();
    EXPECT_EQ(bytes_of(folder_ / kNames[i]), first[i]) << kNames[i];
  }
}

TEST_F(Writer, HeadersAreExact) {
  write(folder_ / "a.wav", {0.5F, -1}, options(24000, 2));
  EXPECT_EQ(bytes_of(folder_ / "a.wav"), "RIFF" + little(40, 4) + "WAVEfmt " + little(16, 4) + little(1, 2) +
                                             little(2, 2) + little(24000, 4) + little(96000, 4) + little(4, 2) +
                                             little(16, 2) + "data" + little(4, 4) + little(16384, 2) +
                                             little(0x8000, 2));
  write(folder_ / "a.wav", {0.5F}, options(8000, 1, SampleFormat::f32));
  EXPECT_EQ(bytes_of(folder_ / "a.wav"), "RIFF" + little(54, 4) + "WAVEfmt " + little(18, 4) + little(3, 2) +
                                             little(1, 2) + little(8000, 4) + little(32000, 4) + little(4, 2) +
                                             little(32, 2) + little(0, 2) + "fact" + little(4, 4) + little(1, 4) +
                                             "data" + little(4, 4) + little(0x3F000000, 4));
}

TEST_F(Writer, IntegersRoundHalfToEvenAndClip) {
  const float step = 1 / 32768.0F;
  write(folder_ / "a.wav", {0.5F * step, 1.5F * step, 2.5F * step, -0.5F * step, -1.5F * step, 1, 2, -1, -7},
        options());
  EXPECT_EQ(read(folder_ / "a.wav").samples,
            (Samples{0, 2 * step, 2 * step, 0, -2 * step, 1 - step, 1 - step, -1, -1}));
}

TEST_F(Writer, NothingButTheFileIsLeft) {
  for (const char* name : kNames) write(folder_ / name, tones(1000, 1), options());
  EXPECT_EQ(folder_.names(), (std::vector<std::string>{"a.flac", "a.mp3", "a.ogg", "a.opus", "a.wav"}));
}

TEST_F(Writer, NothingAppearsBeforeFinish) {
  const Samples samples = tones(1000, 1);
  for (const char* name : kNames) {
    put_bytes(folder_ / name, "old");
    {
      const auto writer = create_audio(folder_ / name, options());
      writer->write(samples.data(), 1000);
      EXPECT_EQ(folder_.names(),
                (std::vector<std::string>{std::string(".") + name + ".tmp-" + std::to_string(::getpid()), name}));
    }
    EXPECT_EQ(folder_.names(), std::vector<std::string>{name});
    EXPECT_EQ(bytes_of(folder_ / name), "old");
    ::unlink((folder_ / name).c_str());
  }
}

TEST_F(Writer, AFileThatAppearedMeanwhileIsKeptUnlessItMayBeOverwritten) {
  const Samples samples = tones(1000, 1);
  for (const bool overwrite : {false, true}) {
    for (const char* name : kNames) {
      WriteOptions wanted = options();
      wanted.overwrite = overwrite;
      const auto writer = create_audio(folder_ / name, wanted);
      writer->write(samples.data(), 1000);
      put_bytes(folder_ / name, "theirs");
      std::string reason;
      try {
        writer->finish();
      } catch (const ResourceError& error) {
        reason = error.reason();
      }
      EXPECT_EQ(reason, overwrite ? "" : "output_exists") << name;
      EXPECT_EQ(bytes_of(folder_ / name) == "theirs", !overwrite) << name;
    }
  }
  EXPECT_EQ(folder_.names(), (std::vector<std::string>{"a.flac", "a.mp3", "a.ogg", "a.opus", "a.wav"}));
}

TEST_F(Writer, ANewFileAppearsWithoutOverwriting) {
  WriteOptions wanted = options();
  wanted.overwrite = false;
  write(folder_ / "a.wav", tones(1000, 1), wanted);
  EXPECT_EQ(folder_.names(), std::vector<std::string>{"a.wav"});
  ASSERT_EQ(::symlink("nowhere", (folder_ / "b.wav").c_str()), 0);
  EXPECT_THROW(write(folder_ / "b.wav", tones(10, 1), wanted), ResourceError);
}

TEST_F(Writer, AKilledWriterLeavesNoFileOfThatName) {
  const pid_t child = ::fork();
  if (child == 0) {
    const Samples samples = tones(1000, 1);
    const auto writer = create_audio(folder_ / "a.wav", options());
    writer->write(samples.data(), 1000);
    ::kill(::getpid(), SIGKILL);
  }
  ::waitpid(child, nullptr, 0);
  EXPECT_EQ(folder_.names(), std::vector<std::string>{".a.wav.tmp-" + std::to_string(child)});
}

TEST_F(Writer, AFullDiskIsNamedAndLeavesNothing) {
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const Samples samples = tones(2000000, 1);
  for (const char* name : kNames) {
    rlimit limit = before;
    limit.rlim_cur = 10000;
    ::setrlimit(RLIMIT_FSIZE, &limit);
    const std::string found = reason(name, samples);
    ::setrlimit(RLIMIT_FSIZE, &before);
    EXPECT_EQ(found, "disk_full") << name;
    EXPECT_TRUE(folder_.names().empty()) << name;
  }
  std::signal(SIGXFSZ, handler);
}

TEST_F(Writer, AFullDeviceIsNamed) {
  ASSERT_EQ(::symlink("/dev/full", (folder_ / "a.wav").c_str()), 0);
  EXPECT_EQ(reason("a.wav", tones(1000, 1)), "disk_full");
}

TEST_F(Writer, WhereNothingCanBeWritten) {
  EXPECT_EQ(reason("none/a.wav", tones(10, 1)), "write_failed");
  ASSERT_EQ(::mkdir((folder_ / "a.wav").c_str(), 0755), 0);
  EXPECT_EQ(reason("a.wav", tones(10, 1)), "write_failed");
  const bool was_root = ::geteuid() == 0;
  ::chmod((folder_ / "").c_str(), 0555);
  if (was_root) {
    ASSERT_EQ(::seteuid(65534), 0);
  }
  EXPECT_EQ(reason("b.wav", tones(10, 1)), "write_failed");
  if (was_root) {
    ASSERT_EQ(::seteuid(0), 0);
  }
  ::chmod((folder_ / "").c_str(), 0755);
}

TEST_F(Writer, StandardOutputIsAStreamingWav) {
  const Samples samples = on_s16_grid(tones(1000, 1));
  ::fflush(stdout);
  const int saved = ::dup(STDOUT_FILENO);
  const int file = ::open((folder_ / "out").c_str(), O_WRONLY | O_CREAT, 0644);
  ::dup2(file, STDOUT_FILENO);
  write("-", samples, options());
  ::dup2(saved, STDOUT_FILENO);
  ::close(saved);
  ::close(file);
  const std::string bytes = bytes_of(folder_ / "out");
  EXPECT_EQ(bytes.substr(4, 4), little(0xFFFFFFFF, 4));
  EXPECT_EQ(bytes.substr(40, 4), little(0xFFFFFFFF, 4));
  EXPECT_EQ(read(folder_ / "out").samples, samples);
}

TEST_F(Writer, WhatAFormatCannotHoldIsAnArgument) {
  const auto refuse = [this](const std::string& name, const WriteOptions& bad) {
    EXPECT_THROW(static_cast<void>(create_audio(folder_ / name, bad)), ArgumentError) << name;
  };
  refuse("a.txt", options());
  refuse("wav", options());
  refuse("a.d/wav", options());
  refuse("a.wav", options(0));
  refuse("a.wav", options(24000, 0));
  refuse("a.opus", options(44100));
  refuse("a.mp3", options(96000));
  refuse("a.mp3", options(48000, 3));
  refuse("a.flac", options(48000, 9));
  EXPECT_TRUE(folder_.names().empty());
  const auto writer = create_audio(folder_ / "a.WAV", options());
  const float bad[] = {0, NAN};
  EXPECT_THROW(writer->write(bad, 2), ArgumentError);
}

}  // namespace
}  // namespace tessera::media::test
