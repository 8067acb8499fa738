// The product on a GPU: 64 x 64 tiles for many rows; for few rows the slices of one sum are the parallel work.

#include "cuda_backend.h"
#include "kernels/arithmetic.h"
#include "kernels/cuda/point.h"
#include "kernels/cuda/twins.h"
#include "kernels/narrow.h"
#include "kernels/quantised.h"

namespace tessera::cuda {
namespace {

/// Where a weight is: its slice begins at input `start` and has `depth`; within it, input `k` of the panel's `lane`.
struct Place {
  std::int64_t start, depth, k, panels, panel, lane;
  /// Element of panels [slice][panel][depth][16].
  [[nodiscard]] TESSERA_DEVICE std::int64_t element() const {
    return ((start * panels + panel * depth) + k) * 16 + lane;
  }
};

struct FloatPanel {
  const float* data;
  TESSERA_DEVICE float at(const Place& p) const { return data[p.element()]; }
};
struct BfloatPanel {
  const std::uint16_t* data;
  TESSERA_DEVICE float at(const Place& p) const { return float_from_bf16(data[p.element()]); }
};
struct HalfPanel {
  const std::uint16_t* data;
  TESSERA_DEVICE float at(const Place& p) const { return float_from_f16(data[p.element()]); }
};
/// As kernels/quantised.h says.
template <WeightCodes kCodes>
struct CodePanel {
  const std::int8_t* data;
  TESSERA_DEVICE float at(const Place& p) const {
    const std::int8_t* panel = data + p.start / kSlice * p.panels * quantised::panel_bytes(kCodes, kSlice) +
                               p.panel * quantised::panel_bytes(kCodes, p.depth);
    const std::int64_t at = p.k / quantised::kGroup * 16 + p.lane;
    const std::int8_t* codes = panel + quantised::scale_bytes(kCodes, p.depth);
    if (kCodes == WeightCodes::e4m3) {
      const float value = float_from_e4m3(static_cast<std::uint8_t>(codes[p.k * 16 + p.lane]));
      return value * (1 / quantised::kE4m3Power) * reinterpret_cast<const float*>(panel)[at];
    }
    const float scale = float_from_bf16(reinterpret_cast<const std::uint16_t*>(panel)[at]);
    // Zeros have no sign.
    return static_cast<float>(code(codes, p)) * scale + 0.0F;
  }
  TESSERA_DEVICE static std::int32_t code(const std::int8_t* codes, const Place& p) {
    if (kCodes == WeightCodes::int8) return codes[p.k * 16 + p.lane];
    const auto* words = reinterpret_cast<const std::uint32_t*>(codes);
    const std::uint32_t word = words[p.k / quantised::kOctet * 16 + p.lane];
    return static_cast<std::int32_t>(word >> 4 * (p.k % quantised::kOctet) & 15) - quantised::kBias4;
  }
};

/// As kernels/bf12.h says.
struct Bf12Panel {
  const std::int8_t* data;
  TESSERA_DEVICE float at(const Place& p) const {
    const std::int8_t* panel =
        data + p.start / kSlice * p.panels * bf12::panel_bytes(kSlice) + p.panel * bf12::panel_bytes(p.depth);
    const auto& header = *reinterpret_cast<const bf12::Header*>(panel);
    const std::int64_t octet = p.k / bf12::kOctet;
    if ((header.raw >> octet & 1) != 0) return raw(panel, header, octet, p);
    const auto* words = reinterpret_cast<const std::uint32_t*>(panel + bf12::kHeaderBytes + octet * bf12::kOctetBytes);
    const std::int64_t i = p.k % bf12::kOctet;
    const std::uint32_t exponent = header.base + (words[p.lane] >> 4 * i & 15);
    const std::uint32_t others = words[16 + i / 4 * 16 + p.lane];
    const std::uint32_t placed = others << 8 * (i % 4) | others >> (32 - 8 * (i % 4)) % 32;
    return scalar::Lanes::from_bits(static_cast<std::int32_t>((placed & bf12::kSignAndFraction) | exponent << 23));
  }
  TESSERA_DEVICE static float raw(const std::int8_t* panel, const bf12::Header& header, std::int64_t octet,
                                  const Place& p) {
    std::int64_t before = 0;
    for (std::int64_t o = 0; o < octet; ++o) before += header.raw >> o & 1;
    const auto* at = reinterpret_cast<const std::uint16_t*>(panel + header.raw_at + before * bf12::kRawOctetBytes);
    return float_from_bf16(at[p.k % bf12::kOctet * 16 + p.lane]);
  }
};

template <class Panel>
struct ProductArguments {
  Rows x;
  Panel weights;
  std::int64_t inputs;
  std::int64_t outputs;
  Epilogue epilogue;
  Matrix out;
  std::int64_t first;  // output, of those that are computed
  std::int64_t end;

