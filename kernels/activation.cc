#include "kernels/activation.h"

#include "kernels/cuda/twins.h"
#include "kernels/dispatch.h"
#include "kernels/error.h"
#include "kernels/profile.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/activation.cc"
#include <hwy/foreach_target.h>

#include "kernels/activation-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tessera::HWY_NAMESPACE {

void activate_rows(Activation f, ConstMatrix input, Matrix out, std::int64_t begin, std::int64_t end) {
  with_activation(f, [&](auto function) {
    for (std::int64_t r = begin; r < end; ++r) map_row(input.row(r), input.columns, out.row(r), function);
  });
}

}  // namespace tessera::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera {
namespace {
constexpr auto kActivateRows = TESSERA_BUILDS(activate_rows);
}  // namespace

Activation activation_from_name(const std::string& name, const std::string& where) {
  if (name == "gelu") return Activation::gelu;
  if (name == "silu" || name == "swish") return Activation::silu;
  if (name == "relu") return Activation::relu;
  if (name == "elu") return Activation::elu;
  if (name == "tanh") return Activation::tanh;
  if (name == "sigmoid") return Activation::sigmoid;
  throw CheckpointError(where + ": unknown activation \"" + name + "\": gelu, silu, relu, elu, tanh or sigmoid");
}

void activate(Context& context, Activation f, ConstMatrix input, Matrix out) {
  const Timed timed(context, "activation");
  if (input.rows != out.rows || input.columns != out.columns) throw ArgumentError("activate: shapes differ");
  if (context.device().is_cuda()) return cuda::activate(f, input, out);
  const std::int64_t grain = std::max<std::int64_t>(1, 16384 / std::max<std::int64_t>(input.columns, 1));
  context.parallel_for(input.rows, grain, [&, rows = build_for(context, kActivateRows)](auto begin, auto end) {
    rows(f, input, out, begin, end);
  });
}

}  // namespace tessera
#endif
