#include "tests/emulation/memory.h"

#include <atomic>
#include <cstdlib>
#include <cstring>

#include "kernels/cuda/runtime.h"
#include "kernels/error.h"

namespace tessera::cuda {
namespace {

/// "Device" memory of the emulation: plain heap blocks of exactly the size asked for, so that the address sanitizer
/// guards both ends.
std::atomic<std::int64_t> copies_back{0};

class EmulatedMemory final : public Memory {
 public:
  std::byte* allocate(std::size_t bytes) override {
    void* block = std::malloc(bytes);
    if (block == nullptr) throw ResourceError("out_of_memory", "emulated device memory");
    return static_cast<std::byte*>(block);
  }
  void release(std::byte* block, std::size_t) noexcept override { std::free(block); }
  void upload(const void* host, std::byte* device, std::size_t bytes) override { copy_bytes(host, device, bytes); }
  void download(const std::byte* device, void* host, std::size_t bytes) override {
    ++copies_back;
    copy_bytes(device, host, bytes);
  }
  void copy(const std::byte* from, std::byte* to, std::size_t bytes) override { copy_bytes(from, to, bytes); }
  void zero(std::byte* at, std::size_t bytes) override {
    if (bytes != 0) std::memset(at, 0, bytes);
  }

 private:
  static void copy_bytes(const void* from, void* to, std::size_t bytes) {
    if (bytes != 0) std::memmove(to, from, bytes);
  }
};

}  // namespace

std::shared_ptr<Memory> device_memory(int index) {
  if (index != 0) throw ResourceError("no_device", "the emulation has one device, cuda:0");
  return std::make_shared<EmulatedMemory>();
}

std::int64_t emulated_downloads() { return copies_back; }

std::size_t free_bytes(int /*index*/) { return std::size_t{1} << 40; }

}  // namespace tessera::cuda
