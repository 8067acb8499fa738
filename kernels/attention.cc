#include "kernels/attention.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>

#include "kernels/attention_job.h"
#include "kernels/cuda/twins.h"
#include "kernels/dispatch.h"
#include "kernels/error.h"
#include "kernels/profile.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/attention.cc"
#include <hwy/foreach_target.h>

#include "kernels/attention-inl.h"

HWY_BEFORE_NAMESPACE();
namespace tessera::HWY_NAMESPACE {

// A block of the lines of one key/value head: rows [first, first + rows). Scores and weights of position j lie at
// column j - base, base a multiple of 16.
struct QueryBlock {
  QueryBlock(const AttentionJob& job_, const AttentionPlan& plan, std::int64_t task, float* work)
      : job(job_), group(plan.group), step(plan.scores_step) {
    key_value_head = task / plan.blocks;
    first = task % plan.blocks * plan.lines;
    rows = std::min(plan.lines, job.queries.rows * group - first);
    begin = row_begin(0);
    end = row_end(rows - 1);
    base = begin / 16 * 16;
    scores = work;
    queries = scores + plan.lines * step;
    chains = queries + plan.lines * ((job.ring.head_dim + 15) / 16 * 16);
    totals = chains + plan.lines * job.ring.padded();
    denominators = totals + plan.lines * job.ring.padded();
  }
  [[nodiscard]] std::int64_t query(std::int64_t r) const { return (first + r) / group; }
  [[nodiscard]] std::int64_t head(std::int64_t r) const { return key_value_head * group + (first + r) % group; }
  [[nodiscard]] float* score_at(std::int64_t r, std::int64_t position) const {
    return scores + r * step + position - base;
  }
  [[nodiscard]] std::int64_t row_begin(std::int64_t r) const { return job.begin(query(r)); }
  [[nodiscard]] std::int64_t row_end(std::int64_t r) const { return job.end(query(r)); }

