// Any bytes are either refused with an InputError, are no WAV, or give at most as many samples as they hold.

#include <cmath>
#include <cstring>
#include <vector>

#include "media/decoder.h"

namespace {

using namespace tessera::media;

void require(bool holds) {
  if (!holds) __builtin_trap();
}

/// Bytes as a file, or as a pipe that goes back a little only.
class MemorySource final : public Source {
 public:
  MemorySource(const std::uint8_t* data, std::size_t size, bool pipe) : data_(data), size_(size), pipe_(pipe) {}
  [[nodiscard]] const std::string& name() const override { return name_; }
  [[nodiscard]] std::int64_t size() const override { return pipe_ ? -1 : static_cast<std::int64_t>(size_); }
  [[nodiscard]] std::int64_t position() const override { return static_cast<std::int64_t>(at_); }
  std::size_t read(void* out, std::size_t bytes) override {
    const std::size_t count = at_ < size_ ? std::min(bytes, size_ - at_) : 0;
    if (count == 0) return 0;
    std::memcpy(out, data_ + at_, count);
    at_ += count;
    return count;
  }
  void seek(std::int64_t position) override {
    require(position >= 0);
    at_ = static_cast<std::size_t>(position);
    if (pipe_) at_ = std::min(at_, size_);
  }

 private:
  std::string name_ = "x";
  const std::uint8_t* data_;
  std::size_t size_;
  std::size_t at_ = 0;
  bool pipe_;
};

void drain(Decoder& decoder, std::size_t size) {
  const AudioInfo& info = decoder.info();
  require(info.channels > 0 && info.sample_rate > 0);
  constexpr std::int64_t kFrames = 97;
  std::vector<float> block(static_cast<std::size_t>(kFrames * info.channels));
  std::int64_t total = decoder.skip(3);
  for (std::int64_t got = 1; got > 0; total += got) {
    got = decoder.read(kFrames, block.data());
    require(got >= 0 && got <= kFrames);
  }
  require(total * info.channels <= static_cast<std::int64_t>(size));
}

void open(const std::uint8_t* data, std::size_t size, bool pipe, bool allow_truncated) try {
  std::unique_ptr<Source> source = std::make_unique<MemorySource>(data, size, pipe);
  const std::unique_ptr<Decoder> decoder = open_wav(source, allow_truncated);
  if (decoder) drain(*decoder, size);
} catch (const tessera::InputError& error) {
  require(!error.reason().empty());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  for (const bool pipe : {false, true}) {
    for (const bool allow_truncated : {false, true}) open(data, size, pipe, allow_truncated);
  }
  return 0;
}
