// The inner loops of the product: a block of rows times a pair of panels over one slice, in registers.

#if defined(TESSERA_KERNELS_PRODUCT_BLOCK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TESSERA_KERNELS_PRODUCT_BLOCK_INL_H_
#undef TESSERA_KERNELS_PRODUCT_BLOCK_INL_H_
#else
#define TESSERA_KERNELS_PRODUCT_BLOCK_INL_H_
#endif

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <utility>

#include "kernels/product_edges-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tessera::HWY_NAMESPACE {

// Sums that fit the registers beside the panels and a broadcast: 12 x 32 or 8 x 48 of 32 AVX-512 registers, 6 x 16 of
// 16 AVX2. Where rows lie in place each takes a pointer, and twelve do not fit the integer registers. A single row is
// bound by memory: more panels in flight hide its latency.
#if !defined(TESSERA_SANITIZED)
inline constexpr int kBlockRows = kParts == 1 ? 8 : 6;
inline constexpr int kBlockPanels = kParts == 1 ? 3 : 1;
inline constexpr bool kStages = kParts == 1;
inline constexpr int kStagedRows = 12;
inline constexpr int kStagedPanels = 2;
inline constexpr int kStreamPanels = 4;
#else
// Compilers take minutes to instrument blocks of that size; the cut changes no bit.
inline constexpr int kBlockRows = 2;
inline constexpr int kBlockPanels = 1;
inline constexpr bool kStages = true;
inline constexpr int kStagedRows = 2;
inline constexpr int kStagedPanels = 1;
inline constexpr int kStreamPanels = 2;
#endif
/// While so many steps are computed, a kilobyte of what comes later is on its way to the second-level cache.
inline constexpr std::int64_t kAheadSteps = 64;

static HWY_INLINE Floats load_panel(const float* at) { return load(at); }

static HWY_INLINE Floats load_panel(const hwy::bfloat16_t* at) {
  Floats r;
  const hn::Rebind<std::uint16_t, FloatTag> narrow;
  const hn::RebindToUnsigned<FloatTag> wide;
  TESSERA_EACH_PART {
    const auto bits = hn::LoadU(narrow, reinterpret_cast<const std::uint16_t*>(at) + p * kPart);
    r.part[p] = hn::BitCast(FloatTag(), hn::ShiftLeft<16>(hn::PromoteTo(wide, bits)));
  }
  return r;
}

static HWY_INLINE Floats load_panel(const hwy::float16_t* at) {
  Floats r;
  const hn::Rebind<hwy::float16_t, FloatTag> narrow;
  TESSERA_EACH_PART r.part[p] = hn::PromoteTo(FloatTag(), hn::LoadU(narrow, at + p * kPart));
  return r;
}

/// Elements between two panels of T in a slice of `depth` inputs.
template <class T>
struct PanelStep {
  static std::int64_t of(std::int64_t depth) { return depth * 16; }
};

template <class T>
static void widen_panel(const T* panel, std::int64_t depth, float* wide) {
  for (std::int64_t k = 0; k < depth; ++k) store(load_panel(panel + k * 16), wide + k * 16);
}

/// Where a block's sums go: to = (from + sum) + bias. A row of -0.0, the number that changes no other, stands for what
/// is absent.
struct Sink {
  const float* from;
  std::int64_t from_step;
  const float* bias;
  float* to;
  std::int64_t to_step;

  HWY_INLINE Sink at(std::int64_t row, std::int64_t panel) const {
    const std::int64_t column = panel * 16;
    return {from + row * from_step + column, from_step, bias + column, to + row * to_step + column, to_step};
  }
};

/// What one slice takes of every row: runs of contiguous floats.
struct SliceRuns {
  struct Run {
    std::int64_t offset;  ///< from the row's first float
    std::int64_t depth;
  };
  static constexpr std::int64_t kLeastRun = 16;
  static constexpr int kMost = static_cast<int>(kSlice / kLeastRun) + 2;
  int count = 0;
  Run runs[kMost];

