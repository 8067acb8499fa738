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

/// A byte of a panel with codes of kBits.
template <int kBits>
struct Code {
  std::uint8_t byte;
};

template <class T>
inline constexpr bool kIsCode = false;
template <int kBits>
inline constexpr bool kIsCode<Code<kBits>> = true;

template <int kBits>
struct PanelStep<Code<kBits>> {
  static std::int64_t of(std::int64_t depth) { return quantised::panel_bytes(kBits, depth); }
};

template <int kBits>
static HWY_INLINE const Code<kBits>* codes_of(const Code<kBits>* panel, std::int64_t depth) {
  return panel + quantised::scale_bytes(depth);
}

template <int kBits>
static HWY_INLINE Floats load_scales(const Code<kBits>* panel, std::int64_t k) {
  return load_panel(reinterpret_cast<const hwy::bfloat16_t*>(panel) + k / quantised::kGroup * 16);
}

/// Eight inputs' codes of 8 bits: each is loaded when it is used.
struct Octet8 {
  const std::int8_t* at;
  template <int kIndex>
  HWY_INLINE Floats code() const {
    Floats r;
    const hn::Rebind<std::int8_t, FloatTag> narrow;
    TESSERA_EACH_PART {
      const auto code = hn::LoadU(narrow, at + kIndex * 16 + p * kPart);
      r.part[p] = hn::ConvertTo(FloatTag(), hn::PromoteTo(IntTag(), code));
    }
    return r;
  }
};

/// Eight inputs' codes of 4 bits, a word for each output.
struct Octet4 {
  Ints words;
  template <int kIndex>
  HWY_INLINE Floats code() const {
    Floats r;
#if HWY_TARGET <= HWY_AVX3
    // The lookup reads the low four bits of a lane; Highway's own checks want the others gone.
    HWY_ALIGN static constexpr float kValues[16] = {0, 1, 2, 3, 4, 5, 6, 7, -8, -7, -6, -5, -4, -3, -2, -1};
    auto index = hn::ShiftRight<4 * kIndex>(words.part[0]);
    if constexpr (HWY_IS_DEBUG_BUILD) index = hn::And(index, hn::Set(IntTag(), 15));
    r.part[0] = hn::TableLookupLanes(hn::Load(FloatTag(), kValues), hn::IndicesFromVec(FloatTag(), index));
#else
    TESSERA_EACH_PART {
      const auto top = hn::ShiftLeft<28 - 4 * kIndex>(words.part[p]);
      r.part[p] = hn::ConvertTo(FloatTag(), hn::ShiftRight<28>(top));
    }
#endif
    return r;
  }
};

/// Of inputs k … k + 7; k is a multiple of 8.
static HWY_INLINE Octet8 load_octet(const Code<8>* codes, std::int64_t k) {
  return {reinterpret_cast<const std::int8_t*>(codes) + k * 16};
}
static HWY_INLINE Octet4 load_octet(const Code<4>* codes, std::int64_t k) {
  Octet4 octet;
  const auto* words = reinterpret_cast<const std::int32_t*>(codes) + k / quantised::kOctet * 16;
  TESSERA_EACH_PART octet.words.part[p] = hn::LoadU(IntTag(), words + p * kPart);
  return octet;
}

/// Calls `body<kIndex>()` for the inputs of an octet that there are.
template <class Body>
static HWY_INLINE void each_of_octet(std::int64_t count, const Body& body) {
  if (count >= quantised::kOctet) return each<8>(body);
  each<7>([&]<int kIndex>() TESSERA_INLINE_LAMBDA {
    if (kIndex < count) body.template operator()<kIndex>();
  });
}

template <int kBits>
static void widen_panel(const Code<kBits>* panel, std::int64_t depth, float* wide) {
  for (std::int64_t k = 0; k < depth; k += quantised::kOctet) {
    const Floats scale = load_scales(panel, k);
    const auto octet = load_octet(codes_of(panel, depth), k);
    each_of_octet(depth - k, [&]<int kIndex>() TESSERA_INLINE_LAMBDA {
      store(Lanes::mul(octet.template code<kIndex>(), scale), wide + (k + kIndex) * 16);
    });
  }
}

/// Asks for an octet of the panels behind the block's: a panel's part of a slice is too short for processors to foresee
/// what follows.
template <int kBits>
static HWY_INLINE void prefetch_octet(const Code<kBits>* codes, std::int64_t k) {
  const Code<kBits>* at = codes + k / quantised::kOctet * (kBits * 16);
  for (int line = 0; line < kBits * 16; line += 64) __builtin_prefetch(at + line);
}

/// Rows of one run each.
template <int kRows, int kPanels, int kBits>
static HWY_INLINE void multiply_block(const float* rows, std::int64_t row_step, const SliceRuns& slice,
                                      const Code<kBits>* panels, std::int64_t panel_step, const Sink& sink, Ahead&) {
  const float* x = rows + slice.runs[0].offset;
  const std::int64_t depth = slice.depth();
  Floats chain[kRows][kPanels];
  each<kRows>([&]<int kRow>() TESSERA_INLINE_LAMBDA {
    each<kPanels>([&]<int kPanel>() TESSERA_INLINE_LAMBDA { chain[kRow][kPanel] = Lanes::set(0.0F); });
  });
  for (std::int64_t k = 0; k < depth; k += quantised::kOctet) {
    Floats scale[kPanels];
    decltype(load_octet(panels, 0)) octet[kPanels];
    each<kPanels>([&]<int kPanel>() TESSERA_INLINE_LAMBDA {
      const Code<kBits>* panel = panels + kPanel * panel_step;
      scale[kPanel] = load_scales(panel, k);
      octet[kPanel] = load_octet(codes_of(panel, depth), k);
      prefetch_octet(codes_of(panel, depth) + kPanels * panel_step, k);
    });
    each_of_octet(depth - k, [&]<int kIndex>() TESSERA_INLINE_LAMBDA {
      each<kPanels>([&]<int kPanel>() TESSERA_INLINE_LAMBDA {
        const Floats w = Lanes::mul(octet[kPanel].template code<kIndex>(), scale[kPanel]);
        each<kRows>([&]<int kRow>() TESSERA_INLINE_LAMBDA {
          const Floats value = Lanes::set(x[kRow * row_step + k + kIndex]);
          chain[kRow][kPanel] = Lanes::fma(value, w, chain[kRow][kPanel]);
        });
      });
    });
  }
  finish_block<kRows, kPanels>(chain, sink);
}

}  // namespace tessera::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