  const AttentionJob& job;
  std::int64_t group, step;
  std::int64_t key_value_head, first, rows, begin, end, base;
  float *scores, *queries, *chains, *totals, *denominators;
};

static HWY_INLINE void score_block(const QueryBlock& b) {
  const std::int64_t head_dim = b.job.ring.head_dim;
  for (std::int64_t r = 0; r < b.rows; ++r) {
    const float* row = b.job.queries.row(b.query(r)) + b.head(r) * head_dim;
    stage_query(row, r, b.rows, head_dim, b.queries);
  }
  // Panels of one slice are neighbours in their page.
  for (std::int64_t at = b.base; at < b.end;) {
    const std::int64_t stop = std::min((at / kSlice + 1) * kSlice, b.end);
    const std::int64_t panels = (stop - at + 15) / 16;
    score(b.queries, b.rows, head_dim, b.job.ring.key(b.key_value_head, at), panels, b.job.shape.scale,
          b.score_at(0, at), b.step);
    at = stop;
  }
}

static HWY_INLINE float largest(const float* scores, std::int64_t count) {
  Floats most = load(scores);
  for (std::int64_t i = 16; i < count; i += 16) most = Lanes::max(most, load(scores + i));
  alignas(64) float lanes[16];
  store(most, lanes);
  return *std::max_element(lanes, lanes + 16);
}

// Turns the scores of one query into weights exp(s - max); the result is their sum, the sink's weight in it.
static HWY_INLINE float weights_of_row(const QueryBlock& b, std::int64_t r) {
  const std::int64_t begin = b.row_begin(r);
  const std::int64_t end = b.row_end(r);
  const std::int64_t from = begin / 16 * 16;
  const std::int64_t to = (end + 15) / 16 * 16;
  constexpr float kHidden = -std::numeric_limits<float>::infinity();
  std::fill(b.score_at(r, from), b.score_at(r, begin), kHidden);
  std::fill(b.score_at(r, end), b.score_at(r, to), kHidden);
  float peak = largest(b.score_at(r, from), to - from);
  if (b.job.sinks != nullptr) peak = std::max(peak, b.job.sinks[b.head(r)]);
  const Floats most = Lanes::set(peak);
  float sum = 0.0F;
  for (std::int64_t at = from; at < to;) {
    const std::int64_t stop = std::min((at / kSlice + 1) * kSlice, to);
    const bool first = at == from;
    Floats chains = Lanes::set(0.0F);
    for (; at < stop; at += 16) {
      const Floats e = exp<Lanes>(Lanes::sub(load(b.score_at(r, at)), most));
      store(e, b.score_at(r, at));
      chains = Lanes::add(chains, e);
    }
    sum = first ? fold(chains) : sum + fold(chains);
  }
  return b.job.sinks == nullptr ? sum : sum + scalar::exp<scalar::Lanes>(b.job.sinks[b.head(r)] - peak);
}

// One slice of positions for rows [r, r + count): what all of them see together in blocks, the rest row by row.
static HWY_INLINE void weigh_slice(const QueryBlock& b, std::int64_t slice, std::int64_t r, std::int64_t count) {
  const std::int64_t padded = b.job.ring.padded();
  const std::int64_t slice_end = slice + kSlice;
  float* chains = b.chains + r * padded;
  std::fill_n(chains, count * padded, 0.0F);
  const auto run = [&](std::int64_t row, std::int64_t rows, std::int64_t from, std::int64_t to) HWY_ATTR {
    if (from >= to) return;
    weigh(b.score_at(row, from), b.step, rows, to - from, b.job.ring.value(b.key_value_head, from), padded,
          b.chains + row * padded);
  };
  const std::int64_t common = std::clamp(b.row_begin(r + count - 1), slice, slice_end);
  const std::int64_t common_end = std::clamp(b.row_end(r), common, slice_end);
  for (std::int64_t i = r; i < r + count; ++i) {
    run(i, 1, std::max(slice, b.row_begin(i)), std::min(common, b.row_end(i)));
  }
  run(r, count, common, common_end);
  for (std::int64_t i = r; i < r + count; ++i) {
    run(i, 1, std::max(common_end, b.row_begin(i)), std::min(slice_end, b.row_end(i)));
  }
}

// Adds the chains of one slice to the totals of the rows that see any of it.
static HWY_INLINE void add_slice(const QueryBlock& b, std::int64_t slice, std::int64_t r) {
  const std::int64_t padded = b.job.ring.padded();
  if (b.row_begin(r) >= slice + kSlice || b.row_end(r) <= slice || b.row_begin(r) >= b.row_end(r)) return;
  const bool first = b.row_begin(r) >= slice;
  float* total = b.totals + r * padded;
  const float* chain = b.chains + r * padded;
  for (std::int64_t d = 0; d < padded; d += 16) {
    store(first ? load(chain + d) : Lanes::add(load(total + d), load(chain + d)), total + d);
  }
}

static HWY_INLINE void write_row(const QueryBlock& b, std::int64_t r) {
  const std::int64_t value_dim = b.job.ring.value_dim;
  float* out = b.job.out.row(b.query(r)) + b.head(r) * value_dim;
  if (b.row_begin(r) >= b.row_end(r)) {
    std::fill_n(out, value_dim, 0.0F);
    return;
  }
  const Floats denominator = Lanes::set(b.denominators[r]);
  map_row(b.totals + r * b.job.ring.padded(), value_dim, out,
          [&](const Floats& x) HWY_ATTR { return Lanes::div(x, denominator); });
}

void attend_block(const AttentionJob& job, const AttentionPlan& plan, std::int64_t task, float* work) {
  const QueryBlock b(job, plan, task, work);
  if (b.begin < b.end) score_block(b);
  for (std::int64_t r = 0; r < b.rows; ++r) {
    if (b.row_begin(r) < b.row_end(r)) b.denominators[r] = weights_of_row(b, r);
  }
  for (std::int64_t slice = b.begin / kSlice * kSlice; slice < b.end; slice += kSlice) {
    for (std::int64_t r = 0; r < b.rows; r += kQueryRows) {
      weigh_slice(b, slice, r, std::min<std::int64_t>(kQueryRows, b.rows - r));
    }
    for (std::int64_t r = 0; r < b.rows; ++r) add_slice(b, slice, r);
  }
  for (std::int64_t r = 0; r < b.rows; ++r) write_row(b, r);
}

}  // namespace tessera::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera {
namespace {

constexpr auto kAttendBlock = TESSERA_BUILDS(attend_block);

void require(bool holds, const std::string& what) {
  if (!holds) throw ArgumentError("attention: " + what);
}

KeyValueRing ring_of(const KeyValueCache& cache) {
  return {cache.table(), cache.capacity() / kSlice, cache.heads(), cache.head_dim(), cache.value_dim()};
}

bool has_pages(const KeyValueCache& cache, std::int64_t begin, std::int64_t end) {
  const auto pages = cache.pages();
  for (std::int64_t i = begin / kSlice; i * kSlice < end; ++i) {
    if (!pages[static_cast<std::size_t>(i) % pages.size()]) return false;
  }
  return true;
}

// Of scores and weighted sums.
double multiply_adds(const AttentionJob& job) {
  std::int64_t pairs = 0;
  for (std::int64_t r = 0; r < job.queries.rows; ++r) pairs += std::max<std::int64_t>(job.end(r) - job.begin(r), 0);
  return static_cast<double>(pairs * job.shape.heads * (job.ring.head_dim + job.ring.value_dim));
}

// The positions of one panel of 16 that `job` brings.
void append_panel(const AppendJob& job, int heads, std::int64_t panel) {
  const std::int64_t begin = std::max(panel * 16, job.first_position);
  const std::int64_t end = std::min(panel * 16 + 16, job.first_position + job.keys.rows);
  const std::int64_t head_dim = job.ring.head_dim;
  const std::int64_t value_dim = job.ring.value_dim;
  for (int h = 0; h < heads; ++h) {
    float* key = job.ring.key(h, begin);
    for (std::int64_t d = 0; d < head_dim; ++d) {
      const float* from = job.keys.row(begin - job.first_position) + h * head_dim + d;
      for (std::int64_t i = 0; i < end - begin; ++i) key[d * 16 + i] = from[i * job.keys.row_step];
    }
    for (std::int64_t i = begin; i < end; ++i) {
      const float* from = job.values.row(i - job.first_position) + h * value_dim;
      std::memcpy(job.ring.value(h, i), from, static_cast<std::size_t>(value_dim) * sizeof(float));
    }
  }
}

constexpr std::int64_t kIntsPerAddress = sizeof(float*) / sizeof(std::int32_t);

// 16-wide multiply-adds worth waking another thread for.
constexpr std::int64_t kLeastParallelWork = 50000;

void attend_on_cpu(Context& context, const AttentionJob& job) {
  const AttentionPlan plan(job, context.threads());
  const std::int64_t fused = plan.visible * job.shape.key_value_heads * (job.ring.padded() + job.ring.head_dim) / 16;
  const std::int64_t workers = fused < kLeastParallelWork ? 1 : std::min<std::int64_t>(context.threads(), plan.tasks);
  const Tensor work = context.scratch({workers, plan.floats});
  std::atomic<std::int64_t> next{0};
  context.parallel_for(workers, 1, [&, block = build_for(context, kAttendBlock)](auto begin, auto end) {
    for (std::int64_t w = begin; w < end; ++w) {
      for (std::int64_t task; (task = next.fetch_add(1, std::memory_order_relaxed)) < plan.tasks;) {
        block(job, plan, task, work.data() + w * plan.floats);
      }
    }
  });
}

}  // namespace

