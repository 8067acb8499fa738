#include "kernels/product.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "kernels/bf12.h"
#include "kernels/cuda/twins.h"
#include "kernels/dispatch.h"
#include "kernels/error.h"
#include "kernels/fast_product.h"
#include "kernels/narrow.h"
#include "kernels/product_plan.h"
#include "kernels/profile.h"
#include "kernels/quantised.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/product.cc"
#include <hwy/foreach_target.h>

#include "kernels/product-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tessera::HWY_NAMESPACE {

template <class T>
static const T* panels_of(const PackedWeights& weights, std::int64_t k, std::int64_t panel) {
  const std::int64_t slices = k / kSlice * weights.panel_count() * PanelStep<T>::of(kSlice);
  return reinterpret_cast<const T*>(weights.panels.bytes()) + slices + panel * PanelStep<T>::of(weights.slice_depth(k));
}

static ProductTile chunk_of(const ProductTile& tile, std::int64_t panel) {
  return {tile.first_row, tile.rows, tile.first_panel + panel, std::min(kChunkPanels, tile.panels - panel)};
}

/// One slice of a chunk's panels, for `Ahead`.
template <class T>
static Ahead::Stretches panels_ahead(const PackedWeights& weights, const ProductTile& chunk, std::int64_t k) {
  const auto bytes = static_cast<std::int64_t>(sizeof(T)) * PanelStep<T>::of(weights.slice_depth(k)) * chunk.panels;
  return {reinterpret_cast<const char*>(panels_of<T>(weights, k, chunk.first_panel)), 0, bytes, 1};
}

/// What is read behind the chunk that begins at `panel`: the tile's next one, its next slice, the next tile.
template <class T>
static Ahead::Stretches panels_behind(const PackedWeights& weights, const ProductTile& tile, const ProductTile& next,
                                      std::int64_t k, std::int64_t panel) {
  if (panel + kChunkPanels < tile.panels) return panels_ahead<T>(weights, chunk_of(tile, panel + kChunkPanels), k);
  if (k + kSlice < weights.inputs) return panels_ahead<T>(weights, chunk_of(tile, 0), k + kSlice);
  return panels_ahead<T>(weights, chunk_of(next, 0), 0);
}

/// Without a point function, scale, residual or half a panel the sums need no pass of their own.
static bool is_plain(const ProductJob& job, const ProductTile& tile) {
  const Epilogue& e = job.epilogue;
  return e.activation == Activation::none && e.scale == nullptr && e.residual.data == nullptr &&
         (tile.first_panel + tile.panels) * 16 <= job.weights->outputs;
}

struct MinusZeros {
  HWY_ALIGN float data[kChunkPanels * 16];
  constexpr MinusZeros() : data() {
    for (float& x : data) x = -0.0F;
  }
};
static constexpr MinusZeros kMinusZeros;

/// `sums` are the chunk's, `sum_step` floats a row.
static Sink sink_of(const ProductJob& job, const ProductTile& chunk, float* sums, std::int64_t sum_step, bool first,
                    bool out) {
  Sink sink{sums, sum_step, kMinusZeros.data, sums, sum_step};
  if (first) sink.from = kMinusZeros.data, sink.from_step = 0;
  if (!out) return sink;
  if (job.epilogue.bias != nullptr) sink.bias = job.epilogue.bias + chunk.first_panel * 16;
  sink.to = job.out.row(chunk.first_row) + chunk.first_panel * 16, sink.to_step = job.out.row_step;
  return sink;
}

template <class T>
static void product_tile_of(const ProductJob& job, const ProductTile& tile, const ProductTile& next) {
  HWY_ALIGN float staged[kBlockRows * kSlice];
  HWY_ALIGN float blocks[kStages ? kStagedTiles.rows / kStagedRows * StagedRows::kSize : 16];
  HWY_ALIGN float wide[std::is_same_v<T, float> ? 16 : kChunkPanels * kSlice * 16];
  HWY_ALIGN float sums[kTileSums];
  static_assert(kTilesInPlace.panels < kLeastStagedPanels, "only the rows of staged tiles fit `blocks`");
  const PackedWeights& weights = *job.weights;
  const std::int64_t sum_step = tile.panels * 16;
  Ahead ahead;
  for (std::int64_t k = 0; k < weights.inputs || k == 0; k += kSlice) {
    const bool last = k + kSlice >= weights.inputs;
    SliceRows rows(job.x, tile.first_row, k, weights.slice_depth(k), kIsCode<T>, staged,
                   kStages && tile.panels >= kLeastStagedPanels ? blocks : nullptr);
    for (std::int64_t p = 0; p < tile.panels; p += kChunkPanels) {
      const ProductTile chunk = chunk_of(tile, p);
      const bool plain = is_plain(job, chunk);
      ahead.panels(panels_behind<T>(weights, tile, next, k, p));
      multiply_slice(rows, tile.rows, panels_of<T>(weights, k, chunk.first_panel), chunk.panels, wide,
                     sink_of(job, chunk, sums + p * 16, sum_step, k == 0, last && plain), ahead,
                     [&](std::int64_t r, std::int64_t count) {
                       if (last && !plain) finish_rows(job, chunk, r, count, sums + p * 16, sum_step);
                     });
    }
  }
}

