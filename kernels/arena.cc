#include "kernels/arena.h"

#include <sys/mman.h>

#include <bit>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "kernels/cuda/runtime.h"
#include "kernels/error.h"

namespace tessera {
namespace {

constexpr std::size_t kAlignment = 64;

constexpr std::size_t kHugePage = std::size_t{1} << 21;

std::size_t rounded_up(std::size_t bytes, std::size_t alignment) {
  return (bytes + alignment - 1) / alignment * alignment;
}

// In huge pages where the system has them: weights and activations stream past the reach of the small ones' tables.
void* allocate_huge(std::size_t bytes) {
  void* block = std::aligned_alloc(kHugePage, rounded_up(bytes, kHugePage));
#ifdef MADV_HUGEPAGE
  if (block != nullptr) (void)::madvise(block, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);
#endif
  return block;
}

class HostMemory final : public Memory {
 public:
  std::byte* allocate(std::size_t bytes) override {
    void* block =
        bytes >= kHugePage ? allocate_huge(bytes) : std::aligned_alloc(kAlignment, rounded_up(bytes, kAlignment));
    if (block == nullptr) throw ResourceError("out_of_memory", "cannot allocate " + std::to_string(bytes) + " bytes");
    return static_cast<std::byte*>(block);
  }
  void release(std::byte* block, std::size_t) noexcept override { std::free(block); }
  void upload(const void* host, std::byte* device, std::size_t bytes) override { move(host, device, bytes); }
  void download(const std::byte* device, void* host, std::size_t bytes) override { move(device, host, bytes); }
  void copy(const std::byte* from, std::byte* to, std::size_t bytes) override { move(from, to, bytes); }
  void zero(std::byte* at, std::size_t bytes) override {
    if (bytes != 0) std::memset(at, 0, bytes);
  }

 private:
  static void move(const void* from, void* to, std::size_t bytes) {
    if (bytes != 0) std::memmove(to, from, bytes);
  }
};

class MeasuredMemory final : public Memory {
 public:
  std::byte* allocate(std::size_t bytes) override {
    if (bytes > kEnd - next_) {
      throw ResourceError("out_of_memory", "cannot measure another " + std::to_string(bytes) + " bytes");
    }
    auto* block = reinterpret_cast<std::byte*>(next_);  // NOLINT: never read
    next_ += rounded_up(bytes, kAlignment);
    return block;
  }
  void release(std::byte*, std::size_t) noexcept override {}
  void upload(const void*, std::byte*, std::size_t) override {}
  void download(const std::byte*, void*, std::size_t) override {}
  void copy(const std::byte*, std::byte*, std::size_t) override {}
  void zero(std::byte*, std::size_t) override {}

 private:
  static constexpr std::uintptr_t kEnd = std::uintptr_t{1} << 62;
  std::uintptr_t next_ = kAlignment;
};

// Four classes an octave: at most a quarter of a block is unused.
std::size_t size_class(std::size_t bytes) {
  const std::size_t least = 256;
  if (bytes <= least) return least;
  const std::size_t quarter = std::bit_floor(bytes - 1) / 4;
  return (bytes + quarter - 1) / quarter * quarter;
}

}  // namespace

std::shared_ptr<Memory> memory_of(Device device) {
  if (!device.is_cuda()) return std::make_shared<HostMemory>();
  if (cuda::device_memory == nullptr) {
    throw ResourceError("no_device",
                        "this build has no CUDA support: configure with -DTESSERA_CUDA=ON, or use --device cpu");
  }
  return cuda::device_memory(device.index);
}

std::shared_ptr<Memory> measured_memory() { return std::make_shared<MeasuredMemory>(); }

std::byte* CountedMemory::allocate(std::size_t bytes) {
  std::byte* block = memory_->allocate(bytes);
  const std::size_t now = taken_ += bytes;
  std::size_t most = peak_;
  while (now > most && !peak_.compare_exchange_weak(most, now)) {
  }
  return block;
}

void CountedMemory::release(std::byte* block, std::size_t bytes) noexcept {
  memory_->release(block, bytes);
  taken_ -= bytes;
}

Arena::~Arena() {
  for (const auto& [size, blocks] : classes_) {
    for (std::byte* block : blocks.free) memory_->release(block, size);
  }
}

Tensor::Block Arena::take(std::size_t bytes) {
  const std::size_t size = size_class(bytes);
  Class& blocks = classes_[size];
  std::byte* block = nullptr;
  if (blocks.free.empty()) {
    blocks.free.reserve(++blocks.made);  // giving back must not fail
    block = memory_->allocate(size);
  } else {
    block = blocks.free.back();
    blocks.free.pop_back();
  }
  return {block, {shared_from_this(), size, [](void* arena, std::byte* at, std::size_t length) noexcept {
                    static_cast<Arena*>(arena)->give_back(at, length);
                  }}};
}

void Arena::give_back(std::byte* block, std::size_t size) noexcept {
  classes_.find(size)->second.free.push_back(block);
}

}  // namespace tessera
