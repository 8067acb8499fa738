#include "media/audio.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "media/claim.h"
#include "media/decoder.h"
#include "media/extension.h"
#include "media/fault.h"
#include "media/ogg.h"
#include "media/writer.h"

namespace tessera::media {
namespace {

using Magic = std::array<char, 12>;

Magic first_bytes(Source& source) {
  Magic magic{};
  source.read(magic.data(), magic.size());
  source.seek(0);
  return magic;
}

bool begins(const Magic& magic, const char* text) { return std::memcmp(magic.data(), text, std::strlen(text)) == 0; }

bool is_wave(const Magic& magic) {
  return (begins(magic, "RIFF") || begins(magic, "RF64")) && std::memcmp(magic.data() + 8, "WAVE", 4) == 0;
}

/// Formats that libsndfile reads strictly enough; it starts forty milliseconds sooner than FFmpeg.
bool suits_sndfile(const Magic& magic) {
  constexpr const char* kMagics[] = {"RIFX",   "FORM", "caff", ".snd", "dns.", "fLaC", "OggS", "riff\x2E\x91\xCF\x11",
                                     "NIST_1A"};
  return is_wave(magic) ||
         std::any_of(std::begin(kMagics), std::end(kMagics), [&](const char* text) { return begins(magic, text); });
}

/// What can be said before decoding.
struct Survey {
  bool suits_sndfile = false;
  std::string missing;  // "truncated …", or empty
};

Survey survey(Source& source, const Magic& magic) {
  Survey result;
  result.suits_sndfile = suits_sndfile(magic);
  if (begins(magic, "OggS")) {
    const OggCheck ogg = check_ogg(source);
    result.suits_sndfile = ogg.streams == 1;  // libsndfile would read only the first
    result.missing = ogg.missing;
    if (!ogg.missing.empty() && !ogg.holds_sound) fail(source.name(), "truncated_media", ogg.missing);
  } else {
    result.missing = missing_bytes(source);
  }
  source.seek(0);
  return result;
}

/// Begins as sound or video files do and nothing else does.
bool is_media(const Magic& magic) {
  return suits_sndfile(magic) || begins(magic, "ID3") || begins(magic, "\x1A\x45\xDF\xA3") ||
         std::memcmp(magic.data() + 4, "ftyp", 4) == 0;
}

std::unique_ptr<Decoder> choose(std::unique_ptr<Source> source, const Magic& magic, const Survey& found,
                                const ReadOptions& options) {
  const std::string name = source->name();
  if (found.suits_sndfile) {
    if (auto decoder = open_sndfile(source, options.allow_truncated)) return decoder;
  }
  try {
    return open_ffmpeg(std::move(source), options);
  } catch (const InputError& error) {
    if (error.reason() != "unknown_format" || !is_media(magic)) throw;
    fail(name, "corrupt_media", "the header is damaged or cut");
  }
}

/// WAV is read as it comes. Everything else may have to go back, so a pipe is saved to a temporary file first.
std::unique_ptr<Decoder> open_decoder(std::unique_ptr<Source> source, const ReadOptions& options) {
  const Magic magic = first_bytes(*source);
  if (is_wave(magic)) {
    if (auto decoder = open_wav(source, options.allow_truncated)) return decoder;
  }
  if (source->is_pipe()) source = spool(*source);
  const Survey found = survey(*source, magic);
  if (!found.missing.empty() && !options.allow_truncated) fail(source->name(), "truncated_media", found.missing);
  auto decoder = choose(std::move(source), magic, found, options);
  if (!found.missing.empty()) decoder->warn(found.missing);
  return decoder;
}

void check(const WriteOptions& options) {
  if (options.sample_rate <= 0) throw ArgumentError("the sample rate to write must be positive");
  if (options.channels <= 0 || options.channels > 1024) throw ArgumentError("audio has 1 to 1024 channels");
}

}  // namespace

std::unique_ptr<AudioReader> open_audio(const std::string& path, const ReadOptions& options) {
  check(options);
  return window(open_decoder(open_source(path), options), options);
}

std::unique_ptr<AudioReader> open_raw(const std::string& path, const RawFormat& format, const ReadOptions& options) {
  check(options);
  return window(open_raw_pcm(open_source(path), format, options.allow_truncated), options);
}

AudioInfo probe_audio(const std::string& path) {
  ReadOptions options;
  options.allow_truncated = true;
  return open_audio(path, options)->info();
}

std::unique_ptr<AudioWriter> create_audio(const std::string& path, const WriteOptions& options) {
  check(options);
  const std::string extension = extension_of(path);
  if (path == "-" || extension == ".wav") return create_wav(path, options);
  if (extension == ".flac") return create_sndfile(path, Encoding::flac, options);
  if (extension == ".opus" || extension == ".ogg") return create_sndfile(path, Encoding::opus, options);
  if (extension == ".mp3") return create_sndfile(path, Encoding::mp3, options);
  throw ArgumentError(path + ": sound is written as .wav, .flac, .opus, .ogg or .mp3");
}

}  // namespace tessera::media
