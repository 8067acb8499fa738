#include "cli/memory_stream.h"

#include <cstdint>

#include "cli/bench.h"
#include "cli/fma_peak.h"

namespace tessera::cli {

constexpr std::int64_t kStreamFloats = std::int64_t{1} << 26;

MemoryStream::MemoryStream(Context& context) : context_(context) {
  if (!context.device().is_cuda()) memory_ = context.allocate({kStreamFloats});
}

void MemoryStream::read() {
  volatile float keep = 0;
  context_.parallel_for(memory_.size(), 1 << 20, [&](std::int64_t begin, std::int64_t end) {
    keep = read_through(memory_.matrix().data + begin, end - begin);
  });
}

double MemoryStream::gigabytes_per_second(double seconds) const {
  return static_cast<double>(memory_.size()) * sizeof(float) / seconds / 1e9;
}

double MemoryStream::measure() {
  return gigabytes_per_second(best_seconds([this] { read(); }));
}

}  // namespace tessera::cli
