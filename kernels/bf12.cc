#include "kernels/bf12.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <vector>

#include "kernels/narrow.h"
#include "kernels/quantised.h"

namespace tessera::bf12 {
namespace {

std::uint32_t exponent_of(std::uint16_t bits) { return bits >> 7 & 255U; }

// One slice of a panel, [depth][16]. Outputs behind the last one repeat the first of the panel.
class Slice {
 public:
  Slice(const WeightSource& weight, std::int64_t first, std::int64_t k, std::int64_t depth) : depth_(depth) {
    float staged[16 * kSlice];
    const float* rows[16];
    const std::int64_t count = std::min<std::int64_t>(16, weight.rows() - first);
    for (std::int64_t n = 0; n < count; ++n) rows[n] = weight.read(first + n, k, depth, staged + n * kSlice);
    std::fill(rows + count, rows + 16, rows[0]);
    for (std::int64_t i = 0; i < depth; ++i) {
      for (std::int64_t n = 0; n < 16; ++n) bits_[i * 16 + n] = bf16_from_float(rows[n][i]);
    }
  }

  [[nodiscard]] std::int64_t octets() const { return (depth_ + kOctet - 1) / kOctet; }
  [[nodiscard]] std::int64_t size() const { return depth_ * 16; }
  [[nodiscard]] const std::uint16_t* bits() const { return bits_; }
  [[nodiscard]] const std::uint16_t* octet(std::int64_t o) const { return bits_ + o * kOctet * 16; }
  [[nodiscard]] std::int64_t octet_size(std::int64_t o) const { return std::min(kOctet, depth_ - o * kOctet) * 16; }

 private:
  std::int64_t depth_;
  std::uint16_t bits_[16 * kSlice];
};

// The least of the exponents in reach of which most weights have one.
std::uint32_t choose_base(const Slice& slice) {
  std::uint32_t counts[2][256] = {};
  for (std::int64_t i = 0; i < slice.size(); i += 2) {
    ++counts[0][exponent_of(slice.bits()[i])];
    ++counts[1][exponent_of(slice.bits()[i + 1])];
  }
  std::uint32_t best = 0;
  std::uint32_t most = 0;
  std::uint32_t held = 0;
  // Infinities and NaN, of exponent 255, stay as they are.
  for (std::uint32_t end = 0; end < 255; ++end) {
    held += counts[0][end] + counts[1][end];
    if (end >= kReach) held -= counts[0][end - kReach] + counts[1][end - kReach];
    if (held > most) most = held, best = end < kReach ? 0 : end - kReach + 1;
  }
  return best;
}

bool out_of_reach(const std::uint16_t* bits, std::int64_t count, std::uint32_t base) {
  std::uint32_t all = 0;
  for (std::int64_t i = 0; i < count; ++i) all |= exponent_of(bits[i]) - base;
  return all >= kReach;
}

Header plan(const Slice& slice) {
  Header header;
  header.base = choose_base(slice);
  for (std::int64_t o = 0; o < slice.octets(); ++o) {
    if (out_of_reach(slice.octet(o), slice.octet_size(o), header.base)) header.raw |= 1U << o;
  }
  return header;
}

void write_octet(const std::uint16_t* bits, std::int64_t count, std::uint32_t base, std::byte* octet) {
  std::uint32_t words[3][16] = {};
  for (int i = 0; i < static_cast<int>(count / 16); ++i, bits += 16) {
    for (std::int64_t n = 0; n < 16; ++n) {
      words[0][n] |= ((exponent_of(bits[n]) - base) & (kReach - 1)) << i * 4;
      words[1 + i / 4][n] |= std::rotr(static_cast<std::uint32_t>(bits[n]) << 16 & kSignAndFraction, i % 4 * 8);
    }
  }
  std::memcpy(octet, words, sizeof words);
}

void write(const Slice& slice, const Header& header, std::byte* panel) {
  std::memcpy(panel, &header, sizeof header);
  std::byte* raw = panel + header.raw_at;
  for (std::int64_t o = 0; o < slice.octets(); ++o) {
    write_octet(slice.octet(o), slice.octet_size(o), header.base, panel + kHeaderBytes + o * kOctetBytes);
    if ((header.raw >> o & 1) == 0) continue;
    std::memcpy(raw, slice.octet(o), static_cast<std::size_t>(slice.octet_size(o)) * 2);
    raw += kRawOctetBytes;
  }
}

template <class Body>
void each_slice(Context& context, const PackedWeights& packed, const WeightSource& weight, const Body& body) {
  context.parallel_for(packed.panel_count(), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t panel = begin; panel < end; ++panel) {
      for (std::int64_t k = 0; k < packed.inputs; k += kSlice) {
        const Slice slice(weight, panel * 16, k, packed.slice_depth(k));
        body(slice, k / kSlice * packed.panel_count() + panel, quantised::panel_offset(packed, k, panel));
      }
    }
  });
}

// Says where octets as they are lie, the first at byte `at`; returns where they end.
std::int64_t place(const PackedWeights& packed, std::vector<Header>& headers, std::int64_t at) {
  std::size_t i = 0;
  for (std::int64_t k = 0; k < packed.inputs; k += kSlice) {
    for (std::int64_t panel = 0; panel < packed.panel_count(); ++panel, ++i) {
      headers[i].raw_at = at - quantised::panel_offset(packed, k, panel);
      at += std::popcount(headers[i].raw) * kRawOctetBytes;
    }
  }
  return at;
}

}  // namespace

std::optional<PackedWeights> pack(Context& context, const WeightSource& weight) {
  PackedWeights packed;
  packed.inputs = weight.columns();
  packed.outputs = weight.rows();
  packed.codes = WeightCodes::bf12;
  std::vector<Header> headers(static_cast<std::size_t>((packed.inputs + kSlice - 1) / kSlice * packed.panel_count()));
  each_slice(context, packed, weight, [&](const Slice& slice, std::int64_t i, std::int64_t) {
    headers[static_cast<std::size_t>(i)] = plan(slice);
  });
  const std::int64_t end = place(packed, headers, quantised::all_panels_bytes(packed));
  if (end > packed.panel_count() * packed.inputs * 16 * 2 * 7 / 8) return std::nullopt;
  quantised::allocate(context, packed, end, [&](std::byte* bytes) {
    each_slice(context, packed, weight, [&](const Slice& slice, std::int64_t i, std::int64_t offset) {
      write(slice, headers[static_cast<std::size_t>(i)], bytes + offset);
    });
  });
  return packed;
}

}  // namespace tessera::bf12