KeyValueCache::KeyValueCache(Context& context, int heads, int head_dim, std::int64_t capacity, int value_dim,
                             Growth growth)
    : heads_(heads),
      head_dim_(head_dim),
      value_dim_(value_dim == 0 ? head_dim : value_dim),
      capacity_((capacity + kSlice - 1) / kSlice * kSlice) {
  const auto fits = [](int size) { return size > 0 && size <= kMostHeadDim; };
  require(heads > 0 && capacity > 0 && fits(head_dim) && fits(value_dim_),
          "a cache has heads, positions, and 1 to " + std::to_string(kMostHeadDim) + " elements a head");
  pages_.resize(static_cast<std::size_t>(capacity_ / kSlice));
  table_ = context.allocate({std::ssize(pages_), kIntsPerAddress}, DType::i32);
  if (growth == Growth::at_once) reserve(context);
}

void KeyValueCache::reserve(Context& context) {
  for (std::size_t i = 0; i < pages_.size(); ++i) {
    if (!pages_[i]) own_page(context, i);
  }
}

std::int64_t KeyValueCache::page_bytes() const noexcept {
  const std::int64_t floats = kSlice * heads_ * (head_dim_ + (value_dim_ + 15) / 16 * 16);
  return floats * static_cast<std::int64_t>(sizeof(float));
}

