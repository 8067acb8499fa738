// Quantised weights in the product: widened panel by panel for many rows, on the way into registers for few.

#if defined(TESSERA_KERNELS_QUANTISED_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TESSERA_KERNELS_QUANTISED_INL_H_
#undef TESSERA_KERNELS_QUANTISED_INL_H_
#else
#define TESSERA_KERNELS_QUANTISED_INL_H_
#endif

#include <bit>
#include <cstddef>
#include <cstring>

#include "kernels/product_block-inl.h"
#include "kernels/quantised.h"

HWY_BEFORE_NAMESPACE();
namespace tessera::HWY_NAMESPACE {

/// A byte of a panel of codes.
template <WeightCodes kCodes>
struct Code {
  std::uint8_t byte;
};

template <class T>
inline constexpr bool kIsCode = false;
template <WeightCodes kCodes>
inline constexpr bool kIsCode<Code<kCodes>> = true;

template <WeightCodes kCodes>
struct PanelStep<Code<kCodes>> {
  static std::int64_t of(std::int64_t depth) { return quantised::panel_bytes(kCodes, depth); }
};

template <WeightCodes kCodes>
static HWY_INLINE const Code<kCodes>* codes_of(const Code<kCodes>* panel, std::int64_t depth) {
  return panel + quantised::scale_bytes(kCodes, depth);
}

template <WeightCodes kCodes>
static HWY_INLINE Floats load_scales(const Code<kCodes>* panel, std::int64_t k) {
  return load_panel(reinterpret_cast<const hwy::bfloat16_t*>(panel) + k / quantised::kGroup * 16);
}

/// A nibble c of words as the float 2^(23 - kBit) + c: in place, as its last bits. Words that begin a byte before the
/// nibble's own hold it at bit 8 or 12, so that nothing is shifted.
template <int kBit>
struct Nibble {
  static constexpr int kByte = -1;
  static constexpr float kPower = static_cast<float>(1 << (23 - kBit));
  static HWY_INLINE hn::Vec<FloatTag> to_float(hn::Vec<IntTag> words) {
    const auto mask = hn::Set(IntTag(), 15 << kBit);
    const auto power = hn::BitCast(IntTag(), hn::Set(FloatTag(), kPower));
#if HWY_TARGET <= HWY_AVX3
    // OrAnd would overwrite a copy of the power, which takes as long as the operation.
    const hn::Vec<IntTag> bits{_mm512_ternarylogic_epi32(words.raw, mask.raw, power.raw, 0xEA)};
#else
    const auto bits = hn::OrAnd(power, words, mask);
#endif
    return hn::BitCast(FloatTag(), bits);
  }
};
using OddNibble = Nibble<12>;

#if HWY_TARGET <= HWY_AVX3
/// Looked up: the same words serve the byte's own even nibble and the next byte's odd one without a copy.
struct EvenNibble {
  static constexpr int kByte = 0;
  static constexpr float kPower = OddNibble::kPower;
  static HWY_INLINE hn::Vec<FloatTag> to_float(hn::Vec<IntTag> words) {
    // The lookup reads the low four bits of a lane; Highway's own checks want the others gone.
    if constexpr (HWY_IS_DEBUG_BUILD) words = hn::And(words, hn::Set(IntTag(), 15));
    return hn::TableLookupLanes(hn::Iota(FloatTag(), kPower), hn::IndicesFromVec(FloatTag(), words));
  }
};
#else
using EvenNibble = Nibble<8>;
#endif

/// Octets of a panel's slice that lie as they are (kernels/bf12.h).
template <WeightCodes kCodes>
struct RawOctets {
  static constexpr std::uint32_t which = 0;
  explicit RawOctets(const Code<kCodes>* /*panel*/) {}
  [[nodiscard]] static const hwy::bfloat16_t* at(std::int64_t /*octet*/) { return nullptr; }
};

template <>
struct RawOctets<WeightCodes::bf12> {
  std::uint32_t which;
  HWY_INLINE explicit RawOctets(const Code<WeightCodes::bf12>* panel) {
    bf12::Header header;
    std::memcpy(static_cast<void*>(&header), &panel->byte, sizeof header);
    which = header.raw;
    first = reinterpret_cast<const std::uint8_t*>(panel) + header.raw_at;
  }
  /// Of one that `which` names.
  [[nodiscard]] const hwy::bfloat16_t* at(std::int64_t octet) const {
    const int before = std::popcount(which & ((1U << octet) - 1));
    return reinterpret_cast<const hwy::bfloat16_t*>(first + before * bf12::kRawOctetBytes);
  }

