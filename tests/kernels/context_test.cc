#include "kernels/context.h"

#include <gtest/gtest.h>
#include <pthread.h>

#include <atomic>
#include <cstring>
#include <numeric>
#include <set>
#include <stdexcept>

#include "kernels/arena.h"
#include "kernels/error.h"
#include "kernels/thread_pool.h"

namespace tessera {
namespace {

ContextOptions with_threads(int threads) {
  ContextOptions options;
  options.threads = threads;
  return options;
}

TEST(ParallelFor, CoversEveryIndexOnce) {
  for (const int threads : {1, 2, 5}) {
    Context context(with_threads(threads));
    for (const std::int64_t count : {0, 1, 2, 3, 7, 64, 1000}) {
      for (const std::int64_t grain : {-1, 0, 1, 3, 64, 5000}) {
        std::vector<std::atomic<int>> hits(static_cast<std::size_t>(count));
        std::atomic<int> short_ranges{0};
        context.parallel_for(count, grain, [&](std::int64_t begin, std::int64_t end) {
          if (end - begin < std::min(grain, count)) ++short_ranges;
          for (std::int64_t i = begin; i < end; ++i) ++hits[i];
        });
        for (const auto& hit : hits) EXPECT_EQ(hit, 1);
        EXPECT_LE(short_ranges, 1) << count << " by " << grain;
      }
    }
  }
}

TEST(ParallelFor, NothingToDoCallsNothing) {
  for (const int threads : {1, 4}) {
    Context context(with_threads(threads));
    for (const std::int64_t count : {0, -5}) {
      context.parallel_for(count, 1, [](std::int64_t, std::int64_t) { ADD_FAILURE(); });
    }
  }
}

TEST(ParallelFor, ExceptionsComeOut) {
  for (const int threads : {1, 4}) {
    Context context(with_threads(threads));
    for (const std::int64_t bad : {0, 50, 99}) {
      const auto body = [&](std::int64_t begin, std::int64_t end) {
        if (begin <= bad && bad < end) throw InputError("odd", "item " + std::to_string(bad));
      };
      EXPECT_THROW(context.parallel_for(100, 1, body), InputError);
      std::atomic<std::int64_t> done{0};
      context.parallel_for(100, 1, [&](std::int64_t begin, std::int64_t end) { done += end - begin; });
      EXPECT_EQ(done, 100) << "the pool must work on after an exception";
    }
  }
}

TEST(ParallelFor, EveryRangeMayThrow) {
  Context context(with_threads(4));
  for (int i = 0; i < 200; ++i) {
    EXPECT_THROW(context.parallel_for(16, 1, [](std::int64_t, std::int64_t) { throw std::runtime_error("no"); }),
                 std::runtime_error);
  }
}

// What one job writes, the next reads, whichever thread runs it.
TEST(ParallelFor, ManyTinyJobsInOrder) {
  Context context(with_threads(3));
  std::vector<std::int64_t> values(17, 0);
  for (int job = 0; job < 20000; ++job) {
    context.parallel_for(17, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) values[i] += 1;
    });
  }
  EXPECT_EQ(std::accumulate(values.begin(), values.end(), std::int64_t{0}), 17 * 20000);
}

// A context inside the body of another's loop.
TEST(ParallelFor, ContextsNest) {
  Context outer(with_threads(3));
  std::atomic<std::int64_t> sum{0};
  outer.parallel_for(8, 1, [&](std::int64_t begin, std::int64_t end) {
    Context inner(with_threads(2));
    for (std::int64_t i = begin; i < end; ++i) {
      inner.parallel_for(100, 7, [&](std::int64_t first, std::int64_t last) { sum += last - first; });
    }
  });
  EXPECT_EQ(sum, 800);
}

TEST(ThreadPool, ComesAndGoes) {
  for (int i = 0; i < 100; ++i) {
    ThreadPool pool(1 + i % 4);
    EXPECT_EQ(pool.threads(), 1 + i % 4);
  }
}

TEST(ThreadPool, ThreadsThatCannotStartAreAnError) {
  pthread_attr_t usual;
  ASSERT_EQ(pthread_getattr_default_np(&usual), 0);
  pthread_attr_t huge;
  pthread_attr_init(&huge);
  pthread_attr_setstacksize(&huge, std::size_t{1} << 50);
  pthread_setattr_default_np(&huge);
  EXPECT_THROW(ThreadPool pool(4), ResourceError);
  pthread_setattr_default_np(&usual);
  pthread_attr_destroy(&huge);
  pthread_attr_destroy(&usual);
}

// Counts the blocks that the arena asks for.
class CountingMemory final : public Memory {
 public:
  std::byte* allocate(std::size_t bytes) override {
    ++allocated;
    return host_->allocate(bytes);
  }
  void release(std::byte* block, std::size_t bytes) noexcept override {
    ++released;
    host_->release(block, bytes);
  }
  void upload(const void* from, std::byte* to, std::size_t n) override { host_->upload(from, to, n); }
  void download(const std::byte* from, void* to, std::size_t n) override { host_->download(from, to, n); }
  void copy(const std::byte* from, std::byte* to, std::size_t n) override { host_->copy(from, to, n); }
  void zero(std::byte* at, std::size_t n) override { host_->zero(at, n); }