  void add(const Run& run) { runs[count++] = run; }
  [[nodiscard]] std::int64_t depth() const {
    std::int64_t sum = 0;
    for (int i = 0; i < count; ++i) sum += runs[i].depth;
    return sum;
  }
};

/// Memory that later blocks will read, asked for by the kilobyte while this one computes: first the next block's rows,
/// then the next slice's panels. Processors foresee neither.
class Ahead {
 public:
  static constexpr std::int64_t kBytes = 1024;

  /// `count` stretches of `bytes`, `step` bytes apart.
  struct Stretches {
    const char* at = nullptr;
    std::int64_t step = 0;
    std::int64_t bytes = 0;
    std::int64_t count = 0;
  };

  void rows(const Stretches& rows) { rows_ = {rows, 0}; }
  void panels(const Stretches& panels) { panels_ = {panels, 0}, behind_ = panels.at; }
  /// Where panels of the chunk behind this one begin.
  [[nodiscard]] const char* panels_behind() const { return behind_; }

  /// The next kilobyte; when all was asked for, `idle`.
  HWY_INLINE const char* next(const float* idle) {
    const char* at = rows_.take();
    if (at == nullptr) at = panels_.take();
    return at == nullptr ? reinterpret_cast<const char*>(idle) : at;
  }

 private:
  struct Queue {
    Stretches of;
    std::int64_t done = 0;  ///< bytes of the first stretch left

    HWY_INLINE const char* take() {
      if (of.count == 0) return nullptr;
      const char* at = of.at + done;
      done += kBytes;
      if (done >= of.bytes) {
        of.at += of.step;
        --of.count;
        done = 0;
      }
      return at;
    }
  };
  Queue rows_;
  Queue panels_;
  const char* behind_ = nullptr;
};

#define TESSERA_INLINE_FUNCTION static HWY_INLINE
#include "kernels/each.inc"
#undef TESSERA_INLINE_FUNCTION

/// A block's chains into its sink.
template <int kRows, int kPanels>
static HWY_INLINE void finish_block(const Floats (&chain)[kRows][kPanels], const Sink& sink) {
  each<kRows>([&]<int kRow>() TESSERA_INLINE_LAMBDA {
    each<kPanels>([&]<int kPanel>() TESSERA_INLINE_LAMBDA {
      const Floats sum = Lanes::add(load(sink.from + kRow * sink.from_step + kPanel * 16), chain[kRow][kPanel]);
      store(Lanes::add(sum, load(sink.bias + kPanel * 16)), sink.to + kRow * sink.to_step + kPanel * 16);
    });
  });
}

/// Rows where they are, `step` floats apart.
struct RowsInPlace {
  /// The panels stream from the second-level cache, so many inputs ahead of their use; processors foresee them in part.
  static constexpr std::int64_t kPrefetch = 4;
  const float* at;
  std::int64_t step;

  template <int kRow>
  [[nodiscard]] HWY_INLINE float value(const float* x) const {
    return x[kRow * step];
  }

  /// Calls `input(x)` for each input of the slice in order.
  template <int kRows, class Input, class Piece>
  HWY_INLINE void walk(const SliceRuns& slice, Ahead& ahead, const Input& input, const Piece& /*piece*/) const {
    for (int i = 0; i < slice.count; ++i) {
      const float* x = at + slice.runs[i].offset;
      const float* end = x + slice.runs[i].depth;
      if constexpr (kRows > 2) {
        while (end - x >= kAheadSteps) {
          const char* far = ahead.next(x);
          for (const float* stop = x + kAheadSteps; x != stop; ++x, far += Ahead::kBytes / kAheadSteps) {
            __builtin_prefetch(far, 0, 2);
            input(x);
          }
        }
      }
      for (; x != end; ++x) input(x);
    }
  }
};

