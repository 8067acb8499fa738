#include "kernels/attention.h"

#include <gtest/gtest.h>

#include <cmath>

#include "kernels/arithmetic.h"
#include "kernels/error.h"
#include "tests/kernels/harness.h"

namespace tessera::harness {
namespace {

// `length` positions have been appended; the last `rows` of them, or fewer when `ahead` newer keys exist, ask.
struct Job {
  AttentionShape shape;
  std::int64_t length, rows, ahead, first_key, capacity;

  [[nodiscard]] std::int64_t first_query() const { return length - ahead - rows; }
  [[nodiscard]] std::int64_t begin(std::int64_t row) const {
    return shape.left < 0 ? first_key : std::max(first_key, first_query() + row - shape.left);
  }
  [[nodiscard]] std::int64_t end(std::int64_t row) const {
    return shape.right < 0 ? length : std::min(length, first_query() + row + shape.right + 1);
  }
};

struct Operands {
  std::vector<float> queries, keys, values;
  std::vector<float> sinks;  // empty: none
};

// One query of one head, straight from the header. `key(j, d)` and `value(j, d)` give the cached elements; `sink` may
// be null.
template <class Key, class Value>
std::vector<float> attention_rule(const Job& j, std::int64_t row, const float* query, const Key& key,
                                  const Value& value, const float* sink) {
  const std::int64_t begin = j.begin(row);
  const std::int64_t end = j.end(row);
  std::vector<float> out(static_cast<std::size_t>(j.shape.values()));
  if (begin >= end) return out;
  std::vector<float> e;
  for (std::int64_t i = begin; i < end; ++i) {
    const float s = dot(
        j.shape.head_dim, [&](auto d) { return query[d]; }, [&](auto d) { return key(i, d); });
    e.push_back(j.shape.scale * s);
  }
  float most = *std::max_element(e.begin(), e.end());
  if (sink != nullptr) most = std::max(most, *sink);
  for (float& s : e) s = scalar::exp<scalar::Lanes>(s - most);
  float denominator = 0.0F;
  for (std::int64_t slice = begin / 256 * 256; slice < end; slice += 256) {
    const auto seen = [&](std::int64_t i) { return slice + i >= begin && slice + i < end; };
    const float sum = sixteen_chains(256, [&](float c, auto i) { return seen(i) ? c + e[slice + i - begin] : c; });
    denominator = slice <= begin ? sum : denominator + sum;
    for (int d = 0; d < j.shape.values(); ++d) {
      float chain = 0.0F;
      for (std::int64_t i = std::max(slice, begin); i < std::min(slice + 256, end); ++i) {
        chain = std::fma(e[i - begin], value(i, d), chain);
      }
      out[d] = slice <= begin ? chain : out[d] + chain;
    }
  }
  if (sink != nullptr) denominator = denominator + scalar::exp<scalar::Lanes>(*sink - most);
  for (float& x : out) x = x / denominator;
  return out;
}

// The same in double precision, without slices or a maximum.
template <class Key, class Value>
std::vector<double> plain_attention(const Job& j, std::int64_t row, const float* query, const Key& key,
                                    const Value& value, const float* sink) {
  std::vector<double> out(static_cast<std::size_t>(j.shape.values()));
  double sum = sink == nullptr ? 0 : std::exp(static_cast<double>(*sink));
  for (std::int64_t i = j.begin(row); i < j.end(row); ++i) {
    double s = 0;
    for (int d = 0; d < j.shape.head_dim; ++d) s += static_cast<double>(query[d]) * key(i, d);
    const double e = std::exp(s * j.shape.scale);
    sum += e;
    for (int d = 0; d < j.shape.values(); ++d) out[d] += e * value(i, d);
  }
  for (double& x : out) x /= sum == 0 ? 1 : sum;
  return out;
}

std::vector<float> all_heads(const Job& j, const Operands& o, bool against_plain) {
  const AttentionShape& shape = j.shape;
  std::vector<float> out;
  for (std::int64_t row = 0; row < j.rows; ++row) {
    for (int h = 0; h < shape.heads; ++h) {
      const std::int64_t from = h / (shape.heads / shape.key_value_heads);
      const std::int64_t cached = shape.key_value_heads;
      const auto key = [&](std::int64_t i, std::int64_t d) { return o.keys[(i * cached + from) * shape.head_dim + d]; };
      const auto value = [&](std::int64_t i, std::int64_t d) {
        return o.values[(i * cached + from) * shape.values() + d];
      };
      const float* sink = o.sinks.empty() ? nullptr : &o.sinks[h];
      const float* query = o.queries.data() + (row * shape.heads + h) * shape.head_dim;
      const auto y = attention_rule(j, row, query, key, value, sink);
      out.insert(out.end(), y.begin(), y.end());
      if (!against_plain) continue;
      const auto plain = plain_attention(j, row, query, key, value, sink);
      for (int d = 0; d < shape.values(); ++d) EXPECT_NEAR(y[d], plain[d], 2e-5) << "row " << row << " head " << h;
    }
  }
  return out;
}

void expect_rule(const std::string& name, const Job& j, const Operands& o, const std::vector<float>& expected) {
  const std::int64_t cached = j.shape.key_value_heads;
  const std::int64_t columns = static_cast<std::int64_t>(j.shape.heads) * j.shape.head_dim;
  const std::int64_t results = static_cast<std::int64_t>(j.shape.heads) * j.shape.values();
  double pairs = 0;
  for (std::int64_t r = 0; r < j.rows; ++r)
    pairs += static_cast<double>(std::max<std::int64_t>(j.end(r) - j.begin(r), 0));
  expect_bits(name, expected, [&](Probe& p) {
    const ConstMatrix keys = p.input(o.keys, j.length, cached * j.shape.head_dim);
    const ConstMatrix values = p.input(o.values, j.length, cached * j.shape.values());
    const ConstMatrix queries = p.input(o.queries, j.rows, columns);
    const float* sinks = o.sinks.empty() ? nullptr : p.input(o.sinks);
    const Matrix out = p.output(j.rows, results, results + 5);
    const auto growth = j.rows % 2 == 0 ? KeyValueCache::Growth::at_once : KeyValueCache::Growth::by_page;
    auto cache = std::make_shared<KeyValueCache>(p.context(), j.shape.key_value_heads, j.shape.head_dim, j.capacity,
                                                 j.shape.value_dim, growth);
    // Chunks of odd sizes, so that panels and slices fill bit by bit and the ring wraps anywhere.
    for (std::int64_t at = 0, n = 1; at < j.length; at += n, n = n * 7 % 113 + 1) {
      n = std::min({n, j.length - at, cache->capacity()});
      cache->append(p.context(), at, keys.slice(at, n), values.slice(at, n));
    }
    const auto run = [=, &p] {
      attend(p.context(), *cache, j.shape, queries, j.first_query(), j.first_key, j.length, out, sinks);
    };
    return Prepared{run, out, 2.0 * pairs * static_cast<double>(columns + results)};
  });
}

Operands random_operands(const Job& j, Random& random) {
  const std::int64_t cached = j.length * j.shape.key_value_heads;
  return {random.floats(j.rows * j.shape.heads * j.shape.head_dim),
          random.floats(cached * j.shape.head_dim),
          random.floats(cached * j.shape.values()),
          {}};
}

void check(const Job& j, Random& random, bool sinks = false) {
  Operands o = random_operands(j, random);
  if (sinks) o.sinks = random.floats(j.shape.heads);
  const std::string name = "attention " + to_string({j.length, j.rows, j.shape.left, j.shape.right, j.shape.heads,
                                                     j.shape.key_value_heads, j.shape.head_dim});
  expect_rule(name, j, o, all_heads(j, o, !benchmarking()));
}

AttentionShape shape_of(int heads, int key_value_heads, int head_dim, std::int64_t left, std::int64_t right) {
  return {heads, key_value_heads, head_dim, left, right, 1.0F / std::sqrt(static_cast<float>(head_dim))};
}

TEST(Attention, EveryBackendFollowsTheRule) {
  Random random(41);
  for (int i = 0; i < tries(80); ++i) {
    Job j{};
    const int key_value_heads = static_cast<int>(random.integer(1, 3));
    const int heads = key_value_heads * static_cast<int>(random.integer(1, 3));
    const auto head_dim = static_cast<int>(i % 16 == 0 ? random.integer(250, 600) : random.extent(70, false));
    const std::int64_t left = random.coin() ? -1 : random.extent(300);
    const std::int64_t right = random.integer(-1, 2) <= 0 ? random.integer(-1, 0) : random.extent(40);
    j.shape = shape_of(heads, key_value_heads, head_dim, left, right);
    if (random.integer(0, 2) == 0) j.shape.value_dim = static_cast<int>(random.extent(70, false));
    j.length = random.extent(i % 4 == 0 ? 900 : 300);
    j.ahead = random.coin() ? 0 : random.integer(0, j.length);
    j.rows = std::min(random.extent(60), j.length - j.ahead);
    j.first_key = random.coin() ? 0 : random.integer(0, j.length);
    j.capacity = std::max<std::int64_t>(j.rows == 0 ? 1 : j.length - j.begin(0), 1);
    check(j, random, random.integer(0, 2) == 0);
  }
}

TEST(Attention, AnyChunkingGivesTheSameBits) {
  Random random(42);
  const std::int64_t length = 700;
  const AttentionShape shape = shape_of(4, 2, 24, 100, 0);
  const Job whole{shape, length, length, 0, 0, length};
  const Operands o = random_operands(whole, random);
  const auto expected = all_heads(whole, o, true);
  for (const Backend& backend : backends()) {
    for (const std::int64_t chunk : {1, 2, 31, 150}) {
      Context context(backend.options);
      if (context.device().is_cuda() && chunk < 31) continue;
      Probe p(backend);
      const ConstMatrix queries = p.input(o.queries, length, 96);
      const ConstMatrix keys = p.input(o.keys, length, 48);
      const ConstMatrix values = p.input(o.values, length, 48);
      const Matrix out = p.output(length, 96);
      KeyValueCache cache(p.context(), 2, 24, 100 + chunk);
      for (std::int64_t at = 0; at < length; at += chunk) {
        const std::int64_t n = std::min(chunk, length - at);
        cache.append(p.context(), at, keys.slice(at, n), values.slice(at, n));
        attend(p.context(), cache, shape, queries.slice(at, n), at, 0, at + n, out.slice(at, n));
      }
      EXPECT_EQ(p.read(out), expected) << backend.name << " in chunks of " << chunk;
    }
  }
}

// Two caches go on differently from what they share, the older one's ring wrapped or not.
TEST(Attention, ForksShareAndKeepApart) {
  Random random(46);
  const std::int64_t length = 900;
  for (const std::int64_t left : {-1, 40}) {
    const AttentionShape shape = shape_of(4, 2, 24, left, 0);
    const std::int64_t capacity = left < 0 ? length : left + 200;
    const Job last{shape, length, 150, 0, 0, capacity};
    const Operands first = random_operands(last, random);
    Operands second = random_operands(last, random);
    const std::int64_t common = length - 150;
    std::copy_n(first.keys.begin(), common * 48, second.keys.begin());
    std::copy_n(first.values.begin(), common * 48, second.values.begin());
    for (const Backend& backend : backends()) {
      Probe p(backend);
      Context& context = p.context();
      const auto append = [&](KeyValueCache& cache, const Operands& o, std::int64_t at, std::int64_t n) {
        cache.append(context, at, p.input(o.keys, length, 48).slice(at, n), p.input(o.values, length, 48).slice(at, n));
      };
      KeyValueCache cache(context, 2, 24, capacity, 0, KeyValueCache::Growth::by_page);
      for (std::int64_t at = 0; at < common; at += 150) append(cache, first, at, 150);
      KeyValueCache fork = cache.fork(context, common, capacity + 300);
      EXPECT_EQ(fork.capacity(), (capacity + 300 + 255) / 256 * 256);
      append(cache, first, common, 150);
      append(fork, second, common, 150);
      const auto expect = [&](const KeyValueCache& from, const Operands& o) {
        const Matrix out = p.output(150, 96);
        attend(context, from, shape, p.input(o.queries, 150, 96), common, 0, length, out);
        EXPECT_EQ(p.read(out), all_heads(last, o, false)) << backend.name << ", left " << left;
      };
      expect(cache, first);
      expect(fork, second);
    }
  }
}

TEST(Attention, PagesComeAsNeeded) {
  Context context;
  const Tensor x = context.allocate({200, 16});
  const Matrix rows = x;
  KeyValueCache cache(context, 2, 8, 2000, 0, KeyValueCache::Growth::by_page);
  const auto taken = [](const KeyValueCache& c) {
    return std::count_if(c.pages().begin(), c.pages().end(), [](const auto& page) { return page != nullptr; });
  };
  EXPECT_EQ(taken(cache), 0);
  EXPECT_EQ(cache.page_bytes(), 256 * 2 * (8 + 16) * 4);
  const Tensor out = context.allocate({200, 16});
  EXPECT_THROW(attend(context, cache, shape_of(2, 2, 8, -1, 0), rows, 0, 0, 200, out), ArgumentError);
  for (std::int64_t at = 0; at < 600; at += 200) cache.append(context, at, rows, rows);
  EXPECT_EQ(taken(cache), 3);
  const KeyValueCache fork = cache.fork(context, 300, 2000);
  EXPECT_EQ(taken(fork), 2);
  cache.append(context, 280, rows.slice(0, 1), rows.slice(0, 1));
  EXPECT_EQ(cache.pages()[0], fork.pages()[0]);
  EXPECT_NE(cache.pages()[1], fork.pages()[1]);
}

// Whatever hidden positions hold never reaches a query.
TEST(Attention, HiddenKeysDoNotLeak) {
  Random random(43);
  const Job j{shape_of(1, 1, 20, 30, 4), 400, 40, 60, 0, 400};
  Operands o = random_operands(j, random);
  const auto expected = all_heads(j, o, true);
  for (std::int64_t i = 0; i < j.length; ++i) {
    if (i >= j.begin(0) && i < j.end(j.rows - 1)) continue;
    for (int d = 0; d < 20; ++d) o.keys[i * 20 + d] = o.values[i * 20 + d] = i % 2 == 0 ? NAN : INFINITY;
  }
  expect_rule("attention beside NaN", j, o, expected);
  o.keys[320 * 20] = o.values[320 * 20 + 3] = NAN;
  expect_rule("attention with NaN", j, o, all_heads(j, o, false));
}

TEST(Attention, LargeScoresDoNotOverflow) {
  Random random(44);
  const Job j{shape_of(2, 1, 32, -1, 0), 300, 20, 0, 0, 300};
  Operands o = random_operands(j, random);
  for (float& k : o.keys) k *= 300.0F;
  expect_rule("attention with large scores", j, o, all_heads(j, o, false));
  o.sinks = {-3000.0F, 3000.0F};
  expect_rule("attention with large scores and sinks", j, o, all_heads(j, o, false));
}

TEST(Attention, Speed) {
  if (!benchmarking()) return;
  Random random(45);
  check({shape_of(8, 8, 64, 250, 0), 1500, 1500, 0, 0, 1500}, random);
  // Two heads of many: the rule and the emulation take seconds a head.
  check({shape_of(2, 2, 64, -1, -1), 3000, 3000, 0, 0, 3000}, random);
  check({shape_of(8, 8, 64, 250, 0), 1000, 2, 0, 0, 256}, random);
  check({shape_of(16, 4, 128, -1, 0), 2000, 1, 0, 0, 2000}, random);
}

TEST(Attention, RefusesShapesThatDisagree) {
  Context context;
  const Tensor x = context.allocate({4, 32});
  const Matrix m = x;
  EXPECT_THROW(KeyValueCache(context, 0, 8, 10), ArgumentError);
  EXPECT_THROW(KeyValueCache(context, 1, 8, 0), ArgumentError);
  EXPECT_THROW(KeyValueCache(context, 1, 1025, 10), ArgumentError);
  EXPECT_THROW(KeyValueCache(context, 1, 8, 10, -1), ArgumentError);
  KeyValueCache cache(context, 2, 8, 10);
  EXPECT_EQ(cache.capacity(), 256);
  EXPECT_THROW(cache.append(context, 0, m, m), ArgumentError);
  EXPECT_THROW(cache.append(context, -1, m.columns_from(0, 16), m.columns_from(0, 16)), ArgumentError);
  const AttentionShape shape = shape_of(4, 2, 8, -1, 0);
  const Tensor out = context.allocate({4, 32});
  EXPECT_NO_THROW(attend(context, cache, shape, m, 300, 100, 304, out));
  EXPECT_THROW(attend(context, cache, shape, m, 300, 40, 304, out), ArgumentError);
  EXPECT_THROW(attend(context, cache, shape, m, 300, 310, 304, out), ArgumentError);
  EXPECT_THROW(attend(context, cache, shape, m.columns_from(0, 16), 300, 100, 304, out), ArgumentError);
  EXPECT_THROW(attend(context, cache, shape_of(3, 2, 8, -1, 0), m, 300, 100, 304, out), ArgumentError);
  EXPECT_THROW(attend(context, cache, shape_of(4, 4, 8, -1, 0), m, 300, 100, 304, out), ArgumentError);
  AttentionShape wider = shape;
  wider.value_dim = 9;
  EXPECT_THROW(attend(context, cache, wider, m, 300, 100, 304, out), ArgumentError);
}

}  // namespace
}  // namespace tessera::harness