  int allocated = 0;
  int released = 0;

 private:
  std::shared_ptr<Memory> host_ = memory_of(Device{});
};

TEST(Arena, ASteadyStateAllocatesNothing) {
  const auto memory = std::make_shared<CountingMemory>();
  auto arena = std::make_shared<Arena>(memory);
  const auto step = [&](std::size_t n) {
    const Tensor::Block a = arena->take(n);
    const Tensor::Block b = arena->take(3 * n);
    const Tensor::Block c = arena->take(n);
    std::memset(a.get(), 1, n);
    std::memset(b.get(), 2, 3 * n);
    std::memset(c.get(), 3, n);
  };
  step(1000);
  EXPECT_EQ(memory->allocated, 3);
  for (int i = 0; i < 50; ++i) step(1000 - i % 20);
  EXPECT_EQ(memory->allocated, 3);
  EXPECT_EQ(memory->released, 0);
  arena.reset();
  EXPECT_EQ(memory->released, 3);
}

TEST(Arena, BlocksMayOutliveIt) {
  const auto memory = std::make_shared<CountingMemory>();
  auto arena = std::make_shared<Arena>(memory);
  {
    const Tensor::Block block = arena->take(100);
    arena.reset();
    std::memset(block.get(), 1, 100);
    EXPECT_EQ(memory->released, 0);
  }
  EXPECT_EQ(memory->released, 1);
}

TEST(Arena, BlocksInUseAreDifferent) {
  Context context;
  std::vector<Tensor> live;
  std::set<std::byte*> seen;
  for (const std::int64_t n : {0, 1, 63, 64, 65, 1000, 1025, 4097, 1000, 65}) {
    live.push_back(context.scratch({n}));
    EXPECT_TRUE(seen.insert(live.back().bytes()).second);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(live.back().bytes()) % 64, 0U);
    std::memset(live.back().bytes(), 1, static_cast<std::size_t>(n) * 4);
  }
}

TEST(Context, ScratchIsReused) {
  Context context;
  const std::byte* first = context.scratch({100, 7}).bytes();
  for (int i = 0; i < 10; ++i) EXPECT_EQ(context.scratch({100, 7}).bytes(), first);
}

TEST(Context, AllocatedTensorsAreZeroAndOutliveIt) {
  Tensor kept;
  {
    Context context;
    kept = context.allocate({5, 3});
  }
  for (std::int64_t i = 0; i < 15; ++i) EXPECT_EQ(kept.data()[i], 0);
}

TEST(Context, CopiesBothWays) {
  Context context;
  const std::vector<float> values = {1, 2, 3};
  std::vector<float> back(3);
  const Tensor a = context.allocate({3});
  const Tensor b = context.allocate({3});
  context.upload(values.data(), a.bytes(), 12);
  context.copy(a.bytes(), b.bytes(), 12);
  context.zero(a.bytes(), 8);
  context.download(b.bytes(), back.data(), 12);
  EXPECT_EQ(back, values);
  context.download(a.bytes(), back.data(), 12);
  EXPECT_EQ(back, (std::vector<float>{0, 0, 3}));
  context.upload(nullptr, a.bytes(), 0);
}

TEST(Context, ImpossibleSizesAreErrors) {
  Context context;
  const std::int64_t huge = std::int64_t{1} << 62;
  EXPECT_THROW((void)context.scratch({-1}), ArgumentError);
  EXPECT_THROW((void)context.scratch({huge, 4}), ArgumentError);
  EXPECT_THROW((void)context.scratch({huge}), ResourceError);
  EXPECT_THROW((void)context.allocate({huge}), ResourceError);
}

TEST(Context, TheFlagInterrupts) {
  Context context;
  std::atomic<bool> flag{false};
  EXPECT_NO_THROW(context.check_interrupt());
  context.set_interrupt(&flag);
  EXPECT_NO_THROW(context.check_interrupt());
  flag = true;
  EXPECT_THROW(context.check_interrupt(), Interrupted);
  context.set_interrupt(nullptr);
  EXPECT_NO_THROW(context.check_interrupt());
}

TEST(Context, KnowsInstructionSets) {
  const std::vector<Isa> supported = supported_isas();
  ASSERT_FALSE(supported.empty());
  for (const Isa isa : {Isa::avx2, Isa::avx512, Isa::neon}) {
    EXPECT_EQ(isa_from_name(name_of(isa)), isa);
    ContextOptions options = with_threads(1);
    options.isa = isa;
    if (std::find(supported.begin(), supported.end(), isa) != supported.end()) {
      EXPECT_EQ(Context(options).isa(), isa);
    } else {
      EXPECT_THROW(Context context(options), ArgumentError);
    }
  }
  EXPECT_THROW((void)isa_from_name("sse2"), ArgumentError);
}

TEST(Context, AnAbsentDeviceIsAnError) {
  ContextOptions options;
  options.device = {Device::Kind::cuda, 99};
  EXPECT_THROW(Context context(options), ResourceError);
}

}  // namespace
}  // namespace tessera