void product_tile(const ProductJob& job, const ProductTile& tile, const ProductTile& next) {
  switch (job.weights->codes) {
    case WeightCodes::int4:
      return product_tile_of<Code<WeightCodes::int4>>(job, tile, next);
    case WeightCodes::int8:
      return product_tile_of<Code<WeightCodes::int8>>(job, tile, next);
    case WeightCodes::e4m3:
      return product_tile_of<Code<WeightCodes::e4m3>>(job, tile, next);
    case WeightCodes::bf12:
      return product_tile_of<Code<WeightCodes::bf12>>(job, tile, next);
    case WeightCodes::none:
      break;
  }
  switch (job.weights->panels.type()) {
    case DType::f16:
      return product_tile_of<hwy::float16_t>(job, tile, next);
    case DType::bf16:
      return product_tile_of<hwy::bfloat16_t>(job, tile, next);
    default:
      return product_tile_of<float>(job, tile, next);
  }
}

}  // namespace tessera::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera {
namespace {

constexpr auto kProductTile = TESSERA_BUILDS(product_tile);

void require(bool holds, const char* what) {
  if (!holds) throw ArgumentError(std::string("product: ") + what);
}

void require_shapes(const Rows& x, const PackedWeights& weights, Matrix out) {
  require(x.inputs() == weights.inputs, "inputs of the rows and of the weights differ");
  require(out.rows == x.count && out.columns == weights.outputs, "the output's shape is not [rows, outputs]");
}

Epilogue with_bias(const ProductOf& p) {
  Epilogue epilogue;
  epilogue.bias = p.bias;
  return epilogue;
}

double multiply_adds(const ProductJob& job) {
  const std::int64_t outputs = std::min((job.end_panel - job.first_panel) * 16, job.weights->outputs);
  return static_cast<double>(job.out.rows) * static_cast<double>(job.weights->inputs * outputs);
}

/// The tiles of a job and what computes one.
class Tiles {
 public:
  Tiles(const Context& context, const ProductJob& job, int threads, const TileSizes& exact)
      : job_(job),
        plan_(job, threads, job.weights->fast ? fast_tile_sizes(job) : exact),
        exact_(build_for(context, kProductTile)) {
    if (job.weights->fast) fast_ = fast_tile_for(context, *job.weights);
  }

  [[nodiscard]] std::int64_t count() const { return plan_.tiles(); }
  [[nodiscard]] std::int64_t grain() const { return plan_.grain(); }
  void compute(std::int64_t i) const {
    if (fast_) return fast_->run(job_, plan_.tile(i), fast_->unit);
    exact_(job_, plan_.tile(i), plan_.tile(std::min(i + 1, count() - 1)));
  }

 private:
  const ProductJob& job_;
  ProductPlan plan_;
  void (*exact_)(const ProductJob& job, const ProductTile& tile, const ProductTile& next);
  std::optional<FastTile> fast_;
};

double weight_bytes(const ProductJob& job) {
  const PackedWeights& weights = *job.weights;
  const auto all = static_cast<double>(weights.panels.size()) * static_cast<double>(size_of(weights.panels.type()));
  return all * static_cast<double>(job.end_panel - job.first_panel) / static_cast<double>(weights.panel_count());
}

// Sixteen rows side by side: reads run along the rows, writes are contiguous.
template <class T, class Convert>
void fill_panel(const WeightSource& weight, std::int64_t first, std::int64_t k, std::int64_t depth, T* panel,
                const Convert& convert) {
  float staged[16 * kSlice];
  const float* rows[16];
  const std::int64_t count = std::min<std::int64_t>(16, weight.rows() - first);
  for (std::int64_t n = 0; n < count; ++n) rows[n] = weight.read(first + n, k, depth, staged + n * kSlice);
  for (std::int64_t i = 0; i < depth; ++i, panel += 16) {
    for (std::int64_t n = 0; n < count; ++n) panel[n] = convert(rows[n][i]);
  }
}

template <class T, class Convert>
void fill_panels(Context& context, const PackedWeights& packed, const WeightSource& weight, T* panels,
                 const Convert& convert) {
  context.parallel_for(packed.panel_count(), 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t panel = begin; panel < end; ++panel) {
      for (std::int64_t k = 0; k < weight.columns(); k += kSlice) {
        fill_panel(weight, panel * 16, k, packed.slice_depth(k), panels + packed.slice_offset(k, panel), convert);
      }
    }
  });
}

