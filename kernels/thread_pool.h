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

/// Threads that share out the ranges of one parallel_for at a time with the calling thread. Each thread begins with its
/// own part of the ranges, the same one in every job of the same size, so that what it touched last time is still in
/// its cache; then it helps the others.
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
  /// The ranges that one thread begins with.
  struct alignas(64) Part {
    std::atomic<std::int64_t> next{0};
    std::int64_t end = 0;
  };

  void work(std::size_t self);
  void stop();
  void open(std::int64_t count, std::int64_t grain, Context::RangeBody body);
  void share_out(std::int64_t count);
  void close();
  void take_ranges(std::size_t self);
  void take_part(Part& part);
  bool join(std::uint64_t& seen);
  bool stopped();

  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable wake_;
  int sleeping_ = 0;
  bool stop_ = false;
  bool open_ = false;
  std::atomic<std::uint64_t> job_{0};
  std::atomic<int> active_{0};
  std::vector<Part> parts_;  // one a thread, the caller's first
  std::int64_t grain_ = 1;
  Context::RangeBody body_{};
  std::exception_ptr error_;
};

}  // namespace tessera
