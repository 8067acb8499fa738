#pragma once

#include <condition_variable>
#include <cstddef>
#include <exception>
#include <functional>
#include <map>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace tessera::cli {

/// Makes `count` results on `workers` threads and hands them over in order on the calling thread. Finished results
/// that wait for an earlier one are bounded. One worker: no thread is started. Threads that cannot be started are done
/// without, if need be without any.
/// The first exception of either function ends the work and comes out here.
template <class Result>
class OrderedWork {
 public:
  using Make = std::function<Result(std::size_t item, std::size_t worker)>;
  using Take = std::function<void(std::size_t item, Result result)>;

  OrderedWork(std::size_t count, std::size_t workers, Make make, Take take)
      : count_(count), workers_(workers), make_(std::move(make)), take_(std::move(take)) {}

  void run() {
    if (workers_ > 1 && run_threads()) return;
    for (std::size_t item = 0; item < count_; ++item) take_(item, make_(item, 0));
  }

 private:
  [[nodiscard]] std::vector<std::jthread> start_threads() {
    std::vector<std::jthread> threads;
    threads.reserve(workers_);
    try {
      for (std::size_t worker = 0; worker < workers_; ++worker) threads.emplace_back([this, worker] { work(worker); });
    } catch (const std::system_error&) {
      // The machine gives no more: those there are do the work.
    }
    return threads;
  }

  /// False when there is no thread at all.
  bool run_threads() {
    std::vector<std::jthread> threads = start_threads();
    if (threads.empty()) return false;
    try {
      for (std::size_t item = 0; item < count_; ++item) take_(item, wait_for(item));
    } catch (...) {
      stop(std::current_exception());
    }
    threads.clear();
    if (error_) std::rethrow_exception(error_);
    return true;
  }

  void work(std::size_t worker) {
    std::size_t item = 0;
    while (next(item)) {
      try {
        Result result = make_(item, worker);
        const std::lock_guard lock(mutex_);
        done_.emplace(item, std::move(result));
      } catch (...) {
        stop(std::current_exception());
      }
      changed_.notify_all();
    }
  }

  bool next(std::size_t& item) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return error_ || next_ == count_ || next_ < taken_ + 4 * workers_; });
    if (error_ || next_ == count_) return false;
    item = next_++;
    return true;
  }

  Result wait_for(std::size_t item) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return error_ || done_.count(item) > 0; });
    if (error_) std::rethrow_exception(error_);
    Result result = std::move(done_.extract(item).mapped());
    taken_ = item + 1;
    changed_.notify_all();
    return result;
  }

  void stop(std::exception_ptr error) {
    const std::lock_guard lock(mutex_);
    if (!error_) error_ = std::move(error);
    changed_.notify_all();
  }

  std::size_t count_;
  std::size_t workers_;
  Make make_;
  Take take_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::size_t, Result> done_;
  std::size_t next_ = 0;
  std::size_t taken_ = 0;
  std::exception_ptr error_;
};

}  // namespace tessera::cli