 private:
  const std::uint8_t* first;
};

/// What makes codes of a group weights.
template <WeightCodes kCodes>
struct GroupScales;

template <>
struct GroupScales<WeightCodes::int8> {
  Floats scale;
  HWY_INLINE void load(const Code<WeightCodes::int8>* panel, std::int64_t k) { scale = load_scales(panel, k); }
};

template <>
struct GroupScales<WeightCodes::int4> {
  Floats scale, even, odd;
  HWY_INLINE void load(const Code<WeightCodes::int4>* panel, std::int64_t k) {
    scale = load_scales(panel, k);
    even = offset<EvenNibble>();
    odd = offset<OddNibble>();
  }
  /// What takes the power of two and the codes' bias away again.
  template <class AnyNibble>
  [[nodiscard]] HWY_INLINE Floats offset() const {
    return Lanes::mul(scale, Lanes::set(-(AnyNibble::kPower + quantised::kBias4)));
  }
};

template <>
struct GroupScales<WeightCodes::e4m3> {
  Floats scale;
  HWY_INLINE void load(const Code<WeightCodes::e4m3>* panel, std::int64_t k) {
    scale = load_panel(reinterpret_cast<const float*>(panel) + k / quantised::kGroup * 16);
  }
};

/// Where a float's exponent is.
inline constexpr int kExponentBit = 23;

template <>
struct GroupScales<WeightCodes::bf12> {
  Ints base;  ///< exponents in their place; with a lookup of sixteen, of one distance in each lane
  HWY_INLINE void load(const Code<WeightCodes::bf12>* panel, std::int64_t /*k*/) {
    std::int32_t least = 0;
    std::memcpy(&least, &panel->byte + offsetof(bf12::Header, base), sizeof least);
    base = Lanes::iset(least << kExponentBit);
    if constexpr (kParts == 1) base = Lanes::iadd(base, Lanes::shift_left<kExponentBit>({hn::Iota(IntTag(), 0)}));
  }
};

template <int kBits>
static HWY_INLINE hn::Vec<IntTag> rotate_left(hn::Vec<IntTag> x) {
  if constexpr (kBits == 0) return x;
  return hn::BitCast(IntTag(), hn::RotateRight<(32 - kBits) % 32>(hn::BitCast(hn::RebindToUnsigned<IntTag>(), x)));
}

/// The exponents of an octet's input `kIndex`, in their place.
template <int kIndex>
static HWY_INLINE hn::Vec<IntTag> exponent_of(hn::Vec<IntTag> words, hn::Vec<IntTag> base) {
#if HWY_TARGET <= HWY_AVX3
  // The lookup reads the low four bits of a lane.
  const auto far = hn::BitCast(hn::RebindToUnsigned<IntTag>(), words);
  return hn::Vec<IntTag>{_mm512_permutexvar_epi32(hn::ShiftRight<kIndex * 4>(far).raw, base.raw)};
#else
  constexpr int kLeft = kExponentBit - kIndex * 4;
  if constexpr (kLeft > 0) words = hn::ShiftLeft<kLeft>(words);
  if constexpr (kLeft < 0) words = hn::ShiftRight<-kLeft>(words);
  return hn::Add(base, hn::And(words, hn::Set(IntTag(), 15 << kExponentBit)));
#endif
}

/// Eight inputs' codes: each is loaded when it is used.
template <WeightCodes kCodes>
struct Octet {
  static constexpr std::int64_t kBytes = quantised::panel_bytes(kCodes, 8) - quantised::scale_bytes(kCodes, 8);
  const std::uint8_t* at;
  /// Of inputs k … k + 7 of a slice; k is a multiple of 8.
  HWY_INLINE Octet(const Code<kCodes>* codes, std::int64_t k) : at(&codes[k * kBytes / 8].byte) {}

  template <int kIndex>
  HWY_INLINE Floats weight(const GroupScales<WeightCodes::int8>& group) const {
    Floats r;
    const hn::Rebind<std::int8_t, FloatTag> narrow;
    TESSERA_EACH_PART {
      const auto code =
          hn::BitCast(narrow, hn::LoadU(hn::RebindToUnsigned<decltype(narrow)>(), at + kIndex * 16 + p * kPart));
      r.part[p] = hn::Mul(hn::ConvertTo(FloatTag(), hn::PromoteTo(IntTag(), code)), group.scale.part[p]);
    }
    return r;
  }

