// Normalisations: sixteen threads are the sixteen chains of a row.

#include "cuda_backend.h"
#include "kernels/cuda/point.h"
#include "kernels/cuda/twins.h"

namespace tessera::cuda {
namespace {

TESSERA_DEVICE inline float inverse_root(float squares, float count, float epsilon) {
  return 1.0F / scalar::Lanes::sqrt(squares / count + epsilon);
}

TESSERA_DEVICE inline float fold(float* chain) {
  for (int half = 8; half != 0; half /= 2) {
    for (int j = 0; j < half; ++j) chain[j] += chain[j + half];
  }
  return chain[0];
}

// Element (r, i) from its deviation times scale.
TESSERA_DEVICE inline void write(const NormJob& job, std::int64_t r, std::int64_t i, float scaled) {
  const float y = job.bias == nullptr ? scaled * job.weight[i] : scalar::Lanes::fma(scaled, job.weight[i], job.bias[i]);
  job.out.data[r * job.out.row_step + i] = y;
}

// A block takes sixteen rows. Without kCentre the mean is left out, which makes it the root-mean-square norm.
template <bool kCentre>
struct NormRows {
  static constexpr int kThreads = 256;
  struct Shared {
    float chain[16][16];
    float mean[16];
    float scale[16];
  };
  NormJob job;

  template <class B>
  TESSERA_DEVICE void operator()(B& block, Shared& shared) const {
    const std::int64_t first = block.index * 16;
    const auto count = static_cast<float>(job.input.columns);
    if (kCentre) block.each([&](int t) { shared.chain[t / 16][t % 16] = sum(first + t / 16, t % 16); });
    block.each([&](int t) {
      if (t < 16) shared.mean[t] = kCentre ? fold(shared.chain[t]) / count : 0.0F;
    });
    block.each([&](int t) { shared.chain[t / 16][t % 16] = squares(first + t / 16, t % 16, shared.mean[t / 16]); });
    block.each([&](int t) {
      if (t < 16) shared.scale[t] = inverse_root(fold(shared.chain[t]), count, job.epsilon);
    });
    block.each([&](int t) { finish(first + t / 16, t % 16, shared.mean[t / 16], shared.scale[t / 16]); });
  }

  TESSERA_DEVICE float input(std::int64_t r, std::int64_t i) const {
    return job.input.data[r * job.input.row_step + i];
  }

  TESSERA_DEVICE float sum(std::int64_t r, int lane) const {
    float chain = 0.0F;
    if (r >= job.input.rows) return chain;
    for (std::int64_t i = lane; i < job.input.columns; i += 16) chain = chain + input(r, i);
    return chain;
  }

  TESSERA_DEVICE float squares(std::int64_t r, int lane, float mean) const {
    float chain = 0.0F;
    if (r >= job.input.rows) return chain;
    for (std::int64_t i = lane; i < job.input.columns; i += 16) {
      const float d = input(r, i) - mean;
      chain = scalar::Lanes::fma(d, d, chain);
    }
    return chain;
  }

  TESSERA_DEVICE void finish(std::int64_t r, int lane, float mean, float scale) const {
    if (r >= job.input.rows) return;
    for (std::int64_t i = lane; i < job.input.columns; i += 16) write(job, r, i, (input(r, i) - mean) * scale);
  }
};

// A block takes sixteen rows.
struct L2NormalizeRows {
  static constexpr int kThreads = 256;
  struct Shared {
    float chain[16][16];
    float divisor[16];
  };
  ConstMatrix x;
  float epsilon;
  Matrix out;

  template <class B>
  TESSERA_DEVICE void operator()(B& block, Shared& shared) const {
    const std::int64_t first = block.index * 16;
    block.each([&](int t) { shared.chain[t / 16][t % 16] = squares(first + t / 16, t % 16); });
    block.each([&](int t) {
      if (t >= 16) return;
      const float norm = scalar::Lanes::sqrt(fold(shared.chain[t]));
      shared.divisor[t] = norm < epsilon ? epsilon : norm;
    });
    block.each([&](int t) { finish(first + t / 16, t % 16, shared.divisor[t / 16]); });
  }

