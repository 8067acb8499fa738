#include "kernels/arena.h"

#include <bit>
#include <cstdlib>
#include <cstring>

#include "kernels/cuda/runtime.h"
#include "kernels/error.h"

namespace tessera {
namespace {

constexpr std::size_t kAlignment = 64;

class HostMemory final : public Memory {
 public:
  std::byte* allocate(std::size_t bytes) override {
    void* block = std::aligned_alloc(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
    if (block == nullptr) throw ResourceError("out_of_memory", "cannot allocate " + std::to_string(bytes) + " bytes");
    return static_cast<std::byte*>(block);
  }
  void release(std::byte* block) noexcept override { std::free(block); }
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

Arena::~Arena() {
  for (const auto& [size, blocks] : classes_) {
    for (std::byte* block : blocks.free) memory_->release(block);
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
