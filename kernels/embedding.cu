// Rows of a table by id, one thread an element.

#include "kernels/cuda/point.h"
#include "kernels/cuda/twins.h"

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

}  // namespace

void embedding(ConstMatrix table, const std::int32_t* ids, Matrix out) {
  launch_each(out.rows, out.columns, EmbeddingOne<false>{table, ids, out});
}

void embedding_sum(ConstMatrix table, const std::int32_t* ids, Matrix out) {
  launch_each(out.rows, out.columns, EmbeddingOne<true>{table, ids, out});
}

}  // namespace tessera::cuda
