// What the tests of this folder share.

#include "tests/media/files.h"

#include <sndfile.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>

namespace tessera::media::test {

Folder::Folder() {
  std::string name = (std::filesystem::temp_directory_path() / "tessera-media-XXXXXX").string();
  if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("no temporary folder");
  path_ = name;
}

Folder::~Folder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::vector<std::string> Folder::names() const {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(path_)) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

Samples tones(std::int64_t frames, int channels, double step) {
  Samples samples;
  for (std::int64_t frame = 0; frame < frames; ++frame) {
    for (int channel = 0; channel < channels; ++channel) {
      const double phase = static_cast<double>(frame) * step + channel;
      samples.push_back(static_cast<float>(0.4 * std::sin(phase) + 0.2 * std::sin(phase * 5.3)));
    }
  }
  return samples;
}

Samples on_s16_grid(Samples samples) {
  for (float& x : samples) x = std::nearbyint(x * 32768.0F) / 32768.0F;
  return samples;
}

std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void put_bytes(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

std::string little(std::uint64_t value, int bytes) {
  std::string out;
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> (8 * i) & 0xFF));
  return out;
}

void write(const std::string& path, const Samples& samples, const WriteOptions& options) {
  const auto writer = create_audio(path, options);
  writer->write(samples.data(), static_cast<std::int64_t>(samples.size()) / options.channels);
  writer->finish();
}

void write_sndfile(const std::string& path, int format, const Samples& samples, int sample_rate, int channels) {
  SF_INFO header{};
  header.samplerate = sample_rate;
  header.channels = channels;
  header.format = format;
  SNDFILE* file = sf_open(path.c_str(), SFM_WRITE, &header);
  ASSERT_NE(file, nullptr) << path << ": " << sf_strerror(nullptr);
  sf_command(file, SFC_SET_CLIPPING, nullptr, SF_TRUE);
  sf_write_float(file, samples.data(), static_cast<sf_count_t>(samples.size()));
  sf_close(file);
}

bool ffmpeg(const std::string& arguments) {
  return std::system(("ffmpeg -nostdin -v error -y " + arguments + " 2>/dev/null").c_str()) == 0;
}

Sound drain(AudioReader& reader, std::int64_t block) {
  Sound sound;
  while (reader.read(block, sound.samples) > 0) continue;
  sound.info = reader.info();
  sound.warning = reader.warning();
  return sound;
}

Sound read(const std::string& path, const ReadOptions& options, std::int64_t block) {
  return drain(*open_audio(path, options), block);
}

Fault fault_of(const std::string& path, const ReadOptions& options) {
  try {
    static_cast<void>(read(path, options));
  } catch (const InputError& error) {
    return {error.reason(), error.what()};
  }
  return {};
}

double greatest_difference(const Samples& a, const Samples& b) {
  if (a.size() != b.size()) return INFINITY;
  double greatest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) greatest = std::max(greatest, std::abs(double{a[i]} - b[i]));
  return greatest;
}

double signal_to_noise(const Samples& a, const Samples& b) {
  double signal = 0;
  double noise = 1e-30;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
    signal += double{a[i]} * a[i];
    noise += (double{b[i]} - a[i]) * (double{b[i]} - a[i]);
  }
  return 10 * std::log10(signal / noise);
}

PipedInput::PipedInput(const std::string& bytes) : saved_(::dup(STDIN_FILENO)) {
  int ends[2];
  if (::pipe(ends) != 0) throw std::runtime_error("no pipe");
  child_ = ::fork();
  if (child_ == 0) {
    std::signal(SIGPIPE, SIG_DFL);
    ::close(ends[0]);
    for (std::size_t at = 0; at < bytes.size();) {
      const ssize_t written = ::write(ends[1], bytes.data() + at, bytes.size() - at);
      if (written <= 0) break;
      at += static_cast<std::size_t>(written);
    }
    ::_exit(0);
  }
  ::close(ends[1]);
  ::dup2(ends[0], STDIN_FILENO);
  ::close(ends[0]);
}

PipedInput::~PipedInput() {
  ::dup2(saved_, STDIN_FILENO);
  ::close(saved_);
  ::waitpid(child_, nullptr, 0);
}

}  // namespace tessera::media::test
