#include "kernels/thread_pool.h"

#include <algorithm>
#include <string>
#include <system_error>

#include "kernels/error.h"

namespace tessera {
namespace {

// An operation follows the last one within microseconds; sleeping in between would cost more than it.
constexpr int kSpins = 4000;

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

ThreadPool::ThreadPool(int threads) : parts_(static_cast<std::size_t>(std::max(threads, 1))) {
  try {
    for (std::size_t i = 1; i < parts_.size(); ++i) workers_.emplace_back([this, i] { work(i); });
  } catch (const std::system_error& error) {
    stop();
    throw ResourceError("no_threads", "cannot start " + std::to_string(threads) + " threads: " + error.what());
  }
}

ThreadPool::~ThreadPool() { stop(); }

void ThreadPool::stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run(std::int64_t count, std::int64_t grain, Context::RangeBody body) {
  if (count <= 0) return;
  grain = std::max<std::int64_t>(grain, 1);
  if (workers_.empty() || count <= grain) return body(0, count);
  open(count, grain, body);
  take_ranges(0);
  close();
  if (error_) std::rethrow_exception(error_);
}

void ThreadPool::open(std::int64_t count, std::int64_t grain, Context::RangeBody body) {
  bool sleepers = false;
  {
    const std::lock_guard lock(mutex_);
    grain_ = grain;
    body_ = body;
    error_ = nullptr;
    share_out(count);
    open_ = true;
    job_.fetch_add(1, std::memory_order_release);
    sleepers = sleeping_ != 0;
  }
  if (sleepers) wake_.notify_all();
}

// As many whole ranges to each part; the first parts hold one more.
void ThreadPool::share_out(std::int64_t count) {
  const std::int64_t ranges = (count + grain_ - 1) / grain_;
  const auto threads = static_cast<std::int64_t>(parts_.size());
  std::int64_t first = 0;
  for (std::int64_t i = 0; i < threads; ++i) {
    Part& part = parts_[static_cast<std::size_t>(i)];
    part.next.store(std::min(first * grain_, count), std::memory_order_relaxed);
    first += ranges / threads + (i < ranges % threads ? 1 : 0);
    part.end = std::min(first * grain_, count);
  }
}

// Workers that have not joined by now find the job closed and are not waited for.
void ThreadPool::close() {
  {
    const std::lock_guard lock(mutex_);
    open_ = false;
  }
  for (int spin = 0; active_.load(std::memory_order_acquire) != 0; ++spin) {
    spin < kSpins ? pause() : std::this_thread::yield();
  }
}

void ThreadPool::take_part(Part& part) {
  while (part.next.load(std::memory_order_relaxed) < part.end) {
    const std::int64_t begin = part.next.fetch_add(grain_, std::memory_order_relaxed);
    if (begin >= part.end) return;
    body_(begin, std::min(begin + grain_, part.end));
  }
}

void ThreadPool::take_ranges(std::size_t self) {
  try {
    for (std::size_t i = 0; i < parts_.size(); ++i) take_part(parts_[(self + i) % parts_.size()]);
  } catch (...) {
    const std::lock_guard lock(mutex_);
    error_ = std::current_exception();
    for (Part& part : parts_) part.next.store(part.end, std::memory_order_relaxed);
  }
}

bool ThreadPool::join(std::uint64_t& seen) {
  for (int spin = 0; spin < kSpins && job_.load(std::memory_order_acquire) == seen; ++spin) pause();
  std::unique_lock lock(mutex_);
  ++sleeping_;
  wake_.wait(lock, [&] { return job_.load(std::memory_order_relaxed) != seen || stop_; });
  --sleeping_;
  seen = job_.load(std::memory_order_relaxed);
  if (open_) active_.fetch_add(1, std::memory_order_relaxed);
  return open_;
}

void ThreadPool::work(std::size_t self) {
  std::uint64_t seen = 0;
  for (;;) {
    const bool joined = join(seen);
    if (joined) {
      take_ranges(self);
      active_.fetch_sub(1, std::memory_order_release);
    } else if (stopped()) {
      return;
    }
  }
}

bool ThreadPool::stopped() {
  const std::lock_guard lock(mutex_);
  return stop_;
}

}  // namespace tessera
