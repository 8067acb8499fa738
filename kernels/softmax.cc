#include "kernels/softmax.h"

#include <algorithm>
#include <limits>

#include "kernels/cuda/twins.h"
#include "kernels/dispatch.h"
#include "kernels/error.h"
#include "kernels/profile.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/softmax.cc"
#include <hwy/foreach_target.h>

#include "kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tessera::HWY_NAMESPACE {

static HWY_INLINE float largest(const float* row, std::int64_t columns) {
  Floats most = Lanes::set(-std::numeric_limits<float>::infinity());
  std::int64_t i = 0;
  for (; i + 16 <= columns; i += 16) most = Lanes::max(most, load(row + i));
  alignas(64) float lanes[16];
  store(most, lanes);
  const float whole = *std::max_element(lanes, lanes + 16);
  return i == columns ? whole : std::max(whole, *std::max_element(row + i, row + columns));
}

void softmax_rows(ConstMatrix input, Matrix out, std::int64_t begin, std::int64_t end) {
  const std::int64_t columns = input.columns;
  const std::int64_t whole = columns / 16 * 16;
  for (std::int64_t r = begin; r < end && columns != 0; ++r) {
    const Floats most = Lanes::set(largest(input.row(r), columns));
    const auto power = [&](const Floats& x) TESSERA_INLINE_LAMBDA { return exp<Lanes>(Lanes::sub(x, most)); };
    Floats chains = Lanes::set(0.0F);
    float* y = out.row(r);
    for (std::int64_t i = 0; i < whole; i += 16) {
      const Floats e = power(load(input.row(r) + i));
      store(e, y + i);
      chains = Lanes::add(chains, e);
    }
    store_first(power(load_first(input.row(r) + whole, columns - whole)), y + whole, columns - whole);
    chains = Lanes::add(chains, load_first(y + whole, columns - whole));
    const Floats sum = Lanes::set(fold(chains));
    map_row(y, columns, y, [&](const Floats& e) TESSERA_INLINE_LAMBDA { return Lanes::div(e, sum); });
  }
}

}  // namespace tessera::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera {
namespace {
constexpr auto kSoftmaxRows = TESSERA_BUILDS(softmax_rows);
}  // namespace

void softmax(Context& context, ConstMatrix input, Matrix out) {
  if (input.rows != out.rows || input.columns != out.columns) throw ArgumentError("softmax: shapes differ");
  const Timed timed(context, "softmax");
  if (context.device().is_cuda()) return cuda::softmax(input, out);
  const std::int64_t grain = row_grain(4 * input.columns);
  context.parallel_for(input.rows, grain, [&, rows = build_for(context, kSoftmaxRows)](auto begin, auto end) {
    rows(input, out, begin, end);
  });
}

}  // namespace tessera
#endif
