#include "kernels/scalar_codes.h"

#include <vector>

#include "kernels/constants.h"
#include "kernels/cuda/twins.h"
#include "kernels/error.h"

namespace tessera {
namespace {

constexpr std::int64_t kMostCodes = std::int64_t{1} << 20;
constexpr std::int64_t kMostBits = 20;
constexpr std::int64_t kRowsAtLeast = 1024;  // worth waking another thread for

void require(bool holds, const char* what) {
  if (!holds) throw ArgumentError(std::string("scalar codes: ") + what);
}

void require_bits(std::int64_t columns) {
  require(columns > 0 && columns <= kMostBits, "a row has 1 to 20 columns, each a bit");
}

template <class T>
Tensor to_device(Context& context, const std::vector<T>& values, Shape shape, DType type) {
  Tensor tensor = context.allocate(std::move(shape), type);
  context.upload(values.data(), tensor.bytes(), values.size() * sizeof(T));
  return tensor;
}

std::vector<std::int32_t> weights_of(std::span<const int> levels) {
  std::vector<std::int32_t> weights;
  std::int64_t codes = 1;
  for (const int count : levels) {
    require(count >= 2, "a column has 2 levels or more");
    weights.push_back(static_cast<std::int32_t>(codes));
    codes *= count;
    require(codes <= kMostCodes, "more than 2^20 codes");
  }
  require(!weights.empty(), "no levels");
  return weights;
}

double atanh_of(double x) { return 0.5 * exact_log((1 + x) / (1 - x)); }

std::vector<float> table_of(std::span<const int> levels) {
  const std::size_t n = levels.size();
  std::vector<float> table(4 * n);
  for (std::size_t c = 0; c < n; ++c) {
    const float half = static_cast<float>(levels[c] - 1) * 1.001F / 2.0F;
    const float offset = levels[c] % 2 == 0 ? 0.5F : 0.0F;
    table[c] = static_cast<float>(atanh_of(static_cast<double>(offset / half)));
    table[n + c] = half;
    table[2 * n + c] = offset;
    table[3 * n + c] = static_cast<float>(levels[c]);
  }
  return table;
}

std::vector<float> entries_of(std::span<const int> levels, const std::vector<std::int32_t>& weights) {
  const int codes = weights.back() * levels.back();
  std::vector<float> entries;
  for (int code = 0; code < codes; ++code) {
    for (std::size_t c = 0; c < levels.size(); ++c) {
      const int half = levels[c] / 2;
      entries.push_back(static_cast<float>(code / weights[c] % levels[c] - half) / static_cast<float>(half));
    }
  }
  return entries;
}

template <class Job>
void run_rows(Context& context, const Job& job) {
  context.parallel_for(job.x.rows, kRowsAtLeast, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t row = begin; row < end; ++row) job.run(row);
  });
}

}  // namespace

FiniteScalars pack_finite_scalars(Context& context, std::span<const int> levels) {
  const std::vector<std::int32_t> weights = weights_of(levels);
  const std::vector<float> entries = entries_of(levels, weights);
  const auto columns = static_cast<std::int64_t>(levels.size());
  const std::int64_t codes = static_cast<std::int64_t>(entries.size()) / columns;
  return {to_device(context, table_of(levels), {4, columns}, DType::f32),
          to_device(context, weights, {columns}, DType::i32),
          to_device(context, entries, {codes, columns}, DType::f32)};
}

void finite_scalar_codes(Context& context, ConstMatrix x, const FiniteScalars& scalars, std::int32_t* codes) {
  require(x.columns == scalars.columns(), "the rows' columns are not the levels'");
  const FiniteScalarJob job{x, scalars.table.data(), scalars.weights.ints(), codes};
  context.device().is_cuda() ? cuda::finite_scalar_codes(job) : run_rows(context, job);
}

void sign_codes(Context& context, ConstMatrix x, bool first_is_lowest, std::int32_t* codes) {
  require_bits(x.columns);
  const SignJob job{x, first_is_lowest, codes};
  context.device().is_cuda() ? cuda::sign_codes(job) : run_rows(context, job);
}

Tensor sign_entries(Context& context, std::int64_t columns, bool first_is_lowest) {
  require_bits(columns);
  const std::int64_t codes = std::int64_t{1} << columns;
  std::vector<float> entries;
  for (std::int64_t code = 0; code < codes; ++code) {
    for (std::int64_t c = 0; c < columns; ++c) {
      const std::int64_t bit = first_is_lowest ? c : columns - 1 - c;
      entries.push_back((code >> bit & 1) != 0 ? 1.0F : -1.0F);
    }
  }
  return to_device(context, entries, {codes, columns}, DType::f32);
}

}  // namespace tessera
