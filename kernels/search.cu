// Codebook search: the argmax of scores, a block a row.

#include "kernels/cuda/point.h"
#include "kernels/cuda/twins.h"

namespace tessera::cuda {
namespace {

struct ArgmaxRows {
  static constexpr int kThreads = 128;
  struct Shared {
    float value[kThreads];
    std::int32_t index[kThreads];
  };
  ConstMatrix x;
  std::int32_t* out;

  template <class B>
  TESSERA_DEVICE void operator()(B& block, Shared& shared) const {
    const float* row = x.data + block.index * x.row_step;
    block.each([&](int t) {
      shared.index[t] = -1;
      for (std::int64_t i = t; i < x.columns; i += kThreads) take(shared, t, row[i], static_cast<std::int32_t>(i));
    });
    for (int half = kThreads / 2; half != 0; half /= 2) {
      block.each([&](int t) {
        if (t < half) take(shared, t, shared.value[t + half], shared.index[t + half]);
      });
    }
    block.each([&](int t) {
      if (t == 0) out[block.index] = shared.index[0] < 0 ? 0 : shared.index[0];
    });
  }

  // A larger value wins, then a lower index; NaN and -infinity never do.
  TESSERA_DEVICE static void take(Shared& shared, int t, float value, std::int32_t index) {
    if (index < 0 || !(value > -HUGE_VALF)) return;
    const bool first = shared.index[t] < 0;
    const bool better = !first && (value > shared.value[t] || (value == shared.value[t] && index < shared.index[t]));
    if (first || better) {
      shared.value[t] = value;
      shared.index[t] = index;
    }
  }
};

struct SubtractOne {
  ConstMatrix entries;
  const std::int32_t* codes;
  Matrix x;
  TESSERA_DEVICE void operator()(std::int64_t row, std::int64_t column) const {
    float& value = x.data[row * x.row_step + column];
    value = value - entries.data[codes[row] * entries.row_step + column];
  }
};

}  // namespace

void argmax_rows(ConstMatrix x, std::int32_t* index) { launch(ArgmaxRows{x, index}, x.rows); }

void subtract_entries(ConstMatrix entries, const std::int32_t* codes, Matrix x) {
  launch_each(x.rows, x.columns, SubtractOne{entries, codes, x});
}

}  // namespace tessera::cuda