KeyValueCache KeyValueCache::fork(Context& context, std::int64_t end, std::int64_t capacity) const {
  KeyValueCache other(context, heads_, head_dim_, capacity, value_dim_, Growth::by_page);
  const auto count = [](const KeyValueCache& cache) { return std::ssize(cache.pages_); };
  const std::int64_t behind = (end + kSlice - 1) / kSlice;
  for (std::int64_t i = std::max<std::int64_t>(0, behind - std::min(count(*this), count(other))); i < behind; ++i) {
    const auto& page = pages_[static_cast<std::size_t>(i % count(*this))];
    if (page) other.put_page(context, static_cast<std::size_t>(i % count(other)), page);
  }
  return other;
}

void KeyValueCache::put_page(Context& context, std::size_t index, std::shared_ptr<const Tensor> page) {
  const float* at = page->data();
  context.upload(&at, table_.bytes() + index * sizeof at, sizeof at);
  pages_[index] = std::move(page);
}

// So that it can be written to: there, and nobody else's.
void KeyValueCache::own_page(Context& context, std::size_t index) {
  const std::shared_ptr<const Tensor> old = pages_[index];
  if (old && old.use_count() == 2) return;  // this one's and `old`
  Tensor page = context.allocate({page_bytes() / static_cast<std::int64_t>(sizeof(float))});
  if (old) context.copy(old->bytes(), page.bytes(), static_cast<std::size_t>(page_bytes()));
  put_page(context, index, std::make_shared<const Tensor>(std::move(page)));
}

void KeyValueCache::append(Context& context, std::int64_t first_position, ConstMatrix keys, ConstMatrix values) {
  const std::int64_t columns = static_cast<std::int64_t>(heads_) * head_dim_;
  require(keys.columns == columns && values.columns == std::int64_t{heads_} * value_dim_ && keys.rows == values.rows,
          "keys are [positions, heads * head_dim], values [positions, heads * value_dim]");
  require(first_position >= 0 && keys.rows <= capacity_, "more positions at once than the cache holds");
  if (keys.rows == 0) return;
  const Timed timed(context, "cache");
  const std::int64_t last = (first_position + keys.rows - 1) / kSlice;
  for (std::int64_t i = first_position / kSlice; i <= last; ++i) {
    own_page(context, static_cast<std::size_t>(i) % pages_.size());
  }
  const AppendJob job{ring_of(*this), first_position, keys, values};
  if (context.device().is_cuda()) return cuda::append(job);
  const std::int64_t panel = first_position / 16;
  const std::int64_t panels = (first_position + keys.rows + 15) / 16 - panel;
  context.parallel_for(panels, row_grain(16 * columns), [&](auto begin, auto end) {
    for (std::int64_t i = begin; i < end; ++i) append_panel(job, heads_, panel + i);
  });
}

void attend(Context& context, const KeyValueCache& cache, const AttentionShape& shape, ConstMatrix queries,
            std::int64_t first_query, std::int64_t first_key, std::int64_t end_key, Matrix out, const float* sinks) {
  require(shape.key_value_heads == cache.heads() && shape.head_dim == cache.head_dim() &&
              shape.values() == cache.value_dim(),
          "the cache has another shape");
  require(shape.heads > 0 && shape.heads % shape.key_value_heads == 0,
          "query heads are not a multiple of key/value heads");
  require(queries.columns == static_cast<std::int64_t>(shape.heads) * shape.head_dim &&
              out.columns == static_cast<std::int64_t>(shape.heads) * shape.values() && out.rows == queries.rows,
          "queries are [positions, heads * head_dim], the output [positions, heads * value_dim]");
  require(shape.left >= -1 && shape.right >= -1, "a reach is at least 0, or -1 for no limit");
  require(first_query >= 0 && first_key >= 0 && first_key <= end_key, "positions run from 0, first_key to end_key");
  if (queries.rows == 0) return;
  const AttentionJob job{ring_of(cache), shape, queries, first_query, first_key, end_key, out, sinks};
  require(end_key - job.begin(0) <= cache.capacity(), "position " + std::to_string(job.begin(0)) +
                                                          " has left the cache, which holds " +
                                                          std::to_string(cache.capacity()));
  require(has_pages(cache, job.begin(0), end_key), "positions in sight were never appended");
  const Timed timed(context, {"attention", 0, 0, 0, 0, multiply_adds(job)});
  if (context.device().is_cuda()) return cuda::attend(job);
  attend_on_cpu(context, job);
}

}  // namespace tessera
#endif
