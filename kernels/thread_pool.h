#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "kernels/context.h"

namespace tessera {

/// Threads that share out the ranges of one parallel_for at a time with the calling thread.
class ThreadPool {
 public:
  /// `threads` counts the caller: a pool of 1 starts none.
  /// Throws ResourceError when they cannot be started.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  [[nodiscard]] int threads() const noexcept { return static_cast<int>(workers_.size()) + 1; }
  void run(std::int64_t count, std::int64_t grain, Context::RangeBody body);

 private:
  void work();
  void stop();
  void open(std::int64_t count, std::int64_t grain, Context::RangeBody body);
  void close();
  void take_ranges();
  bool join(std::uint64_t& seen);
  bool stopped();

  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable wake_;
  int sleeping_ = 0;
  bool stop_ = false;
  bool open_ = false;
  std::atomic<std::uint64_t> job_{0};
  std::atomic<std::int64_t> next_{0};
  std::atomic<int> active_{0};
  std::int64_t count_ = 0;
  std::int64_t grain_ = 1;
  Context::RangeBody body_{};
  std::exception_ptr error_;
};

}  // namespace tessera
