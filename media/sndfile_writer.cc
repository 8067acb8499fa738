#include <sndfile.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "kernels/error.h"
#include "media/ogg.h"
#include "media/pcm.h"
#include "media/writer.h"

namespace tessera::media {
namespace {

constexpr std::size_t kSndfileBlock = 1 << 15;  // samples

struct Format {
  const char* name;
  int format;
  std::vector<int> rates;  // empty: any
  int channels;            // at most
};

Format format_of(Encoding encoding) {
  switch (encoding) {
    case Encoding::opus:
      return {"Opus", SF_FORMAT_OGG | SF_FORMAT_OPUS, {8000, 12000, 16000, 24000, 48000}, 8};
    case Encoding::mp3:
      return {"MP3",
              SF_FORMAT_MPEG | SF_FORMAT_MPEG_LAYER_III,
              {8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000},
              2};
    case Encoding::flac:
      break;
  }
  return {"FLAC", SF_FORMAT_FLAC | SF_FORMAT_PCM_16, {}, 8};
}

void check(const Format& format, const WriteOptions& options) {
  const auto& rates = format.rates;
  if (!rates.empty() && std::find(rates.begin(), rates.end(), options.sample_rate) == rates.end()) {
    std::string list;
    for (const int rate : rates) list += (list.empty() ? "" : ", ") + std::to_string(rate);
    throw ArgumentError(std::string(format.name) + " cannot hold " + std::to_string(options.sample_rate) +
                        " Hz (only " + list + "): write .wav or .flac");
  }
  if (options.channels > format.channels) {
    throw ArgumentError(std::string(format.name) + " holds at most " + std::to_string(format.channels) +
                        " channels, not " + std::to_string(options.channels) + ": write .wav");
  }
}

/// What libsndfile writes through; errno of a failed write waits here until the C code has returned.
struct Output {
  int descriptor;
  int error = 0;
};

sf_count_t output_size(void* user) {
  const int descriptor = static_cast<Output*>(user)->descriptor;
  const off_t here = ::lseek(descriptor, 0, SEEK_CUR);
  const off_t end = ::lseek(descriptor, 0, SEEK_END);
  ::lseek(descriptor, here, SEEK_SET);
  return end;
}

sf_count_t output_seek(sf_count_t offset, int whence, void* user) {
  return ::lseek(static_cast<Output*>(user)->descriptor, offset, whence);
}

sf_count_t output_tell(void* user) { return ::lseek(static_cast<Output*>(user)->descriptor, 0, SEEK_CUR); }

sf_count_t output_read(void* out, sf_count_t bytes, void* user) {
  return ::read(static_cast<Output*>(user)->descriptor, out, static_cast<std::size_t>(bytes));
}

sf_count_t output_write(const void* data, sf_count_t bytes, void* user) {
  auto* stream = static_cast<Output*>(user);
  sf_count_t done = 0;
  while (done < bytes) {
    const auto* next = static_cast<const char*>(data) + done;
    const ssize_t written = ::write(stream->descriptor, next, static_cast<std::size_t>(bytes - done));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      stream->error = written < 0 ? errno : ENOSPC;
      break;
    }
    done += written;
  }
  return done;
}

SF_VIRTUAL_IO kOutput = {output_size, output_seek, output_read, output_write, output_tell};

class SndfileWriter final : public AudioWriter {
 public:
  SndfileWriter(const std::string& path, Encoding encoding, const Format& format, const WriteOptions& options)
      : encoding_(encoding), channels_(options.channels), file_(path, options.overwrite), stream_{file_.descriptor()} {
    if (!file_.is_regular()) throw ArgumentError(path + ": only WAV can be written to a device or a pipe");
    SF_INFO header{};
    header.samplerate = options.sample_rate;
    header.channels = options.channels;
    header.format = format.format;
    sndfile_ = sf_open_virtual(&kOutput, SFM_WRITE, &header, &stream_);
    check_stream();
    if (sndfile_ == nullptr) throw ResourceError("write_failed", path + ": " + sf_strerror(nullptr));
  }
  ~SndfileWriter() override {
    if (sndfile_ != nullptr) sf_close(sndfile_);
  }
  SndfileWriter(const SndfileWriter&) = delete;
  SndfileWriter& operator=(const SndfileWriter&) = delete;

  void write(const float* samples, std::int64_t frames) override {
    auto left = static_cast<std::size_t>(frames) * static_cast<std::size_t>(channels_);
    check_finite(samples, left);
    while (left > 0) {
      const std::size_t count = std::min(left, kSndfileBlock);
      put(samples, static_cast<sf_count_t>(count));
      samples += count;
      left -= count;
    }
  }

  void finish() override {
    const int error = sf_close(std::exchange(sndfile_, nullptr));
    check_stream();
    if (error != 0) throw ResourceError("write_failed", file_.name() + ": " + sf_error_number(error));
    if (encoding_ == Encoding::opus) fix_ogg_serial(file_.descriptor(), file_.name());
    file_.commit();
  }

 private:
  void put(const float* samples, sf_count_t count) {
    sf_count_t written = 0;
    if (encoding_ == Encoding::flac) {
      block_.resize(static_cast<std::size_t>(count));
      std::transform(samples, samples + count, block_.begin(), to_s16);
      written = sf_write_short(sndfile_, block_.data(), count);
    } else {
      written = sf_write_float(sndfile_, samples, count);
    }
    check_stream();
    if (written != count) throw ResourceError("write_failed", file_.name() + ": " + sf_strerror(sndfile_));
  }

  void check_stream() const {
    if (stream_.error != 0) write_failed(file_.name(), stream_.error);
  }

  Encoding encoding_;
  int channels_;
  OutputFile file_;
  Output stream_;
  SNDFILE* sndfile_ = nullptr;
  std::vector<short> block_;
};

}  // namespace

std::unique_ptr<AudioWriter> create_sndfile(const std::string& path, Encoding encoding, const WriteOptions& options) {
  const Format format = format_of(encoding);
  check(format, options);
  return std::make_unique<SndfileWriter>(path, encoding, format, options);
}

}  // namespace tessera::media
