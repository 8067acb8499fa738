#pragma once

#include <atomic>
#include <cstddef>
#include <map>
#include <memory>
#include <vector>

#include "kernels/tensor.h"

namespace tessera {

/// Raw memory of one device. CPU blocks are aligned to 64 bytes.
class Memory {
 public:
  virtual ~Memory() = default;
  /// Throws ResourceError("out_of_memory").
  [[nodiscard]] virtual std::byte* allocate(std::size_t bytes) = 0;
  /// `bytes` as asked for.
  virtual void release(std::byte* block, std::size_t bytes) noexcept = 0;
  virtual void upload(const void* host, std::byte* device, std::size_t bytes) = 0;
  virtual void download(const std::byte* device, void* host, std::size_t bytes) = 0;
  virtual void copy(const std::byte* from, std::byte* to, std::size_t bytes) = 0;
  virtual void zero(std::byte* at, std::size_t bytes) = 0;
};

/// Throws ResourceError when the device is absent or not supported by this build.
[[nodiscard]] std::shared_ptr<Memory> memory_of(Device device);
/// Addresses with nothing behind them, for a context that only measures; copies and clearing do nothing.
[[nodiscard]] std::shared_ptr<Memory> measured_memory();

/// Another memory, with a count of what is taken from it. Blocks may be released on any thread.
class CountedMemory final : public Memory {
 public:
  explicit CountedMemory(std::shared_ptr<Memory> memory) : memory_(std::move(memory)) {}
  [[nodiscard]] std::size_t peak() const noexcept { return peak_; }  ///< the most bytes at once
  [[nodiscard]] std::byte* allocate(std::size_t bytes) override;
  void release(std::byte* block, std::size_t bytes) noexcept override;
  void upload(const void* host, std::byte* device, std::size_t bytes) override { memory_->upload(host, device, bytes); }
  void download(const std::byte* device, void* host, std::size_t bytes) override {
    memory_->download(device, host, bytes);
  }
  void copy(const std::byte* from, std::byte* to, std::size_t bytes) override { memory_->copy(from, to, bytes); }
  void zero(std::byte* at, std::size_t bytes) override { memory_->zero(at, bytes); }

 private:
  std::shared_ptr<Memory> memory_;
  std::atomic<std::size_t> taken_{0};
  std::atomic<std::size_t> peak_{0};
};

/// Keeps the blocks that were given back and hands out the most recently used one of the size asked for (four sizes an
/// octave), so that the working set of a steady state stays small, hot in cache, and allocated once. One caller at a
/// time.
class Arena : public std::enable_shared_from_this<Arena> {
 public:
  explicit Arena(std::shared_ptr<Memory> memory) : memory_(std::move(memory)) {}
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  /// A block of at least `bytes`; its deleter gives it back.
  [[nodiscard]] Tensor::Block take(std::size_t bytes);
  [[nodiscard]] Memory& memory() noexcept { return *memory_; }

 private:
  void give_back(std::byte* block, std::size_t size) noexcept;

  std::shared_ptr<Memory> memory_;
  struct Class {
    std::vector<std::byte*> free;
    std::size_t made = 0;
  };
  std::map<std::size_t, Class> classes_;  // by size
};

}  // namespace tessera