  /// Bit 7 becomes a float's sign, the others stand where kE4m3Power says.
  template <int kIndex>
  HWY_INLINE Floats weight(const GroupScales<WeightCodes::e4m3>& group) const {
    Floats r;
    const hn::Rebind<std::int8_t, FloatTag> narrow;
    const auto mask = hn::Set(IntTag(), static_cast<std::int32_t>(0x87f00000));
    TESSERA_EACH_PART {
      const auto code =
          hn::BitCast(narrow, hn::LoadU(hn::RebindToUnsigned<decltype(narrow)>(), at + kIndex * 16 + p * kPart));
      const auto bits = hn::And(hn::ShiftLeft<20>(hn::PromoteTo(IntTag(), code)), mask);
      r.part[p] = hn::Mul(hn::BitCast(FloatTag(), bits), group.scale.part[p]);
    }
    return r;
  }

  template <int kIndex>
  HWY_INLINE Floats weight(const GroupScales<WeightCodes::bf12>& group) const {
    Floats r;
    const hn::Repartition<std::uint8_t, FloatTag> bytes;
    const auto mask = hn::Set(IntTag(), static_cast<std::int32_t>(bf12::kSignAndFraction));
    TESSERA_EACH_PART {
      const std::uint8_t* lanes = at + p * kPart * 4;
      const auto exponents = hn::BitCast(IntTag(), hn::LoadU(bytes, lanes));
      const auto others = hn::BitCast(IntTag(), hn::LoadU(bytes, lanes + 64 + kIndex / 4 * 64));
      const auto placed = rotate_left<kIndex % 4 * 8>(others);
      const auto bits = hn::OrAnd(exponent_of<kIndex>(exponents, group.base.part[p]), placed, mask);
      r.part[p] = hn::BitCast(FloatTag(), bits);
    }
    return r;
  }

  /// The one rounding changes nothing: offsets have 21 bits, weights 12.
  template <int kIndex>
  HWY_INLINE Floats weight(const GroupScales<WeightCodes::int4>& group) const {
    using AnyNibble = std::conditional_t<kIndex % 2 == 0, EvenNibble, OddNibble>;
    const Floats& offset = kIndex % 2 == 0 ? group.even : group.odd;
    Floats r;
    const hn::Repartition<std::uint8_t, FloatTag> bytes;
    TESSERA_EACH_PART {
      const auto words = hn::BitCast(IntTag(), hn::LoadU(bytes, at + p * kPart * 4 + kIndex / 2 + AnyNibble::kByte));
      r.part[p] = hn::MulAdd(AnyNibble::to_float(words), group.scale.part[p], offset.part[p]);
    }
    return r;
  }
};

/// Calls `body<kIndex>()` for the inputs of an octet that there are.
template <class Body>
static HWY_INLINE void each_of_octet(std::int64_t count, const Body& body) {
  if (count >= quantised::kOctet) return each<8>(body);
  each<7>([&]<int kIndex>() TESSERA_INLINE_LAMBDA {
    if (kIndex < count) body.template operator()<kIndex>();
  });
}

/// Octet k / 8 of a panel's slice as floats [8][16], as it is or of its codes.
template <WeightCodes kCodes>
static HWY_INLINE void widen_octet(const Code<kCodes>* panel, std::int64_t depth, std::int64_t k,
                                   const GroupScales<kCodes>& group, float* wide) {
  const RawOctets<kCodes> raw(panel);
  if ((raw.which >> k / quantised::kOctet & 1) != 0) {
    return widen_panel(raw.at(k / quantised::kOctet), std::min(depth - k, quantised::kOctet), wide);
  }
  const Octet<kCodes> octet(codes_of(panel, depth), k);
  each_of_octet(depth - k, [&]<int kIndex>() TESSERA_INLINE_LAMBDA {
    store(octet.template weight<kIndex>(group), wide + kIndex * 16);
  });
}

/// The same, seldom wanted.
template <WeightCodes kCodes>
static HWY_NOINLINE void widen_rare_octet(const Code<kCodes>* panel, std::int64_t depth, std::int64_t k, float* wide) {
  GroupScales<kCodes> group;
  group.load(panel, k);
  widen_octet(panel, depth, k, group, wide);
}

template <WeightCodes kCodes>
static void widen_panel(const Code<kCodes>* panel, std::int64_t depth, float* wide) {
  for (std::int64_t first = 0; first < depth; first += quantised::kGroup) {
    GroupScales<kCodes> group;
    group.load(panel, first);
    for (std::int64_t k = first; k < std::min(depth, first + quantised::kGroup); k += quantised::kOctet) {
      widen_octet(panel, depth, k, group, wide + k * 16);
    }
  }
}

/// Asks for the next block of panels while one is computed, in the order of the memory: a panel's part of a slice is
/// too short for processors to foresee what follows.
template <int kPanels, WeightCodes kCodes>
class Prefetch {
 public:
  HWY_INLINE explicit Prefetch(const Code<kCodes>* behind) : at_(reinterpret_cast<const char*>(behind)) {}

