#include "kernels/snake.h"

#include <vector>

#include "kernels/cuda/twins.h"
#include "kernels/dispatch.h"
#include "kernels/error.h"
#include "kernels/profile.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/snake.cc"
#include <hwy/foreach_target.h>

#include "kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tessera::HWY_NAMESPACE {

void snake_rows(ConstMatrix x, const float* alpha, const float* reciprocal, Matrix out, std::int64_t begin,
                std::int64_t end) {
  for (std::int64_t r = begin; r < end; ++r) {
    float* to = out.row(r);
    each_sixteen(x.row(r), x.columns, [&](const Floats& v, std::int64_t i, std::int64_t n) TESSERA_INLINE_LAMBDA {
      store_first(snake<Lanes>(v, load_first(alpha + i, n), load_first(reciprocal + i, n)), to + i, n);
    });
  }
}

}  // namespace tessera::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera {
namespace {

constexpr auto kSnakeRows = TESSERA_BUILDS(snake_rows);

Tensor on_device(Context& context, std::span<const float> values) {
  Tensor tensor = context.allocate({static_cast<std::int64_t>(values.size())});
  context.upload(values.data(), tensor.bytes(), values.size_bytes());
  return tensor;
}

}  // namespace

SnakeWeights make_snake(Context& context, std::span<const float> alpha) {
  std::vector<float> reciprocal;
  for (const float a : alpha) reciprocal.push_back(1.0F / (a + 1e-9F));
  return {on_device(context, alpha), on_device(context, reciprocal)};
}

void snake(Context& context, ConstMatrix x, const SnakeWeights& weights, Matrix out) {
  if (x.rows != out.rows || x.columns != out.columns) throw ArgumentError("snake: shapes differ");
  if (x.columns != weights.alpha.size()) throw ArgumentError("snake: there is not one alpha a channel");
  const Timed timed(context, "Snake");
  const float* alpha = weights.alpha.data();
  const float* reciprocal = weights.reciprocal.data();
  if (context.device().is_cuda()) return cuda::snake(x, alpha, reciprocal, out);
  context.parallel_for(x.rows, row_grain(x.columns), [&, rows = build_for(context, kSnakeRows)](auto begin, auto end) {
    rows(x, alpha, reciprocal, out, begin, end);
  });
}

}  // namespace tessera
#endif
