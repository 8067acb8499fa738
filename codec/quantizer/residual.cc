#include "codec/quantizer/residual.h"

#include <algorithm>

#include "codec/layers/conv.h"
#include "kernels/elementwise.h"
#include "kernels/embedding.h"

namespace tessera {
namespace {

Tensor upload_row(Context& context, const std::vector<std::int32_t>& row) {
  Tensor ids = context.scratch({static_cast<std::int64_t>(row.size())}, DType::i32);
  context.upload(row.data(), ids.bytes(), row.size() * sizeof(std::int32_t));
  return ids;
}

}  // namespace

ResidualQuantizer::ResidualQuantizer(std::vector<Codebook> codebooks, std::vector<LinearLayer> projections)
    : codebooks_(std::move(codebooks)), projections_(std::move(projections)) {}

void ResidualQuantizer::encode(Context& context, ConstMatrix x, int levels,
                               std::vector<std::vector<std::int32_t>>& rows) const {
  Tensor residual;
  if (projections_.empty()) {
    residual = context.scratch({x.rows, x.columns});
    copy_frames(context, x, residual);
  } else {
    residual = projections_.front().forward(context, x);
  }
  const Tensor codes = context.scratch({levels, x.rows}, DType::i32);
  for (int level = 0; level < levels; ++level) {
    std::int32_t* row = codes.ints() + level * x.rows;
    nearest_codes(context, residual, codebooks_[level], row);
    if (level + 1 < levels) subtract_entries(context, codebooks_[level], row, residual);
  }
  for (int level = 0; level < levels; ++level) {
    std::vector<std::int32_t>& row = rows.emplace_back(static_cast<std::size_t>(x.rows));
    context.download(codes.bytes() + static_cast<std::size_t>(level * x.rows) * sizeof(std::int32_t), row.data(),
                     row.size() * sizeof(std::int32_t));
  }
}

void ResidualQuantizer::decode(Context& context, const Codes& codes, int first, bool add, Matrix out) const {
  const int count = std::min(levels(), static_cast<int>(codes.rows.size()) - first);
  const std::int64_t width = codebooks_.front().width();
  Tensor sum = context.scratch({codes.frames(), width});
  for (int level = 0; level < count; ++level) {
    const Tensor ids = upload_row(context, codes.rows[static_cast<std::size_t>(first + level)]);
    const ConstMatrix table = codebooks_[level].entries;
    level == 0 ? embedding(context, table, ids.ints(), sum) : embedding_sum(context, table, ids.ints(), sum);
  }
  Epilogue after;
  if (add) after.residual = out;
  if (!projections_.empty()) return projections_.back().forward_into(context, sum, after, out);
  if (add) return tessera::add(context, out, sum, out);
  copy_frames(context, sum, out);
}

}  // namespace tessera
