#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/error.h"
#include "media/wav_header.h"
#include "media/writer.h"

namespace tessera::media {
namespace {

constexpr std::size_t kWavBlock = 1 << 15;  // samples

class WavWriter final : public AudioWriter {
 public:
  WavWriter(const std::string& path, const WriteOptions& options)
      : options_(options),
        sample_(options.sample_format == SampleFormat::f32 ? Pcm::f32 : Pcm::s16),
        file_(path, options.overwrite) {
    write_header(-1);
  }

  void write(const float* samples, std::int64_t frames) override {
    auto left = static_cast<std::size_t>(frames) * static_cast<std::size_t>(options_.channels);
    check_finite(samples, left);
    while (left > 0) {
      const std::size_t count = std::min(left, kWavBlock);
      sample_ == Pcm::f32 ? put(samples, count * sizeof(float)) : put_s16(samples, count);
      samples += count;
      left -= count;
    }
  }

  void finish() override {
    if ((data_bytes_ & 1) != 0) file_.write("", 1);
    if (file_.is_regular()) {
      const std::string header = header_for(data_bytes_);
      file_.write_at(0, header.data(), header.size());
    }
    file_.commit();
  }

 private:
  [[nodiscard]] std::string header_for(std::int64_t data_bytes) const {
    return wav_header(sample_, options_.sample_rate, options_.channels, data_bytes);
  }

  void write_header(std::int64_t data_bytes) {
    const std::string header = header_for(data_bytes);
    file_.write(header.data(), header.size());
  }

  void put_s16(const float* samples, std::size_t count) {
    block_.resize(count);
    std::transform(samples, samples + count, block_.begin(), to_s16);
    put(block_.data(), count * sizeof(std::int16_t));
  }

  void put(const void* data, std::size_t bytes) {
    file_.write(data, bytes);
    data_bytes_ += static_cast<std::int64_t>(bytes);
  }

  WriteOptions options_;
  Pcm sample_;
  OutputFile file_;
  std::int64_t data_bytes_ = 0;
  std::vector<std::int16_t> block_;
};

}  // namespace

void check_finite(const float* samples, std::size_t count) {
  const auto* bad = std::find_if_not(samples, samples + count, [](float x) { return std::isfinite(x); });
  if (bad != samples + count) throw ArgumentError("audio to be written holds NaN or infinity");
}

std::unique_ptr<AudioWriter> create_wav(const std::string& path, const WriteOptions& options) {
  return std::make_unique<WavWriter>(path, options);
}

}  // namespace tessera::media
