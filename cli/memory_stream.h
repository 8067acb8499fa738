#pragma once

#include "kernels/context.h"
#include "kernels/tensor.h"

namespace tessera::cli {

/// How fast this machine reads memory in order, beyond every cache, on all threads of a context at once.
class MemoryStream {
 public:
  /// Takes 256 MiB; nothing on a GPU, where nothing is measured.
  explicit MemoryStream(Context& context);

  [[nodiscard]] bool measures() const noexcept { return memory_.size() > 0; }
  void read();
  /// Of one read() that took so long.
  [[nodiscard]] double gigabytes_per_second(double seconds) const;
  /// The best of several reads.
  [[nodiscard]] double measure();

 private:
  Context& context_;
  Tensor memory_;  // where weights would be
};

}  // namespace tessera::cli
