// Rows of a table by id, one thread an element.

#include "kernels/cuda/point.h"
#include "kernels/cuda/twins.h"
#include "kernels/narrow.h"

namespace tessera::cuda {
namespace {

template <bool kSum>
struct EmbeddingOne {
  ConstMatrix table;
  const std::int32_t* ids;
  Matrix out;
  TESSERA_DEVICE void operator()(std::int64_t row, std::int64_t column) const {
    const float x = table.data[ids[row] * table.row_step + column];
    float& y = out.data[row * out.row_step + column];
    y = kSum ? y + x : x;
  }
};

struct NarrowOne {
  NarrowTableJob job;
  TESSERA_DEVICE void operator()(std::int64_t row, std::int64_t column) const {
    const std::uint16_t bits = job.table[job.ids[row] * job.out.columns + column];
    job.out.data[row * job.out.row_step + column] =
        job.type == DType::f16 ? float_from_f16(bits) : float_from_bf16(bits);
  }
};

struct WeightedSumOne {
  WeightedSumJob job;
  TESSERA_DEVICE void operator()(std::int64_t row, std::int64_t column) const {
    float& y = job.out.data[row * job.out.row_step + column];
    float sum = y;
    for (std::int64_t t = row * job.terms; t < (row + 1) * job.terms; ++t) {
      sum = scalar::Lanes::fma(job.weights[t], job.table.data[job.ids[t] * job.table.row_step + column], sum);
    }
    y = sum;
  }
};

}  // namespace

void embedding(ConstMatrix table, const std::int32_t* ids, Matrix out) {
  launch_each(out.rows, out.columns, EmbeddingOne<false>{table, ids, out});
}

void embedding(const NarrowTableJob& job) { launch_each(job.out.rows, job.out.columns, NarrowOne{job}); }

void embedding_sum(ConstMatrix table, const std::int32_t* ids, Matrix out) {
  launch_each(out.rows, out.columns, EmbeddingOne<true>{table, ids, out});
}

void embedding_weighted_sum(const WeightedSumJob& job) {
  launch_each(job.out.rows, job.out.columns, WeightedSumOne{job});
}

}  // namespace tessera::cuda