void fill_panels(Context& context, const PackedWeights& packed, const WeightSource& weight, std::byte* panels) {
  const auto fill = [&](auto* at, const auto& convert) { fill_panels(context, packed, weight, at, convert); };
  switch (packed.panels.type()) {
    case DType::f16:
      return fill(reinterpret_cast<std::uint16_t*>(panels), [](float x) { return f16_from_float(x); });
    case DType::bf16:
      return fill(reinterpret_cast<std::uint16_t*>(panels), [](float x) { return bf16_from_float(x); });
    default:
      return fill(reinterpret_cast<float*>(panels), [](float x) { return x; });
  }
}

}  // namespace

PackedWeights pack_weights(Context& context, const WeightSource& weight, WeightFormat format) {
  const DType storage = format.type;
  if (storage == DType::i32) throw ArgumentError("pack_weights: weights are stored as f32, f16 or bf16");
  const bool layer = format.math == Math::fast;
  const bool fast = layer && context.math() == Math::fast && bfloat::pays(weight.columns(), weight.rows());
  if (layer && context.weights() != WeightStorage::stored) {
    return quantised::pack(context, weight, quantised::codes_of(context.weights()), fast);
  }
  if (fast) return pack_fast_weights(context, weight);
  if (quantised::keeps_e4m3(context, weight)) return quantised::pack(context, weight, WeightCodes::e4m3);
  if (storage == DType::bf16 && weight.rows() * weight.columns() >= bf12::kLeastWeights) {
    if (auto packed = bf12::pack(context, weight)) return std::move(*packed);
  }
  PackedWeights packed;
  packed.inputs = weight.columns();
  packed.outputs = weight.rows();
  packed.panels = context.allocate({packed.panel_count(), weight.columns(), 16}, storage);
  if (!context.device().is_cuda()) {
    fill_panels(context, packed, weight, packed.panels.bytes());
    return packed;
  }
  std::vector<std::byte> host(static_cast<std::size_t>(packed.panels.size()) * size_of(storage));
  fill_panels(context, packed, weight, host.data());
  context.upload(host.data(), packed.panels.bytes(), host.size());
  return packed;
}

PackedWeights pack_weights(Context& context, ConstMatrix weight, WeightFormat format) {
  return pack_weights(context, WeightSource(weight), format);
}

void product(Context& context, const Rows& x, const PackedWeights& weights, const Epilogue& epilogue, Matrix out) {
  product(context, x, weights, epilogue, out, {0, weights.outputs});
}

void products(Context& context, const std::vector<ProductOf>& all) {
  if (all.size() < 2 || context.device().is_cuda()) {
    for (const ProductOf& p : all) product(context, p.x, *p.weights, with_bias(p), p.out);
    return;
  }
  const PackedWeights& first = *all.front().weights;
  Profile::Entry work{"product", first.inputs, first.outputs};
  std::vector<ProductJob> jobs;
  for (const ProductOf& p : all) {
    require_shapes(p.x, *p.weights, p.out);
    jobs.push_back({p.x, p.weights, with_bias(p), p.out});
    work.multiply_adds += multiply_adds(jobs.back());
    work.weight_bytes += weight_bytes(jobs.back());
  }
  const Timed timed(context, work);
  std::vector<Tiles> tiles;
  std::vector<std::int64_t> ends{0};  // tiles so far
  for (const ProductJob& job : jobs) {
    tiles.emplace_back(context, job, 1, tile_sizes(job));
    ends.push_back(ends.back() + tiles.back().count());
  }
  context.parallel_for(ends.back(), 1, [&](std::int64_t begin, std::int64_t end) {
    auto j = static_cast<std::size_t>(std::upper_bound(ends.begin(), ends.end(), begin) - ends.begin()) - 1;
    for (std::int64_t i = begin; i < end; ++i) {
      while (i >= ends[j + 1]) ++j;
      tiles[j].compute(i - ends[j]);
    }
  });
}

void product(Context& context, const Rows& x, const PackedWeights& weights, const Epilogue& epilogue, Matrix out,
             OutputRange only) {
  require_shapes(x, weights, out);
  require(epilogue.residual.data == nullptr ||
              (epilogue.residual.rows == out.rows && epilogue.residual.columns == out.columns),
          "the residual's shape is not the output's");
  require(only.first >= 0 && only.count >= 0 && only.count <= weights.outputs - only.first,
          "the wanted outputs are not among the weights'");
  if (out.rows == 0 || only.count == 0) return;
  const ProductJob job{x, &weights, epilogue, out, only.first / 16, (only.first + only.count + 15) / 16};
  const Timed timed(context, {"product", weights.inputs, weights.outputs, 0, 0, multiply_adds(job), weight_bytes(job)});
  if (context.device().is_cuda()) return cuda::product(job);
  const Tiles tiles(context, job, context.threads(), tile_sizes_alone(job));
  context.parallel_for(tiles.count(), tiles.grain(), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = begin; i < end; ++i) tiles.compute(i);
  });
}

}  // namespace tessera
#endif