/// Rows staged as [inputs / 16][kStagedRows][16]: one pointer serves them all, and however far apart they were, they
/// share no set of the cache.
struct StagedRows {
  static constexpr std::int64_t kPrefetch = 6;
  static constexpr std::int64_t kPiece = kStagedRows * 16;
  static constexpr std::int64_t kSize = kSlice / 16 * kPiece;
  const float* at;

  template <int kRow>
  [[nodiscard]] HWY_INLINE float value(const float* x) const {
    return x[kRow * 16];
  }

  /// Calls `input(x)` for each input of the slice in order, and `piece(i)` before the i-th sixteen of them.
  template <int kRows, class Input, class Piece>
  HWY_INLINE void walk(const SliceRuns& slice, Ahead& ahead, const Input& input, const Piece& piece) const {
    const float* x = at;
    const char* far = nullptr;
    std::int64_t left = slice.depth();
    for (std::int64_t i = 0; left >= 16; ++i, left -= 16, x += kPiece - 16) {
      piece(i);
      if (i % 2 == 0) far = ahead.next(x);
      const float* near = x + kPiece;
      for (const float* stop = x + 16; x != stop; ++x, near += 16, far += Ahead::kBytes / 32) {
        __builtin_prefetch(near);
        __builtin_prefetch(far, 0, 2);
        input(x);
      }
    }
    for (const float* end = x + left; x != end; ++x) input(x);
  }
};

/// Rows times panels `panel_step` elements apart: one chain of fused multiply-adds each. The rows' step is a value, not
/// in memory: multiples of it are then computed once and stay in registers. `behind`: what the next block reads.
template <int kRows, int kPanels, class AnyRows, class T>
static HWY_INLINE void multiply_block(AnyRows rows, const SliceRuns& slice, const T* panels, std::int64_t panel_step,
                                      const T* behind, const Sink& sink, Ahead& ahead) {
  Floats chain[kRows][kPanels];
  each<kRows>([&]<int kRow>() TESSERA_INLINE_LAMBDA {
    each<kPanels>([&]<int kPanel>() TESSERA_INLINE_LAMBDA { chain[kRow][kPanel] = Lanes::set(0.0F); });
  });
  const auto input = [&](const float* x) TESSERA_INLINE_LAMBDA {
    Floats w[kPanels];
    each<kPanels>([&]<int kPanel>() TESSERA_INLINE_LAMBDA {
      const T* panel = panels + kPanel * panel_step;
      w[kPanel] = load_panel(panel);
      if constexpr (kRows > 2 && sizeof(T) == 4) __builtin_prefetch(panel + AnyRows::kPrefetch * 16);
    });
    // Narrow panels stream from the memory and end before processors foresee what follows: the next block is asked for,
    // in the order of the memory.
    if constexpr (sizeof(T) == 2) {
      each<(kPanels + 1) / 2>([&]<int kLine>() TESSERA_INLINE_LAMBDA { __builtin_prefetch(behind + kLine * 32); });
    }
    each<kRows>([&]<int kRow>() TESSERA_INLINE_LAMBDA {
      const Floats value = Lanes::set(rows.template value<kRow>(x));
      each<kPanels>([&]<int kPanel>() TESSERA_INLINE_LAMBDA {
        chain[kRow][kPanel] = Lanes::fma(value, w[kPanel], chain[kRow][kPanel]);
      });
    });
    panels += 16;
    behind += kPanels * 16;
  };
  // One row of sums a piece is asked for, so that storing them does not hold up the next block.
  const auto piece = [&](std::int64_t i) TESSERA_INLINE_LAMBDA {
    if (i >= kRows) return;
    each<kPanels>([&]<int kPanel>()
                      TESSERA_INLINE_LAMBDA { __builtin_prefetch(sink.to + i * sink.to_step + kPanel * 16); });
  };
  rows.template walk<kRows>(slice, ahead, input, piece);
  finish_block<kRows, kPanels>(chain, sink);
}

}  // namespace tessera::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
