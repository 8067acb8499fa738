// Attention: a block is one query of one head. Scores are computed twice, for their maximum and for the weights, which
// is cheaper than keeping them.

#include "cuda_backend.h"
#include "kernels/attention_job.h"
#include "kernels/cuda/point.h"
#include "kernels/cuda/twins.h"

namespace tessera::cuda {
namespace {

struct AppendKey {
  AppendJob job;
  TESSERA_DEVICE void operator()(std::int64_t row, std::int64_t column) const {
    const std::int64_t size = job.ring.head_dim;
    float* key = job.ring.key(column / size, job.first_position + row);
    key[column % size * 16] = job.keys.data[row * job.keys.row_step + column];
  }
};

struct AppendValue {
  AppendJob job;
  TESSERA_DEVICE void operator()(std::int64_t row, std::int64_t column) const {
    const std::int64_t size = job.ring.value_dim;
    float* value = job.ring.value(column / size, job.first_position + row);
    value[column % size] = job.values.data[row * job.values.row_step + column];
  }
};

constexpr int kSlicesAtOnce = 4;

struct AttendOne {
  static constexpr int kThreads = kSlice;
  struct Shared {
    float query[kMostHeadDim];
    float most[kSlice];
    float weights[kSlicesAtOnce][kSlice];
    float chains[kSlicesAtOnce][16];
    float numerators[kSlicesAtOnce][kMostHeadDim];
    float totals[kMostHeadDim];
    float denominator;
  };
  // What one block works on.
  struct Query {
    const float* x;
    float* out;
    std::int64_t head;  // of keys and values
    std::int64_t begin;
    std::int64_t end;
    const float* sink;  // null: none
  };
  AttentionJob job;

  template <class B>
  TESSERA_DEVICE void operator()(B& block, Shared& shared) const {
    const Query q = query(block.index);
    const int values = job.shape.values();
    block.each([&](int t) {
      for (int d = t; d < job.shape.head_dim; d += kThreads) shared.query[d] = q.x[d];
      for (int d = t; d < values && q.begin >= q.end; d += kThreads) q.out[d] = 0.0F;
    });
    if (q.begin >= q.end) return;
    find_most(block, shared, q);
    const std::int64_t last = (q.end - 1) / kSlice;
    for (std::int64_t slice = q.begin / kSlice; slice <= last; slice += kSlicesAtOnce) {
      const int count = last - slice + 1 < kSlicesAtOnce ? static_cast<int>(last - slice + 1) : kSlicesAtOnce;
      block.each([&](int t) { weigh_keys(shared, q, slice, count, t); });
      block.each([&](int t) { sum_slices(shared, q, slice, count, t); });
      const bool first = slice == q.begin / kSlice;
      block.each([&](int t) { add_slices(shared, first, count, t); });
    }
    if (job.sinks != nullptr) {
      block.each([&](int t) {
        if (t == 0) shared.denominator += scalar::exp<scalar::Lanes>(*q.sink - shared.most[0]);
      });
    }
    block.each([&](int t) {
      for (int d = t; d < values; d += kThreads) q.out[d] = shared.totals[d] / shared.denominator;
    });
  }

  TESSERA_DEVICE Query query(std::int64_t index) const {
    const std::int64_t row = index / job.shape.heads;
    const std::int64_t head = index % job.shape.heads;
    return {job.queries.data + row * job.queries.row_step + head * job.shape.head_dim,
            job.out.data + row * job.out.row_step + head * job.shape.values(),
            job.key_value_head(head),
            job.begin(row),
            job.end(row),
            job.sinks == nullptr ? nullptr : job.sinks + head};
  }

  TESSERA_DEVICE float score(const Shared& shared, const Query& q, std::int64_t position) const {
    const float* key = job.ring.key(q.head, position);
    float total = 0.0F;
    for (int k = 0; k < job.shape.head_dim; k += kSlice) {
      const int end = k + kSlice < job.shape.head_dim ? k + kSlice : job.shape.head_dim;
      float chain = 0.0F;
      for (int d = k; d < end; ++d) chain = scalar::Lanes::fma(shared.query[d], key[d * 16], chain);
      total = k == 0 ? chain : total + chain;
    }
    return job.shape.scale * total;
  }

  template <class B>
  TESSERA_DEVICE void find_most(B& block, Shared& shared, const Query& q) const {
    block.each([&](int t) {
      float most = score(shared, q, q.begin);
      if (q.sink != nullptr) most = larger(most, *q.sink);
      for (std::int64_t j = q.begin + t; j < q.end; j += kThreads) most = larger(most, score(shared, q, j));
      shared.most[t] = most;
    });
    for (int half = kThreads / 2; half != 0; half /= 2) {
      block.each([&](int t) {
        if (t < half) shared.most[t] = larger(shared.most[t], shared.most[t + half]);
      });
    }
  }

  TESSERA_DEVICE static float larger(float a, float b) { return a < b ? b : a; }

  TESSERA_DEVICE void weigh_keys(Shared& shared, const Query& q, std::int64_t slice, int count, int t) const {
    for (int s = 0; s < count; ++s) {
      const std::int64_t j = (slice + s) * kSlice + t;
      const bool seen = j >= q.begin && j < q.end;
      shared.weights[s][t] = seen ? scalar::exp<scalar::Lanes>(score(shared, q, j) - shared.most[0]) : 0.0F;
    }
  }

  TESSERA_DEVICE void sum_slices(Shared& shared, const Query& q, std::int64_t slice, int count, int t) const {
    if (t < count * 16) {
      float chain = 0.0F;
      for (int i = t % 16; i < kSlice; i += 16) chain = chain + shared.weights[t / 16][i];
      shared.chains[t / 16][t % 16] = chain;
    }
    const int values = job.shape.values();
    for (int i = t; i < count * values; i += kThreads) {
      const int s = i / values;
      const int d = i % values;
      shared.numerators[s][d] = numerator(shared.weights[s], q, (slice + s) * kSlice, d);
    }
  }

  TESSERA_DEVICE float numerator(const float* weights, const Query& q, std::int64_t start, int d) const {
    const int from = q.begin > start ? static_cast<int>(q.begin - start) : 0;
    const int to = q.end - start < kSlice ? static_cast<int>(q.end - start) : kSlice;
    // The positions of a slice are neighbours in their page.
    const float* values = job.ring.value(q.head, start) + d;
    float chain = 0.0F;
    for (int i = from; i < to; ++i) chain = scalar::Lanes::fma(weights[i], values[i * job.ring.padded()], chain);
    return chain;
  }

  TESSERA_DEVICE void add_slices(Shared& shared, bool first, int count, int t) const {
    for (int s = 0; s < count; ++s) {
      for (int d = t; d < job.shape.values(); d += kThreads) {
        const float n = shared.numerators[s][d];
        shared.totals[d] = first && s == 0 ? n : shared.totals[d] + n;
      }
      if (t != 0) continue;
      const float sum = fold(shared.chains[s]);
      shared.denominator = first && s == 0 ? sum : shared.denominator + sum;
    }
  }

  TESSERA_DEVICE static float fold(float* chain) {
    for (int half = 8; half != 0; half /= 2) {
      for (int j = 0; j < half; ++j) chain[j] += chain[j + half];
    }
    return chain[0];
  }
};

}  // namespace

void append(const AppendJob& job) {
  launch_each(job.keys.rows, job.keys.columns, AppendKey{job});
  launch_each(job.values.rows, job.values.columns, AppendValue{job});
}

void attend(const AttentionJob& job) { launch(AttendOne{job}, job.queries.rows * job.shape.heads); }

}  // namespace tessera::cuda
