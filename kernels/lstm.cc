#include "kernels/lstm.h"

#include <algorithm>
#include <string>
#include <vector>

#include "kernels/cuda/twins.h"
#include "kernels/dispatch.h"
#include "kernels/elementwise.h"
#include "kernels/error.h"
#include "kernels/lstm_job.h"
#include "kernels/product_plan.h"
#include "kernels/profile.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/lstm.cc"
#include <hwy/foreach_target.h>

#include "kernels/lanes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tessera::HWY_NAMESPACE {

// The same build's, in product.cc.
void product_tile(const ProductJob& job, const ProductTile& tile, const ProductTile& next);

static HWY_INLINE void update_sixteen(const float* gates, float* cell, float* out, std::int64_t count) {
  const Floats input = sigmoid<Lanes>(load(gates));
  const Floats forget = sigmoid<Lanes>(load(gates + 16));
  const Floats fresh = tanh<Lanes>(load(gates + 32));
  const Floats output = sigmoid<Lanes>(load(gates + 48));
  const Floats kept = Lanes::mul(forget, load_first(cell, count));
  const Floats c = Lanes::add(kept, Lanes::mul(input, fresh));
  store_first(c, cell, count);
  store_first(Lanes::mul(output, tanh<Lanes>(c)), out, count);
}

static void update_cells(const LstmCellJob& job, std::int64_t begin, std::int64_t end) {
  for (std::int64_t r = 0; r < job.out.rows; ++r) {
    for (std::int64_t block = begin; block < end; ++block) {
      const std::int64_t unit = block * 16;
      update_sixteen(job.gates.row(r) + block * 64, job.cell.row(r) + unit, job.out.row(r) + unit,
                     std::min<std::int64_t>(16, job.out.columns - unit));
    }
  }
}

/// Blocks [begin, end) of one step. Backwards, what the last step read last comes first, and is still in cache.
void lstm_blocks(const ProductJob& product, const LstmCellJob& cells, bool backwards, std::int64_t begin,
                 std::int64_t end) {
  constexpr std::int64_t kAtOnce = kTilesInPlace.panels / 4;
  const std::int64_t groups = (end - begin + kAtOnce - 1) / kAtOnce;
  const auto tile = [&](std::int64_t group, std::int64_t row) {
    const std::int64_t first = begin + (backwards ? groups - 1 - group : group) * kAtOnce;
    return ProductTile{row, std::min(kTilesInPlace.rows, product.out.rows - row), first * 4,
                       (std::min(first + kAtOnce, end) - first) * 4};
  };
  for (std::int64_t i = 0; i < groups; ++i) {
    const ProductTile next = tile(std::min(i + 1, groups - 1), 0);
    for (std::int64_t r = 0; r < product.out.rows; r += kTilesInPlace.rows) product_tile(product, tile(i, r), next);
    const std::int64_t first = tile(i, 0).first_panel / 4;
    update_cells(cells, first, first + tile(i, 0).panels / 4);
  }
}

}  // namespace tessera::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera {
namespace {

constexpr auto kLstmBlocks = TESSERA_BUILDS(lstm_blocks);
// Rows whose input gates are computed together: the product is large enough by then.
constexpr std::int64_t kRowsAtOnce = 256;
// 16-wide multiply-adds of a step worth another thread: half a megabyte of weights.
constexpr std::int64_t kLeastParallelWork = 8192;

void require(bool holds, const char* what) {
  if (!holds) throw ArgumentError(std::string("lstm: ") + what);
}

// Rows of the four gates of `hidden` units each, in blocks of sixteen units.
std::vector<float> in_blocks(ConstMatrix rows, std::int64_t hidden) {
  std::vector<float> blocks(static_cast<std::size_t>((hidden + 15) / 16 * 64 * rows.columns));
  for (std::int64_t gate = 0; gate < 4; ++gate) {
    for (std::int64_t unit = 0; unit < hidden; ++unit) {
      std::copy_n(rows.row(gate * hidden + unit), rows.columns,
                  blocks.begin() + LstmCellJob::column(gate, unit) * rows.columns);
    }
  }
  return blocks;
}

PackedWeights pack_gates(Context& context, ConstMatrix weight, std::int64_t hidden, DType storage) {
  const std::vector<float> blocks = in_blocks(weight, hidden);
  return pack_weights(context, {blocks.data(), (hidden + 15) / 16 * 64, weight.columns}, storage);
}

Tensor pack_bias(Context& context, std::span<const float> bias, std::int64_t hidden) {
  const std::vector<float> blocks = in_blocks({bias.data(), 4 * hidden, 1}, hidden);
  Tensor tensor = context.allocate({static_cast<std::int64_t>(blocks.size())});
  context.upload(blocks.data(), tensor.bytes(), blocks.size() * sizeof(float));
  return tensor;
}

// One step's gates, from what the inputs gave, and then its cells. On the CPU a thread computes the same share of the
// blocks in every step, so that its weights may stay in its own cache.
void step(Context& context, const ProductJob& job, const LstmCellJob& cells, bool backwards) {
  if (context.device().is_cuda()) return cuda::product(job), cuda::lstm_cell(cells);
  const std::int64_t blocks = job.out.columns / 64;
  const std::int64_t share = (blocks + context.threads() - 1) / context.threads();
  const std::int64_t least = kLeastParallelWork / (4 * job.x.inputs() * job.out.rows + 1) + 1;
  context.parallel_for(blocks, std::max(share, least),
                       [&, run = build_for(context, kLstmBlocks)](std::int64_t begin, std::int64_t end) {
                         run(job, cells, backwards, begin, end);
                       });
}

}  // namespace

