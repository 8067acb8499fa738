// GPU memory. The emulation has its own (tests/emulation/memory.cc).
#if defined(__CUDACC__)

#include "cuda_backend.h"
#include "kernels/cuda/runtime.h"

namespace tessera::cuda {
namespace {

class DeviceMemory final : public Memory {
 public:
  explicit DeviceMemory(int index) : index_(index) { make_current(); }
  std::byte* allocate(std::size_t bytes) override {
    make_current();
    void* block = nullptr;
    if (cudaMalloc(&block, bytes) != cudaSuccess) {
      throw ResourceError("out_of_memory", "cannot allocate " + std::to_string(bytes) + " bytes on the GPU");
    }
    return static_cast<std::byte*>(block);
  }
  void release(std::byte* block, std::size_t) noexcept override { cudaFree(block); }
  void upload(const void* host, std::byte* device, std::size_t bytes) override {
    make_current();
    check(cudaMemcpy(device, host, bytes, cudaMemcpyHostToDevice), "upload");
  }
  void download(const std::byte* device, void* host, std::size_t bytes) override {
    make_current();
    check(cudaMemcpy(host, device, bytes, cudaMemcpyDeviceToHost), "download");
  }
  void copy(const std::byte* from, std::byte* to, std::size_t bytes) override {
    make_current();
    check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToDevice), "copy");
  }
  void zero(std::byte* at, std::size_t bytes) override {
    make_current();
    check(cudaMemsetAsync(at, 0, bytes), "zero");
  }

 private:
  // The current device belongs to the calling thread, and work on a context begins with an upload.
  void make_current() const { check(cudaSetDevice(index_), "cudaSetDevice"); }

  int index_;
};

}  // namespace

std::shared_ptr<Memory> device_memory(int index) {
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess || index >= count) {
    throw ResourceError("no_device", "there is no GPU cuda:" + std::to_string(index) + ": use --device cpu");
  }
  return std::make_shared<DeviceMemory>(index);
}

std::size_t free_bytes(int index) {
  std::size_t free = 0;
  std::size_t total = 0;
  check(cudaSetDevice(index), "cudaSetDevice");
  check(cudaMemGetInfo(&free, &total), "cudaMemGetInfo");
  return free;
}

}  // namespace tessera::cuda

#endif
