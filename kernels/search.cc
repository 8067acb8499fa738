#include "kernels/search.h"

#include <limits>
#include <vector>

#include "kernels/arithmetic.h"
#include "kernels/cuda/twins.h"
#include "kernels/dispatch.h"
#include "kernels/error.h"
#include "kernels/profile.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/search.cc"
#include <hwy/foreach_target.h>

#include "kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tessera::HWY_NAMESPACE {

// Each lane keeps its first maximum; the lanes' winner is the largest value, then the lowest index.
static HWY_INLINE std::int32_t argmax(const float* row, std::int64_t columns) {
  constexpr float kLeast = -std::numeric_limits<float>::infinity();
  alignas(64) float values[16];
  alignas(64) float where[16];
  Floats best = Lanes::set(kLeast);
  Floats at = Lanes::set(-1.0F);
  for (std::int64_t i = 0; i < columns; i += 16) {
    Floats x = load_first(row + i, std::min<std::int64_t>(16, columns - i));
    if (columns - i < 16) {
      store(x, values);
      for (std::int64_t j = columns - i; j < 16; ++j) values[j] = kLeast;
      x = load(values);
    }
    const Mask larger = Lanes::less(best, x);
    best = Lanes::select(larger, x, best);
    at = Lanes::select(larger, Lanes::set(static_cast<float>(i / 16)), at);
  }
  store(best, values);
  store(at, where);
  std::int32_t index = -1;
  float most = kLeast;
  for (std::int32_t j = 0; j < 16; ++j) {
    if (where[j] < 0) continue;
    const std::int32_t candidate = static_cast<std::int32_t>(where[j]) * 16 + j;
    if (index < 0 || values[j] > most || (values[j] == most && candidate < index)) index = candidate, most = values[j];
  }
  return index < 0 ? 0 : index;
}

void argmax_range(ConstMatrix x, std::int32_t* index, std::int64_t begin, std::int64_t end) {
  for (std::int64_t r = begin; r < end; ++r) index[r] = argmax(x.row(r), x.columns);
}

void subtract_range(ConstMatrix entries, const std::int32_t* codes, Matrix x, std::int64_t begin, std::int64_t end) {
  for (std::int64_t r = begin; r < end; ++r) {
    const float* entry = entries.row(codes[r]);
    for (std::int64_t i = 0; i < x.columns; i += 16) {
      const std::int64_t n = std::min<std::int64_t>(16, x.columns - i);
      store_first(Lanes::sub(load_first(x.row(r) + i, n), load_first(entry + i, n)), x.row(r) + i, n);
    }
  }
}

}  // namespace tessera::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera {
namespace {

constexpr auto kArgmaxRange = TESSERA_BUILDS(argmax_range);
constexpr auto kSubtractRange = TESSERA_BUILDS(subtract_range);
// Scores of so many rows stay in cache between the product and the search.
constexpr std::int64_t kRowsAtOnce = 96;

// The contract's dot product of a row with itself, on the host.
float square_norm(const float* x, std::int64_t width) {
  float total = 0.0F;
  for (std::int64_t slice = 0; slice < width; slice += kSlice) {
    float chain = 0.0F;
    for (std::int64_t i = slice; i < std::min<std::int64_t>(width, slice + kSlice); ++i) {
      chain = scalar::Lanes::fma(x[i], x[i], chain);
    }
    total = slice == 0 ? chain : total + chain;
  }
  return total;
}

}  // namespace

Codebook pack_codebook(Context& context, ConstMatrix entries) {
  Codebook codebook{context.allocate({entries.rows, entries.columns}), pack_weights(context, entries),
                    context.allocate({entries.rows})};
  std::vector<float> contiguous;
  std::vector<float> norms;
  for (std::int64_t i = 0; i < entries.rows; ++i) {
    contiguous.insert(contiguous.end(), entries.row(i), entries.row(i) + entries.columns);
    norms.push_back(-0.5F * square_norm(entries.row(i), entries.columns));
  }
  context.upload(contiguous.data(), codebook.entries.bytes(), contiguous.size() * sizeof(float));
  context.upload(norms.data(), codebook.minus_half_square.bytes(), norms.size() * sizeof(float));
  return codebook;
}

void nearest_codes(Context& context, ConstMatrix x, const Codebook& codebook, std::int32_t* codes) {
  if (x.columns != codebook.width()) throw ArgumentError("nearest_codes: the rows' width is not the codebook's");
  Epilogue epilogue;
  epilogue.bias = codebook.minus_half_square.data();
  const std::int64_t at_once = kRowsAtOnce * context.threads();
  for (std::int64_t first = 0; first < x.rows; first += at_once) {
    const ConstMatrix rows = x.slice(first, std::min(at_once, x.rows - first));
    const Tensor scores = context.scratch({rows.rows, codebook.size()});
    product(context, rows, codebook.packed, epilogue, scores);
    argmax_rows(context, scores, codes + first);
  }
}

void argmax_rows(Context& context, ConstMatrix x, std::int32_t* index) {
  const Timed timed(context, "search");
  if (context.device().is_cuda()) return cuda::argmax_rows(x, index);
  const std::int64_t grain = std::max<std::int64_t>(1, 65536 / std::max<std::int64_t>(x.columns, 1));
  context.parallel_for(x.rows, grain, [&, range = build_for(context, kArgmaxRange)](auto begin, auto end) {
    range(x, index, begin, end);
  });
}

void subtract_entries(Context& context, const Codebook& codebook, const std::int32_t* codes, Matrix x) {
  if (x.columns != codebook.width()) throw ArgumentError("subtract_entries: the rows' width is not the codebook's");
  const Timed timed(context, "search");
  if (context.device().is_cuda()) return cuda::subtract_entries(codebook.entries, codes, x);
  const std::int64_t grain = std::max<std::int64_t>(1, 16384 / std::max<std::int64_t>(x.columns, 1));
  context.parallel_for(x.rows, grain, [&, range = build_for(context, kSubtractRange)](auto begin, auto end) {
    range(codebook.entries, codes, x, begin, end);
  });
}

}  // namespace tessera
#endif
