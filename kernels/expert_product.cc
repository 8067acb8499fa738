#include "kernels/expert_product.h"

#include <algorithm>
#include <utility>

#include "kernels/cuda/twins.h"
#include "kernels/error.h"

namespace tessera {
namespace {

// Pointers lie in a tensor of 32-bit integers.
constexpr std::int64_t kWords = sizeof(std::byte*) / sizeof(std::int32_t);

Tensor upload_table(Context& context, const std::vector<const PackedWeights*>& experts) {
  if (!context.device().is_cuda()) return {};
  std::vector<const std::byte*> panels;
  for (const PackedWeights* weights : experts) panels.push_back(weights->panels.bytes());
  Tensor table = context.allocate({static_cast<std::int64_t>(panels.size()) * kWords}, DType::i32);
  context.upload(panels.data(), table.bytes(), panels.size() * sizeof(std::byte*));
  return table;
}

void check(std::int64_t rows, std::int64_t share, Matrix out, std::int64_t columns) {
  if (share < 1 || out.rows != rows * share) throw ArgumentError("expert_product: rows and slots disagree");
  if (out.columns != columns) throw ArgumentError("expert_product: columns disagree");
}

}  // namespace

bool ExpertWeights::alike(const std::vector<const PackedWeights*>& experts) {
  return std::all_of(experts.begin(), experts.end(), [&](const PackedWeights* w) {
    const PackedWeights& first = *experts.front();
    return w->inputs == first.inputs && w->outputs == first.outputs && w->fast == first.fast &&
           w->codes == first.codes && w->panels.type() == first.panels.type();
  });
}

ExpertWeights::ExpertWeights(Context& context, std::vector<const PackedWeights*> experts)
    : experts_(std::move(experts)), table_(upload_table(context, experts_)) {
  if (experts_.empty() || !alike(experts_)) throw ArgumentError("expert_product: experts are not alike");
}

const std::byte* const* ExpertWeights::table() const noexcept {
  return reinterpret_cast<const std::byte* const*>(table_.bytes());
}

void expert_product(Context& context, ConstMatrix x, std::int64_t share, const ExpertWeights& weights,
                    const std::int32_t* ids, Matrix out) {
  const PackedWeights& sample = *weights.experts().front();
  check(x.rows, share, out, sample.outputs);
  if (x.columns != sample.inputs) throw ArgumentError("expert_product: x has another number of inputs");
  const auto experts = static_cast<std::int32_t>(weights.experts().size());
  if (context.device().is_cuda()) {
    return cuda::expert_product({x, share, &sample, weights.table(), experts, ids, out});
  }
  for (std::int64_t s = 0; s < out.rows; ++s) {
    if (ids[s] >= experts) continue;
    product(context, x.slice(s / share, 1), *weights.experts()[static_cast<std::size_t>(ids[s])], {}, out.slice(s, 1));
  }
}

void expert_identity(Context& context, ConstMatrix x, std::int64_t share, std::int32_t first, const std::int32_t* ids,
                     Matrix out) {
  check(x.rows, share, out, x.columns);
  if (context.device().is_cuda()) return cuda::expert_identity({x, share, first, ids, out});
  for (std::int64_t s = 0; s < out.rows; ++s) {
    if (ids[s] >= first) std::copy_n(x.row(s / share), x.columns, out.row(s));
  }
}

}  // namespace tessera