PackedLstm pack_lstm(Context& context, ConstMatrix weight_ih, ConstMatrix weight_hh, std::span<const float> bias_ih,
                     std::span<const float> bias_hh, DType storage) {
  const std::int64_t hidden = weight_hh.columns;
  require(weight_ih.rows == 4 * hidden && weight_hh.rows == 4 * hidden, "weights have four rows a unit");
  const auto rows = static_cast<std::size_t>(4 * hidden);
  require(bias_ih.size() == rows && bias_hh.size() == rows, "biases have four elements a unit");
  return {pack_gates(context, weight_ih, hidden, storage),
          pack_gates(context, weight_hh, hidden, storage),
          pack_bias(context, bias_ih, hidden),
          pack_bias(context, bias_hh, hidden),
          weight_ih.columns,
          hidden};
}

LstmState start_lstm(Context& context, const PackedLstm& lstm, std::int64_t batch) {
  return {context.allocate({batch, lstm.hidden_size}), context.allocate({batch, lstm.hidden_size})};
}

void lstm(Context& context, ConstMatrix x, std::int64_t batch, const PackedLstm& weights, LstmState& state,
          Matrix out) {
  require(batch > 0 && x.rows % batch == 0, "the rows are not whole steps of the batch");
  require(x.columns == weights.inputs, "the rows' width is not the layer's");
  require(out.rows == x.rows && out.columns == weights.hidden_size, "the output's shape is not [rows, hidden size]");
  const Shape carried{batch, weights.hidden_size};
  require(state.hidden.shape() == carried && state.cell.shape() == carried, "the state is not of this batch");
  if (out.rows == 0 || out.columns == 0) return;
  const auto recurrent = static_cast<double>(out.rows * weights.hidden_size * weights.gates());
  const Timed timed(context, {"LSTM", weights.hidden_size, weights.gates(), 0, 0, recurrent});
  const std::int64_t at_once = std::max<std::int64_t>(kRowsAtOnce / batch, 1) * batch;
  const Tensor gates = context.scratch({std::min(at_once, x.rows), weights.gates()});
  Epilogue from_input;
  from_input.bias = weights.input_bias.data();
  Epilogue from_hidden;
  from_hidden.bias = weights.hidden_bias.data();
  ConstMatrix hidden = state.hidden;
  for (std::int64_t row = 0; row < x.rows; row += batch) {
    const std::int64_t within = row % at_once;
    if (within == 0) {
      const ConstMatrix next = x.slice(row, std::min(at_once, x.rows - row));
      product(context, next, weights.input, from_input, gates.matrix().slice(0, next.rows));
    }
    const Matrix now = gates.matrix().slice(within, batch);
    from_hidden.residual = now;
    step(context, {hidden, &weights.hidden, from_hidden, now}, {now, state.cell, out.slice(row, batch)},
         row / batch % 2 != 0);
    hidden = out.slice(row, batch);
  }
  copy_rows(context, hidden, state.hidden);
}

}  // namespace tessera
#endif
