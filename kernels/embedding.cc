#include "kernels/embedding.h"

#include "kernels/cuda/twins.h"
#include "kernels/dispatch.h"
#include "kernels/error.h"
#include "kernels/weight_source.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/embedding.cc"
#include <hwy/foreach_target.h>

#include "kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tessera::HWY_NAMESPACE {

void embedding_rows(ConstMatrix table, const std::int32_t* ids, Matrix out, std::int64_t begin, std::int64_t end) {
  for (std::int64_t r = begin; r < end; ++r) {
    map_row(table.row(ids[r]), out.columns, out.row(r), [](const Floats& x) TESSERA_INLINE_LAMBDA { return x; });
  }
}

void embedding_sum_rows(ConstMatrix table, const std::int32_t* ids, Matrix out, std::int64_t begin, std::int64_t end) {
  for (std::int64_t r = begin; r < end; ++r) {
    each_sixteen(table.row(ids[r]), out.columns,
                 [&](const Floats& x, std::int64_t i, std::int64_t n) TESSERA_INLINE_LAMBDA {
                   store_first(Lanes::add(load_first(out.row(r) + i, n), x), out.row(r) + i, n);
                 });
  }
}

void embedding_weighted_sum_rows(const WeightedSumJob& job, std::int64_t begin, std::int64_t end) {
  for (std::int64_t r = begin; r < end; ++r) {
    for (std::int64_t t = r * job.terms; t < (r + 1) * job.terms; ++t) {
      const Floats weight = Lanes::set(job.weights[t]);
      each_sixteen(job.table.row(job.ids[t]), job.out.columns,
                   [&](const Floats& x, std::int64_t i, std::int64_t n) TESSERA_INLINE_LAMBDA {
                     float* y = job.out.row(r) + i;
                     store_first(Lanes::fma(weight, x, load_first(y, n)), y, n);
                   });
    }
  }
}

}  // namespace tessera::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera {
namespace {

constexpr auto kEmbeddingRows = TESSERA_BUILDS(embedding_rows);
constexpr auto kEmbeddingSumRows = TESSERA_BUILDS(embedding_sum_rows);
constexpr auto kEmbeddingWeightedSumRows = TESSERA_BUILDS(embedding_weighted_sum_rows);

void require_columns(std::int64_t columns, Matrix out) {
  if (columns != out.columns) throw ArgumentError("embedding: table and output differ in columns");
}

}  // namespace

void embedding(Context& context, ConstMatrix table, const std::int32_t* ids, Matrix out) {
  require_columns(table.columns, out);
  if (context.device().is_cuda()) return cuda::embedding(table, ids, out);
  const std::int64_t grain = row_grain(out.columns);
  context.parallel_for(out.rows, grain, [&, rows = build_for(context, kEmbeddingRows)](auto begin, auto end) {
    rows(table, ids, out, begin, end);
  });
}

void embedding(Context& context, const Tensor& table, const std::int32_t* ids, Matrix out) {
  if (table.type() == DType::f32) return embedding(context, table.matrix(), ids, out);
  const StoredRows stored{table.bytes(), table.type(), table.dim(0)};
  const WeightSource source({stored}, table.dim(1));
  require_columns(table.dim(1), out);
  if (context.device().is_cuda()) {
    return cuda::embedding({reinterpret_cast<const std::uint16_t*>(table.bytes()), table.type(), ids, out});
  }
  context.parallel_for(out.rows, row_grain(out.columns), [&](auto begin, auto end) {
    for (auto r = begin; r < end; ++r) (void)source.read(ids[r], 0, out.columns, out.row(r));
  });
}

void embedding_sum(Context& context, ConstMatrix table, const std::int32_t* ids, Matrix out) {
  require_columns(table.columns, out);
  if (context.device().is_cuda()) return cuda::embedding_sum(table, ids, out);
  const std::int64_t grain = row_grain(out.columns);
  context.parallel_for(out.rows, grain, [&, rows = build_for(context, kEmbeddingSumRows)](auto begin, auto end) {
    rows(table, ids, out, begin, end);
  });
}

void embedding_weighted_sum(Context& context, ConstMatrix table, std::int64_t terms, const std::int32_t* ids,
                            const float* weights, Matrix out) {
  require_columns(table.columns, out);
  if (terms < 1) throw ArgumentError("embedding: a weighted sum has 1 term or more");
  const WeightedSumJob job{table, terms, ids, weights, out};
  if (context.device().is_cuda()) return cuda::embedding_weighted_sum(job);
  const std::int64_t grain = row_grain(out.columns * terms);
  context.parallel_for(
      out.rows, grain,
      [&, rows = build_for(context, kEmbeddingWeightedSumRows)](auto begin, auto end) { rows(job, begin, end); });
}

}  // namespace tessera
#endif
