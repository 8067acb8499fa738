#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

namespace tessera {

/// Element types. Arithmetic is float32; f16 and bf16 are storage that widens exactly.
enum class DType : std::uint8_t { f32, f16, bf16, i32 };

[[nodiscard]] constexpr std::size_t size_of(DType type) noexcept {
  return type == DType::f16 || type == DType::bf16 ? 2 : 4;
}
[[nodiscard]] const char* name_of(DType type) noexcept;

struct Device {
  enum class Kind : std::uint8_t { cpu, cuda };
  Kind kind = Kind::cpu;
  int index = 0;
  [[nodiscard]] bool is_cuda() const noexcept { return kind == Kind::cuda; }
  friend bool operator==(const Device&, const Device&) = default;
};

/// Dimensions, outermost first. Everything is time-major: [time, channels].
using Shape = std::vector<std::int64_t>;

[[nodiscard]] std::int64_t element_count(const Shape& shape);
/// "[24000, 64]", for messages.
[[nodiscard]] std::string to_string(const Shape& shape);

/// A read-only view of float32 rows, `row_step` floats apart. Rows may overlap (row_step < columns):
/// a convolution or an STFT is a product over overlapping rows.
struct ConstMatrix {
  const float* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t row_step = 0;

  ConstMatrix() = default;
  ConstMatrix(const float* data_, std::int64_t rows_, std::int64_t columns_)
      : ConstMatrix(data_, rows_, columns_, columns_) {}
  ConstMatrix(const float* data_, std::int64_t rows_, std::int64_t columns_, std::int64_t row_step_)
      : data(data_), rows(rows_), columns(columns_), row_step(row_step_) {}

  [[nodiscard]] const float* row(std::int64_t i) const noexcept { return data + i * row_step; }
  [[nodiscard]] ConstMatrix slice(std::int64_t first, std::int64_t count) const noexcept {
    return {row(first), count, columns, row_step};
  }
  [[nodiscard]] ConstMatrix columns_from(std::int64_t first, std::int64_t count) const noexcept {
    return {data + first, rows, count, row_step};
  }
};

/// A writable view of float32 rows.
struct Matrix {
  float* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::int64_t row_step = 0;

  Matrix() = default;
  Matrix(float* data_, std::int64_t rows_, std::int64_t columns_) : Matrix(data_, rows_, columns_, columns_) {}
  Matrix(float* data_, std::int64_t rows_, std::int64_t columns_, std::int64_t row_step_)
      : data(data_), rows(rows_), columns(columns_), row_step(row_step_) {}

  [[nodiscard]] float* row(std::int64_t i) const noexcept { return data + i * row_step; }
  [[nodiscard]] Matrix slice(std::int64_t first, std::int64_t count) const noexcept {
    return {row(first), count, columns, row_step};
  }
  [[nodiscard]] Matrix columns_from(std::int64_t first, std::int64_t count) const noexcept {
    return {data + first, rows, count, row_step};
  }
  operator ConstMatrix() const noexcept { return {data, rows, columns, row_step}; }  // NOLINT
};

/// Gives a block back to its owner, which it keeps alive.
struct BlockRelease {
  std::shared_ptr<void> owner;
  std::size_t bytes = 0;
  void (*give_back)(void* owner, std::byte* block, std::size_t bytes) noexcept = nullptr;
  void operator()(std::byte* block) const noexcept { give_back(owner.get(), block, bytes); }
};

/// Owns a contiguous array on one device. Move-only: sharing is done with views. The block goes back
/// to where it came from (an Arena, or the device) on destruction.
class Tensor {
 public:
  using Block = std::unique_ptr<std::byte, BlockRelease>;

  Tensor() = default;
  Tensor(Block block, Device device, DType type, Shape shape);

  [[nodiscard]] Device device() const noexcept { return device_; }
  [[nodiscard]] DType type() const noexcept { return type_; }
  [[nodiscard]] const Shape& shape() const noexcept { return shape_; }
  [[nodiscard]] std::int64_t dim(std::size_t axis) const { return shape_.at(axis); }
  [[nodiscard]] std::int64_t size() const noexcept { return size_; }
  [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
  [[nodiscard]] std::byte* bytes() const noexcept { return block_.get(); }

  /// The elements; the caller knows the dtype (checked in debug builds).
  [[nodiscard]] float* data() const noexcept { return reinterpret_cast<float*>(block_.get()); }
  [[nodiscard]] std::int32_t* ints() const noexcept { return reinterpret_cast<std::int32_t*>(block_.get()); }

  /// All leading dimensions folded into rows, the last one as columns.
  [[nodiscard]] Matrix matrix() const noexcept;
  operator Matrix() const noexcept { return matrix(); }       // NOLINT
  operator ConstMatrix() const noexcept { return matrix(); }  // NOLINT

 private:
  Block block_;
  Device device_;
  DType type_ = DType::f32;
  Shape shape_;
  std::int64_t size_ = 0;
};

}  // namespace tessera
