#include "media/wav_header.h"

#include <algorithm>
#include <cstring>

#include "media/fault.h"

namespace tessera::media {
namespace {

constexpr std::uint32_t kUnknown = 0xFFFFFFFF;
constexpr std::uint64_t kTagPcm = 1, kTagFloat = 3, kTagExtensible = 0xFFFE;
constexpr std::size_t kFormatBytes = 40;  // of a "fmt " chunk, as far as it is read

struct Chunk {
  char id[4];
  std::uint32_t bytes;
};

std::optional<Chunk> next_chunk(Source& source) {
  unsigned char raw[8];
  if (source.read(raw, sizeof raw) < sizeof raw) return std::nullopt;
  Chunk chunk{};
  std::memcpy(chunk.id, raw, 4);
  chunk.bytes = static_cast<std::uint32_t>(little_endian(raw + 4, 4));
  return chunk;
}

bool is(const Chunk& chunk, const char* id) { return std::memcmp(chunk.id, id, 4) == 0; }

/// Programs that write to a pipe put one of these where the length belongs: all ones, less a header at times, or
/// the largest signed number (sox: less 4096).
bool is_placeholder(std::uint32_t bytes) {
  return bytes >= kUnknown - 255 || (bytes >= 0x7FFFF000U && bytes <= 0x80000000U);
}

std::optional<Pcm> sample_of(std::uint64_t tag, std::uint64_t bytes) {
  if (tag == kTagFloat && bytes == 4) return Pcm::f32;
  if (tag == kTagFloat && bytes == 8) return Pcm::f64;
  constexpr Pcm kIntegers[] = {Pcm::u8, Pcm::s16, Pcm::s24, Pcm::s32};
  if (tag == kTagPcm && bytes >= 1 && bytes <= 4) return kIntegers[bytes - 1];
  return std::nullopt;
}

/// Fills all but the data's place; false when the codec is not ours.
bool parse_format(const Source& source, const unsigned char* raw, std::size_t bytes, WavHeader& header) {
  if (bytes < 16) fail(source.name(), "corrupt_media", "the WAV header's format chunk is too short");
  std::uint64_t tag = little_endian(raw, 2);
  if (tag == kTagExtensible && bytes >= 26) tag = little_endian(raw + 24, 2);
  const std::uint64_t channels = little_endian(raw + 2, 2);
  const std::uint64_t rate = little_endian(raw + 4, 4);
  const std::uint64_t frame_bytes = little_endian(raw + 12, 2);
  if (tag != kTagPcm && tag != kTagFloat) return false;
  if (channels == 0 || rate == 0 || rate > 0x7FFFFFFF || frame_bytes % channels != 0) {
    fail(source.name(), "corrupt_media", "the WAV header's channels, sample rate or block size make no sense");
  }
  const auto sample = sample_of(tag, frame_bytes / channels);
  if (!sample) return false;
  header.sample = *sample;
  header.channels = static_cast<int>(channels);
  header.sample_rate = static_cast<int>(rate);
  return true;
}

struct Parser {
  Source& source;
  WavHeader header;
  std::uint32_t riff_bytes = 0;
  std::uint64_t long_data_bytes = 0;  // of an RF64 file
  bool has_format = false;
  bool is_ours = true;

  void read_format(const Chunk& chunk) {
    unsigned char raw[kFormatBytes];
    const std::size_t wanted = std::min<std::size_t>(chunk.bytes, sizeof raw);
    if (source.read(raw, wanted) < wanted) truncated();
    is_ours = parse_format(source, raw, wanted, header);
    has_format = true;
  }

  void read_long_sizes(const Chunk& chunk) {
    unsigned char raw[16];
    if (chunk.bytes < sizeof raw || source.read(raw, sizeof raw) < sizeof raw) truncated();
    long_data_bytes = little_endian(raw + 8, 8);
  }

  void locate_data(const Chunk& chunk) {
    if (!has_format) fail(source.name(), "corrupt_media", "the WAV header has no format chunk before its data");
    header.data_begin = source.position();
    header.data_bytes = chunk.bytes;
    if (chunk.bytes == kUnknown && long_data_bytes > 0) {
      if (long_data_bytes >> 62 != 0) fail(source.name(), "corrupt_media", "the RF64 header's data size is impossible");
      header.data_bytes = static_cast<std::int64_t>(long_data_bytes);
    } else if (is_placeholder(chunk.bytes) || (chunk.bytes == 0 && !claims_no_data())) {
      header.data_bytes = -1;
    }
  }

  /// An empty data chunk is meant when the size of the whole file counts chunks behind it.
  [[nodiscard]] bool claims_no_data() const {
    return !is_placeholder(riff_bytes) && std::int64_t{riff_bytes} + 8 > header.data_begin;
  }

  [[noreturn]] void truncated() const { fail(source.name(), "truncated_media", "truncated inside the WAV header"); }

  void run() {
    while (const auto chunk = next_chunk(source)) {
      const std::int64_t end = source.position() + chunk->bytes + (chunk->bytes & 1);
      if (is(*chunk, "data")) return locate_data(*chunk);
      if (is(*chunk, "fmt ")) read_format(*chunk);
      if (is(*chunk, "ds64")) read_long_sizes(*chunk);
      if (!is_ours) return;
      source.seek(end);
    }
    truncated();
  }
};

void put(std::string& out, std::uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>(value >> (8 * i) & 0xFF));
}

}  // namespace

std::optional<WavHeader> read_wav_header(Source& source) {
  unsigned char raw[12];
  if (source.read(raw, sizeof raw) < sizeof raw) return std::nullopt;
  if (std::memcmp(raw, "RIFF", 4) != 0 && std::memcmp(raw, "RF64", 4) != 0) return std::nullopt;
  if (std::memcmp(raw + 8, "WAVE", 4) != 0) return std::nullopt;
  Parser parser{source, {}};
  parser.riff_bytes = static_cast<std::uint32_t>(little_endian(raw + 4, 4));
  parser.run();
  if (!parser.is_ours) return std::nullopt;
  return parser.header;
}

std::string wav_header(Pcm sample, int sample_rate, int channels, std::int64_t data_bytes) {
  const bool is_float = sample == Pcm::f32;
  const auto frame_bytes = static_cast<std::uint64_t>(channels) * pcm_bytes(sample);
  const std::int64_t before = is_float ? 58 : 44;
  const std::int64_t padded = data_bytes + (data_bytes & 1);
  const bool unknown = data_bytes < 0 || before - 8 + padded >= kUnknown;
  std::string out = "RIFF";
  put(out, unknown ? kUnknown : static_cast<std::uint64_t>(before - 8 + padded), 4);
  out += "WAVEfmt ";
  put(out, is_float ? 18 : 16, 4);
  put(out, is_float ? kTagFloat : kTagPcm, 2);
  put(out, static_cast<std::uint64_t>(channels), 2);
  put(out, static_cast<std::uint64_t>(sample_rate), 4);
  put(out, static_cast<std::uint64_t>(sample_rate) * frame_bytes, 4);
  put(out, frame_bytes, 2);
  put(out, 8 * pcm_bytes(sample), 2);
  if (is_float) {  // every format but integers has an extension size and a "fact" chunk: frames
    put(out, 0, 2);
    out += "fact";
    put(out, 4, 4);
    put(out, unknown ? kUnknown : static_cast<std::uint64_t>(data_bytes) / frame_bytes, 4);
  }
  out += "data";
  put(out, unknown ? kUnknown : static_cast<std::uint64_t>(data_bytes), 4);
  return out;
}

}  // namespace tessera::media