  HWY_INLINE void octet() {
    each<(kBytes + 63) / 64>([&]<int kLine>() TESSERA_INLINE_LAMBDA { __builtin_prefetch(at_ + kLine * 64); });
    at_ += kBytes;
  }

 private:
  static constexpr int kBytes =
      kPanels * static_cast<int>(quantised::panel_bytes(kCodes, kSlice) * quantised::kOctet / kSlice);
  const char* at_;
};

/// Rows of one run each.
template <int kRows, int kPanels, WeightCodes kCodes>
static HWY_INLINE void multiply_block(const RowsInPlace& rows, const SliceRuns& slice, const Code<kCodes>* panels,
                                      std::int64_t panel_step, const Code<kCodes>* behind, const Sink& sink,
                                      Ahead& /*ahead*/) {
  const float* x = slice.count == 0 ? rows.at : rows.at + slice.runs[0].offset;
  const std::int64_t depth = slice.depth();
  Floats chain[kRows][kPanels];
  each<kRows>([&]<int kRow>() TESSERA_INLINE_LAMBDA {
    each<kPanels>([&]<int kPanel>() TESSERA_INLINE_LAMBDA { chain[kRow][kPanel] = Lanes::set(0.0F); });
  });
  const Code<kCodes>* codes = codes_of(panels, depth);
  Prefetch<kPanels, kCodes> prefetch(behind);
  const auto multiply = [&]<int kPanel>(const Floats& w, std::int64_t k) TESSERA_INLINE_LAMBDA {
    each<kRows>([&]<int kRow>() TESSERA_INLINE_LAMBDA {
      const Floats value = Lanes::set(rows.template value<kRow>(x + k));
      chain[kRow][kPanel] = Lanes::fma(value, w, chain[kRow][kPanel]);
    });
  };
  std::uint32_t raw = 0;
  each<kPanels>([&]<int kPanel>()
                    TESSERA_INLINE_LAMBDA { raw |= RawOctets<kCodes>(panels + kPanel * panel_step).which; });
  const auto octet = [&](const GroupScales<kCodes>(&group)[kPanels], std::int64_t k) TESSERA_INLINE_LAMBDA {
    prefetch.octet();
    if ((raw >> k / quantised::kOctet & 1) != 0) {
      HWY_ALIGN float wide[kPanels][quantised::kOctet * 16];
      each<kPanels>([&]<int kPanel>() TESSERA_INLINE_LAMBDA {
        widen_rare_octet(panels + kPanel * panel_step, depth, k, wide[kPanel]);
      });
      for (std::int64_t i = 0; i < std::min(depth - k, quantised::kOctet); ++i) {
        each<kPanels>([&]<int kPanel>() TESSERA_INLINE_LAMBDA {
          multiply.template operator()<kPanel>(load(wide[kPanel] + i * 16), k + i);
        });
      }
      return;
    }
    each_of_octet(depth - k, [&]<int kIndex>() TESSERA_INLINE_LAMBDA {
      each<kPanels>([&]<int kPanel>() TESSERA_INLINE_LAMBDA {
        const Octet<kCodes> at(codes + kPanel * panel_step, k);
        multiply.template operator()<kPanel>(at.template weight<kIndex>(group[kPanel]), k + kIndex);
      });
    });
  };
  for (std::int64_t first = 0; first < depth; first += quantised::kGroup) {
    GroupScales<kCodes> group[kPanels];
    each<kPanels>([&]<int kPanel>() TESSERA_INLINE_LAMBDA { group[kPanel].load(panels + kPanel * panel_step, first); });
    const std::int64_t end = std::min(depth, first + quantised::kGroup);
    for (std::int64_t k = first; k < end; k += quantised::kOctet) octet(group, k);
  }
  finish_block<kRows, kPanels>(chain, sink);
}

}  // namespace tessera::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
