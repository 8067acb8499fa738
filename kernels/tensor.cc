#include "kernels/tensor.h"

#include "kernels/error.h"

namespace tessera {

const char* name_of(DType type) noexcept {
  switch (type) {
    case DType::f32:
      return "f32";
    case DType::f16:
      return "f16";
    case DType::bf16:
      return "bf16";
    case DType::i32:
      return "i32";
  }
  return "?";
}

std::int64_t element_count(const Shape& shape) {
  std::int64_t count = 1;
  for (const std::int64_t extent : shape) {
    if (extent < 0 || __builtin_mul_overflow(count, extent, &count)) {
      throw ArgumentError("impossible tensor shape " + to_string(shape));
    }
  }
  return count;
}

std::string to_string(const Shape& shape) {
  std::string text = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  }
  return text + "]";
}

Tensor::Tensor(Block block, Device device, DType type, Shape shape)
    : block_(std::move(block)), device_(device), type_(type), shape_(std::move(shape)), size_(element_count(shape_)) {}

Matrix Tensor::matrix() const noexcept {
  const std::int64_t columns = shape_.empty() ? 1 : shape_.back();
  return {data(), columns == 0 ? 0 : size_ / columns, columns};
}

}  // namespace tessera