  TESSERA_DEVICE float squares(std::int64_t r, int lane) const {
    float chain = 0.0F;
    if (r >= x.rows) return chain;
    for (std::int64_t i = lane; i < x.columns; i += 16) {
      chain = scalar::Lanes::fma(x.data[r * x.row_step + i], x.data[r * x.row_step + i], chain);
    }
    return chain;
  }

  TESSERA_DEVICE void finish(std::int64_t r, int lane, float divisor) const {
    if (r >= x.rows) return;
    for (std::int64_t i = lane; i < x.columns; i += 16) {
      out.data[r * out.row_step + i] = x.data[r * x.row_step + i] / divisor;
    }
  }
};

// A block is one slice of positions of one group, a thread a position.
template <bool kSquares>
struct GroupSlice {
  static constexpr int kThreads = kSlice;
  struct Shared {
    float position[kSlice];
  };
  GroupMomentsJob job;

  template <class B>
  TESSERA_DEVICE void operator()(B& block, Shared& shared) const {
    const std::int64_t slice = block.index / job.groups;
    const std::int64_t group = block.index % job.groups;
    const std::int64_t first = slice * kSlice;
    const std::int64_t left = job.x.pixels() - first;
    const int count = left < kSlice ? static_cast<int>(left) : kSlice;
    block.each([&](int t) {
      if (t < count) shared.position[t] = sum(first + t, group * job.width());
    });
    block.each([&](int t) {
      if (t != 0) return;
      float chain = 0.0F;
      for (int i = 0; i < count; ++i) chain = chain + shared.position[i];
      job.sums[slice * job.groups + group] = chain;
    });
  }

  TESSERA_DEVICE float sum(std::int64_t position, std::int64_t channel) const {
    const float* x = job.x.pixel(position) + channel;
    float chain[16] = {};
    for (std::int64_t i = 0; i < job.width(); i += 16) {
      for (int j = 0; j < 16 && i + j < job.width(); ++j) {
        const float d = kSquares ? x[i + j] - job.moments[channel] : x[i + j];
        chain[j] = kSquares ? scalar::Lanes::fma(d, d, chain[j]) : chain[j] + d;
      }
    }
    return fold(chain);
  }
};

// One channel's mean, or its scale.
template <bool kSquares>
struct FinishChannel {
  GroupMomentsJob job;
  TESSERA_DEVICE void operator()(std::int64_t, std::int64_t channel) const {
    const float total = job.total(channel / job.width());
    if (kSquares) {
      job.scales()[channel] = inverse_root(total, job.count(), job.epsilon);
    } else {
      job.moments[channel] = total / job.count();
    }
  }
};

struct GroupNormOne {
  NormJob job;
  const float* moments;
  TESSERA_DEVICE void operator()(std::int64_t r, std::int64_t i) const {
    const float d = job.input.data[r * job.input.row_step + i] - moments[i];
    write(job, r, i, d * moments[job.input.columns + i]);
  }
};

}  // namespace

void layer_norm(const NormJob& job) { launch(NormRows<true>{job}, (job.input.rows + 15) / 16); }

void rms_norm(const NormJob& job) { launch(NormRows<false>{job}, (job.input.rows + 15) / 16); }

void l2_normalize(ConstMatrix x, float epsilon, Matrix out) {
  launch(L2NormalizeRows{x, epsilon, out}, (x.rows + 15) / 16);
}

void group_moments(const GroupMomentsJob& job) {
  launch(GroupSlice<false>{job}, job.slices() * job.groups);
  launch_each(1, job.x.channels, FinishChannel<false>{job});
  launch(GroupSlice<true>{job}, job.slices() * job.groups);
  launch_each(1, job.x.channels, FinishChannel<true>{job});
}

void group_norm(const NormJob& job, const float* moments) {
  launch_each(job.input.rows, job.input.columns, GroupNormOne{job, moments});
}

}  // namespace tessera::cuda