  TESSERA_DEVICE float input(std::int64_t row, std::int64_t k) const {
    const std::int64_t run = k / x.run_length;
    return x.data[row * x.step + run * x.run_step + (k - run * x.run_length)];
  }
  TESSERA_DEVICE float weight(std::int64_t k, std::int64_t n) const {
    const std::int64_t in_slice = k % kSlice;
    const std::int64_t start = k - in_slice;
    const std::int64_t depth = inputs - start < kSlice ? inputs - start : kSlice;
    return weights.at({start, depth, in_slice, (outputs + 15) / 16, n / 16, n % 16});
  }
  TESSERA_DEVICE void finish(std::int64_t row, std::int64_t n, float sum) const {
    float y = epilogue.bias == nullptr ? sum : sum + epilogue.bias[n];
    y = apply(epilogue.activation, y);
    if (epilogue.scale != nullptr) y = y * epilogue.scale[n];
    if (epilogue.residual.data != nullptr) y = epilogue.residual.data[row * epilogue.residual.row_step + n] + y;
    out.data[row * out.row_step + n] = y;
  }
};

constexpr int kTile = 64;
constexpr int kDepth = 16;
constexpr int kPerThread = 4;

struct TileSums {
  float chain[kPerThread][kPerThread];
  float total[kPerThread][kPerThread];
};

template <class Panel>
struct ProductTiles {
  static constexpr int kThreads = 256;
  struct Shared {
    float rows[kDepth][kTile + 1];
    float panels[kDepth][kTile];
  };
  ProductArguments<Panel> a;

  template <class B>
  TESSERA_DEVICE void operator()(B& block, Shared& shared) const {
    const std::int64_t across = (a.end - a.first + kTile - 1) / kTile;
    const std::int64_t row = block.index / across * kTile;
    const std::int64_t column = a.first + block.index % across * kTile;
    PerThread<TileSums, kThreads> sums;
    block.each([&](int t) { sums[t] = TileSums{}; });
    for (std::int64_t k = 0; k < a.inputs; k += kDepth) {
      block.each([&](int t) { stage(shared, row, column, k, t); });
      block.each([&](int t) { accumulate(shared, k, sums[t], t); });
    }
    block.each([&](int t) { write(row, column, sums[t], t); });
  }

  TESSERA_DEVICE void stage(Shared& shared, std::int64_t row, std::int64_t column, std::int64_t k, int t) const {
    for (int i = t; i < kTile * kDepth; i += kThreads) {
      const int r = i / kDepth;
      const int d = i % kDepth;
      const bool inside = row + r < a.out.rows && k + d < a.inputs;
      shared.rows[d][r] = inside ? a.input(row + r, k + d) : 0.0F;
      const int dw = i / kTile;
      const int n = i % kTile;
      const bool real = column + n < a.end && k + dw < a.inputs;
      shared.panels[dw][n] = real ? a.weight(k + dw, column + n) : 0.0F;
    }
  }

  TESSERA_DEVICE void accumulate(const Shared& shared, std::int64_t k, TileSums& sums, int t) const {
    const int depth = a.inputs - k < kDepth ? static_cast<int>(a.inputs - k) : kDepth;
    for (int d = 0; d < depth; ++d) {
      for (int i = 0; i < kPerThread; ++i) {
        const float x = shared.rows[d][t / 16 + 16 * i];
        for (int j = 0; j < kPerThread; ++j) {
          sums.chain[i][j] = scalar::Lanes::fma(x, shared.panels[d][t % 16 + 16 * j], sums.chain[i][j]);
        }
      }
    }
    const std::int64_t next = k + depth;
    if (next % kSlice == 0 || next == a.inputs) close_slice(sums, next <= kSlice);
  }

  TESSERA_DEVICE static void close_slice(TileSums& sums, bool first) {
    for (int i = 0; i < kPerThread; ++i) {
      for (int j = 0; j < kPerThread; ++j) {
        sums.total[i][j] = first ? sums.chain[i][j] : sums.total[i][j] + sums.chain[i][j];
        sums.chain[i][j] = 0.0F;
      }
    }
  }

  TESSERA_DEVICE void write(std::int64_t row, std::int64_t column, const TileSums& sums, int t) const {
    for (int i = 0; i < kPerThread; ++i) {
      for (int j = 0; j < kPerThread; ++j) {
        const std::int64_t r = row + t / 16 + 16 * i;
        const std::int64_t n = column + t % 16 + 16 * j;
        if (r < a.out.rows && n < a.end) a.finish(r, n, sums.total[i][j]);
      }
    }
  }
};

// One block: one row and one panel; sixteen slices at a time, then their ascending sum.
template <class Panel>
struct ProductFewRows {
  static constexpr int kThreads = 256;
  struct Shared {
    float slice[16][16];
  };
  ProductArguments<Panel> a;

