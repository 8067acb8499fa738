#include "media/claim.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "media/pcm.h"

namespace tessera::media {
namespace {

constexpr std::int64_t kNothing = 0;

/// A container that is a row of chunks, each with an identifier and a size.
struct Layout {
  const char* magic;
  std::size_t magic_at;
  const char* wanted;  // first bytes of the chunk with the samples; null: every chunk must be whole
  std::int64_t first;  // where the first chunk begins
  std::size_t id_bytes;
  std::size_t size_bytes;
  bool size_first;
  bool big_endian;
  bool size_counts_header;
  std::int64_t alignment;
};

constexpr Layout kLayouts[] = {
    {"AVI ", 8, nullptr, 0, 4, 4, false, false, false, 2},
    {"RIFF", 0, "data", 12, 4, 4, false, false, false, 2},
    {"RIFX", 0, "data", 12, 4, 4, false, true, false, 2},
    {"FORM", 0, "SSND", 12, 4, 4, false, true, false, 2},
    {"caff", 0, "data", 8, 4, 8, false, true, false, 1},
    {"riff", 0, "data", 40, 16, 8, false, false, true, 8},
    {"ftyp", 4, nullptr, 0, 4, 4, true, true, true, 1},
    {"\x30\x26\xB2\x75", 0, nullptr, 0, 16, 8, false, false, true, 1},  // ASF: WMA and WMV
};

std::uint64_t number(const unsigned char* bytes, std::size_t count, bool big) {
  return big ? big_endian(bytes, count) : little_endian(bytes, count);
}

struct Chunk {
  std::array<unsigned char, 24> head{};
  std::int64_t end = 0;
  bool is_open = false;  // the size is not known
};

/// False at the end of the file.
bool read_chunk(Source& source, const Layout& layout, std::int64_t begin, Chunk& chunk) {
  const std::size_t bytes = layout.id_bytes + layout.size_bytes;
  source.seek(begin);
  if (source.read(chunk.head.data(), bytes) < bytes) return false;
  std::uint64_t size =
      number(chunk.head.data() + (layout.size_first ? 0 : layout.id_bytes), layout.size_bytes, layout.big_endian);
  const std::uint64_t unknown = ~std::uint64_t{0} >> (64 - 8 * layout.size_bytes);
  chunk.is_open = size == unknown || size >> 62 != 0 || (size == 0 && layout.wanted == nullptr);
  if (layout.size_first && size == 1) {  // MP4: the real size follows in 64 bits
    if (source.read(chunk.head.data() + 8, 8) < 8) return false;
    size = big_endian(chunk.head.data() + 8, 8) & (~std::uint64_t{0} >> 2);
  }
  chunk.end =
      begin + static_cast<std::int64_t>(size) + (layout.size_counts_header ? 0 : static_cast<std::int64_t>(bytes));
  return true;
}

bool is_wanted(const Layout& layout, const Chunk& chunk) {
  return layout.wanted == nullptr || std::memcmp(chunk.head.data(), layout.wanted, 4) == 0;
}

std::int64_t chunks_claim(Source& source, const Layout& layout) {
  Chunk chunk;
  std::int64_t begin = layout.first;
  while (read_chunk(source, layout, begin, chunk) && !chunk.is_open && chunk.end > begin) {
    if (is_wanted(layout, chunk) && (layout.wanted != nullptr || chunk.end > source.size())) return chunk.end;
    begin = (chunk.end + layout.alignment - 1) / layout.alignment * layout.alignment;
  }
  return kNothing;
}

std::int64_t au_claim(const unsigned char* head, bool big) {
  const std::uint64_t offset = number(head + 4, 4, big);
  const std::uint64_t size = number(head + 8, 4, big);
  return size == 0xFFFFFFFF ? kNothing : static_cast<std::int64_t>(offset + size);
}

/// An EBML number of 1 to 8 bytes whose first byte's leading zeros give the length; -1: unknown or unreadable.
std::int64_t ebml_size(Source& source) {
  unsigned char bytes[8] = {};
  if (source.read(bytes, 1) < 1 || bytes[0] == 0) return -1;
  const auto length = static_cast<std::size_t>(std::countl_zero(bytes[0])) + 1;
  if (source.read(bytes + 1, length - 1) < length - 1) return -1;
  const std::uint64_t mask = (std::uint64_t{1} << (7 * length)) - 1;
  const std::uint64_t value = big_endian(bytes, length) & mask;
  return value == mask ? -1 : static_cast<std::int64_t>(value);
}

/// A Matroska file is an EBML header followed by one segment.
std::int64_t matroska_claim(Source& source) {
  source.seek(4);
  const std::int64_t header = ebml_size(source);
  if (header < 0) return kNothing;
  source.seek(source.position() + header + 4);
  const std::int64_t segment = ebml_size(source);
  return segment < 0 ? kNothing : source.position() + segment;
}

std::int64_t claimed_size(Source& source) {
  std::array<unsigned char, 16> head{};
  source.seek(0);
  source.read(head.data(), head.size());
  const auto begins = [&head](const char* magic, std::size_t at) { return std::memcmp(&head[at], magic, 4) == 0; };
  if (begins(".snd", 0)) return au_claim(head.data(), true);
  if (begins("dns.", 0)) return au_claim(head.data(), false);
  if (begins("\x1A\x45\xDF\xA3", 0)) return matroska_claim(source);
  for (const Layout& layout : kLayouts) {
    if (begins(layout.magic, layout.magic_at)) return chunks_claim(source, layout);
  }
  return kNothing;
}

}  // namespace

std::string missing_bytes(Source& source) {
  if (source.is_pipe()) return {};
  const std::int64_t claimed = claimed_size(source);
  if (claimed <= source.size()) return {};
  return "truncated: " + std::to_string(source.size()) + " bytes of " + std::to_string(claimed);
}

}  // namespace tessera::media
