// Quantised weights in the product: widened panel by panel for many rows, on the way into registers for few.

#if defined(TESSERA_KERNELS_QUANTISED_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TESSERA_KERNELS_QUANTISED_INL_H_
#undef TESSERA_KERNELS_QUANTISED_INL_H_
#else
#define TESSERA_KERNELS_QUANTISED_INL_H_
#endif

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

/// Eight inputs' codes: each is loaded when it is used.
template <WeightCodes kCodes>
struct Octet {
  const std::uint8_t* at;
  /// Of inputs k … k + 7; k is a multiple of 8.
  HWY_INLINE Octet(const Code<kCodes>* codes, std::int64_t k)
      : at(&codes[k * (kCodes == WeightCodes::int4 ? 8 : 16)].byte) {}

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

template <WeightCodes kCodes>
static void widen_panel(const Code<kCodes>* panel, std::int64_t depth, float* wide) {
  for (std::int64_t first = 0; first < depth; first += quantised::kGroup) {
    GroupScales<kCodes> group;
    group.load(panel, first);
    for (std::int64_t k = first; k < std::min(depth, first + quantised::kGroup); k += quantised::kOctet) {
      const Octet<kCodes> octet(codes_of(panel, depth), k);
      each_of_octet(depth - k, [&]<int kIndex>() TESSERA_INLINE_LAMBDA {
        store(octet.template weight<kIndex>(group), wide + (k + kIndex) * 16);
      });
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
  const auto octet = [&](const GroupScales<kCodes>(&group)[kPanels], std::int64_t k) TESSERA_INLINE_LAMBDA {
    prefetch.octet();
    each_of_octet(depth - k, [&]<int kIndex>() TESSERA_INLINE_LAMBDA {
      each<kPanels>([&]<int kPanel>() TESSERA_INLINE_LAMBDA {
        const Octet<kCodes> at(codes + kPanel * panel_step, k);
        const Floats w = at.template weight<kIndex>(group[kPanel]);
        each<kRows>([&]<int kRow>() TESSERA_INLINE_LAMBDA {
          const Floats value = Lanes::set(rows.template value<kRow>(x + k + kIndex));
          chain[kRow][kPanel] = Lanes::fma(value, w, chain[kRow][kPanel]);
        });
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