  template <class B>
  TESSERA_DEVICE void operator()(B& block, Shared& shared) const {
    const std::int64_t panels = (a.end - a.first + 15) / 16;
    const std::int64_t row = block.index / panels;
    const std::int64_t first = a.first + block.index % panels * 16;
    const std::int64_t slices = (a.inputs + kSlice - 1) / kSlice;
    PerThread<float, kThreads> total;
    block.each([&](int t) { total[t] = 0.0F; });
    for (std::int64_t s = 0; s < slices; s += 16) {
      block.each([&](int t) { shared.slice[t / 16][t % 16] = chain(row, first + t % 16, s + t / 16); });
      block.each([&](int t) {
        const int count = slices - s < 16 ? static_cast<int>(slices - s) : 16;
        for (int i = 0; t < 16 && i < count; ++i) {
          total[t] = s + i == 0 ? shared.slice[i][t] : total[t] + shared.slice[i][t];
        }
      });
    }
    block.each([&](int t) {
      if (t < 16 && first + t < a.end) a.finish(row, first + t, total[t]);
    });
  }

  TESSERA_DEVICE float chain(std::int64_t row, std::int64_t n, std::int64_t slice) const {
    float sum = 0.0F;
    if (n >= a.end) return sum;
    const std::int64_t end = (slice + 1) * kSlice < a.inputs ? (slice + 1) * kSlice : a.inputs;
    for (std::int64_t k = slice * kSlice; k < end; ++k) sum = scalar::Lanes::fma(a.input(row, k), a.weight(k, n), sum);
    return sum;
  }
};

// The same, the weights those of the row's own expert.
template <class Panel>
struct ProductByExpert {
  static constexpr int kThreads = ProductFewRows<Panel>::kThreads;
  using Shared = typename ProductFewRows<Panel>::Shared;
  ProductArguments<Panel> all;
  ExpertProductJob job;

  template <class B>
  TESSERA_DEVICE void operator()(B& block, Shared& shared) const {
    const std::int64_t panels = (all.outputs + 15) / 16;
    const std::int64_t slot = block.index / panels;
    const std::int32_t expert = job.ids[slot];
    if (expert >= job.experts) return;
    ProductFewRows<Panel> one{all};
    one.a.weights = Panel{reinterpret_cast<decltype(Panel::data)>(job.table[expert])};
    one.a.x.data += slot / job.share * all.x.step;
    one.a.out.data += slot * all.out.row_step;
    B own = block;
    own.index = block.index % panels;
    one(own, shared);
  }
};

struct IdentityOne {
  ExpertIdentityJob job;
  TESSERA_DEVICE void operator()(std::int64_t slot, std::int64_t column) const {
    if (job.ids[slot] < job.first) return;
    job.out.data[slot * job.out.row_step + column] = job.x.data[slot / job.share * job.x.row_step + column];
  }
};

constexpr std::int64_t kFewRows = 8;

template <class Panel>
void run(const ProductJob& job) {
  const Panel panel{reinterpret_cast<decltype(Panel::data)>(job.weights->panels.bytes())};
  const std::int64_t outputs = job.weights->outputs;
  const std::int64_t first = job.first_panel * 16;
  const std::int64_t end = job.end_panel * 16 < outputs ? job.end_panel * 16 : outputs;
  const ProductArguments<Panel> a{job.x, panel, job.weights->inputs, outputs, job.epilogue, job.out, first, end};
  if (a.out.rows <= kFewRows) return launch(ProductFewRows<Panel>{a}, a.out.rows * ((end - first + 15) / 16));
  launch(ProductTiles<Panel>{a}, (a.out.rows + kTile - 1) / kTile * ((end - first + kTile - 1) / kTile));
}

template <class Panel>
void run_experts(const ExpertProductJob& job) {
  const PackedWeights& w = *job.sample;
  const ProductArguments<Panel> all{job.x, Panel{}, w.inputs, w.outputs, {}, job.out, 0, w.outputs};
  launch(ProductByExpert<Panel>{all, job}, job.out.rows * w.panel_count());
}

// Calls `action` with a panel of the kind that the weights are stored in.
template <class Action>
void by_storage(const PackedWeights& weights, const Action& action) {
  switch (weights.codes) {
    case WeightCodes::int4:
      return action(CodePanel<WeightCodes::int4>{});
    case WeightCodes::int8:
      return action(CodePanel<WeightCodes::int8>{});
    case WeightCodes::e4m3:
      return action(CodePanel<WeightCodes::e4m3>{});
    case WeightCodes::bf12:
      return action(Bf12Panel{});
    case WeightCodes::none:
      break;
  }
  switch (weights.panels.type()) {
    case DType::bf16:
      return action(BfloatPanel{});
    case DType::f16:
      return action(HalfPanel{});
    default:
      return action(FloatPanel{});
  }
}

}  // namespace

void product(const ProductJob& job) {
  by_storage(*job.weights, [&](auto panel) { run<decltype(panel)>(job); });
}

void expert_product(const ExpertProductJob& job) {
  by_storage(*job.sample, [&](auto panel) { run_experts<decltype(panel)>(job); });
}

void expert_identity(const ExpertIdentityJob& job) { launch_each(job.out.rows, job.out.columns, IdentityOne{job}); }

}  // namespace tessera::cuda
