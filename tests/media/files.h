#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "kernels/error.h"
#include "media/audio.h"

namespace tessera::media::test {

using Samples = std::vector<float>;

/// A folder of its own, removed at the end of the test.
class Folder {
 public:
  Folder();
  ~Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  [[nodiscard]] std::string operator/(const std::string& name) const { return (path_ / name).string(); }
  [[nodiscard]] std::vector<std::string> names() const;  ///< of everything in it, hidden files too

 private:
  std::filesystem::path path_;
};

/// Two sines with a phase of their own in each channel, within ±0.6; interleaved.
[[nodiscard]] Samples tones(std::int64_t frames, int channels, double step = 0.031);
[[nodiscard]] Samples on_s16_grid(Samples samples);

[[nodiscard]] std::string bytes_of(const std::string& path);
void put_bytes(const std::string& path, const std::string& bytes);
[[nodiscard]] std::string little(std::uint64_t value, int bytes);

void write(const std::string& path, const Samples& samples, const WriteOptions& options);
/// By libsndfile itself, for the formats this library only reads.
void write_sndfile(const std::string& path, int format, const Samples& samples, int sample_rate, int channels);
/// False when there is no ffmpeg program, or it cannot.
[[nodiscard]] bool ffmpeg(const std::string& arguments);

struct Sound {
  AudioInfo info;
  Samples samples;
  std::string warning;
};
[[nodiscard]] Sound read(const std::string& path, const ReadOptions& options = {}, std::int64_t block = 10007);
[[nodiscard]] Sound drain(AudioReader& reader, std::int64_t block = 10007);

/// The reason and message of the InputError that reading throws; empty when it does not.
struct Fault {
  std::string reason;
  std::string message;
};
[[nodiscard]] Fault fault_of(const std::string& path, const ReadOptions& options = {});

[[nodiscard]] double greatest_difference(const Samples& a, const Samples& b);
/// Of `b` against `a`, in decibels, over their common length.
[[nodiscard]] double signal_to_noise(const Samples& a, const Samples& b);

/// Feeds bytes to standard input through a pipe while it lives.
class PipedInput {
 public:
  explicit PipedInput(const std::string& bytes);
  ~PipedInput();
  PipedInput(const PipedInput&) = delete;
  PipedInput& operator=(const PipedInput&) = delete;

 private:
  int saved_ = -1;
  int child_ = -1;
};

}  // namespace tessera::media::test
