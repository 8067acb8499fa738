#include "media/ogg.h"

#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <functional>
#include <map>
#include <vector>

#include "media/descriptor.h"
#include "media/fault.h"
#include "media/pcm.h"

namespace tessera::media {
namespace {

// RFC 3533: the fields of a page header.
constexpr std::size_t kHeaderBytes = 27, kFlags = 5, kGranule = 6, kSerial = 14, kSequence = 18, kCrc = 22,
                      kSegments = 26;
constexpr unsigned kBegins = 2, kEnds = 4;
constexpr std::int64_t kNoGranule = -1;  // no packet ends on the page
constexpr std::uint64_t kFixedSerial = 1;

using Bytes = std::vector<unsigned char>;
using Read = std::function<std::size_t(void*, std::size_t)>;

enum class Found { page, end, cut, junk };

/// Appends `bytes` to the page; false when there are fewer.
bool extend(const Read& read, Bytes& page, std::size_t bytes) {
  const std::size_t before = page.size();
  page.resize(before + bytes);
  page.resize(before + read(page.data() + before, bytes));
  return page.size() == before + bytes;
}

Found next_page(const Read& read, Bytes& page) {
  page.clear();
  const bool whole = extend(read, page, kHeaderBytes);
  if (page.empty()) return Found::end;
  if (std::memcmp(page.data(), "OggS", std::min<std::size_t>(4, page.size())) != 0) return Found::junk;
  if (!whole || !extend(read, page, page[kSegments])) return Found::cut;
  std::size_t body = 0;
  for (std::size_t i = kHeaderBytes; i < page.size(); ++i) body += page[i];
  return extend(read, page, body) ? Found::page : Found::cut;
}

constexpr std::array<std::uint32_t, 256> make_crc_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte << 24;
    for (int bit = 0; bit < 8; ++bit) crc = crc << 1 ^ (crc >> 31 != 0 ? 0x04C11DB7U : 0U);
    table[byte] = crc;
  }
  return table;
}

/// The checksum of a page counts its own field as zero.
std::uint32_t checksum(const Bytes& page) {
  static constexpr auto kTable = make_crc_table();
  std::uint32_t crc = 0;
  for (std::size_t i = 0; i < page.size(); ++i) {
    const unsigned char byte = i >= kCrc && i < kCrc + 4 ? 0 : page[i];
    crc = crc << 8 ^ kTable[crc >> 24 ^ byte];
  }
  return crc;
}

std::uint32_t field32(const Bytes& page, std::size_t at) {
  return static_cast<std::uint32_t>(little_endian(page.data() + at, 4));
}

void put32(Bytes& page, std::size_t at, std::uint64_t value) {
  for (std::size_t i = 0; i < 4; ++i) page[at + i] = static_cast<unsigned char>(value >> (8 * i) & 0xFF);
}

struct Logical {
  int granule_rate = 0;  // granules a second; 0: unknown codec
  std::uint32_t next_page = 0;
  bool ended = false;
};

int granule_rate(const Bytes& page) {
  const unsigned char* packet = page.data() + kHeaderBytes + page[kSegments];
  const std::size_t bytes = page.size() - kHeaderBytes - page[kSegments];
  if (bytes >= 19 && std::memcmp(packet, "OpusHead", 8) == 0) return 48000;
  if (bytes >= 30 && std::memcmp(packet, "\x01vorbis", 7) == 0) return static_cast<int>(little_endian(packet + 12, 4));
  return 0;
}

class Checker {
 public:
  explicit Checker(Source& source) : source_(source) {}

  OggCheck run() {
    const Read read = [this](void* out, std::size_t bytes) { return source_.read(out, bytes); };
    Bytes page;
    Found found = Found::end;
    while ((found = next_page(read, page)) == Found::page) {
      count(page);
      page_begin_ = source_.position();
    }
    if (found == Found::junk && !all_ended()) corrupt("no Ogg page where one must begin");
    OggCheck check;
    check.streams = streams_;
    check.holds_sound = holds_sound_;
    if (found == Found::cut)
      check.missing = "truncated Ogg page" + place();
    else if (!all_ended())
      check.missing = "truncated: no last Ogg page, the file ends" + place();
    return check;
  }

 private:
  void count(const Bytes& page) {
    if (checksum(page) != field32(page, kCrc)) corrupt("damaged Ogg page");
    const bool begins = (page[kFlags] & kBegins) != 0;
    Logical& stream = logical_[field32(page, kSerial)];
    if (begins) {
      stream = {granule_rate(page), field32(page, kSequence), false};
      ++streams_;
    }
    if (field32(page, kSequence) != stream.next_page) corrupt("missing Ogg page");
    ++stream.next_page;
    stream.ended = (page[kFlags] & kEnds) != 0;
    const auto granule = static_cast<std::int64_t>(little_endian(page.data() + kGranule, 8));
    holds_sound_ |= granule > 0;
    if (granule != kNoGranule && stream.granule_rate > 0) {
      seconds_ = static_cast<double>(granule) / stream.granule_rate;
    }
  }

  [[nodiscard]] bool all_ended() const {
    for (const auto& [serial, stream] : logical_) {
      if (!stream.ended) return false;
    }
    return true;
  }

  [[nodiscard]] std::string place() const {
    return " at " + (seconds_ < 0 ? "byte " + std::to_string(page_begin_) : seconds_text(seconds_));
  }
  [[noreturn]] void corrupt(const char* what) const { fail(source_.name(), "corrupt_media", what + place()); }

  Source& source_;
  std::map<std::uint32_t, Logical> logical_;  // by serial number
  int streams_ = 0;
  bool holds_sound_ = false;
  double seconds_ = -1;          // where the pages read so far end
  std::int64_t page_begin_ = 0;  // of the page being read
};

}  // namespace

OggCheck check_ogg(Source& source) {
  source.seek(0);
  return Checker(source).run();
}

void fix_ogg_serial(int descriptor, const std::string& name) {
  off_t position = 0;
  off_t next = 0;
  const Read read = [descriptor, &next](void* out, std::size_t bytes) {
    const ssize_t got = ::pread(descriptor, out, bytes, next);
    next += got > 0 ? got : 0;
    return static_cast<std::size_t>(got > 0 ? got : 0);
  };
  Bytes page;
  while (next_page(read, page) == Found::page) {
    put32(page, kSerial, kFixedSerial);
    put32(page, kCrc, checksum(page));
    const auto bytes = static_cast<ssize_t>(kHeaderBytes);
    if (::pwrite(descriptor, page.data(), kHeaderBytes, position) != bytes) write_failed(name, errno);
    position = next;
  }
}

}  // namespace tessera::media
