#include "cli/ssim.h"

#include <cstddef>
#include <limits>
#include <vector>

namespace tessera::cli {
namespace {

constexpr std::size_t kSide = 7;
constexpr double kCount = kSide * kSide;
constexpr double kC1 = (0.01 * 255) * (0.01 * 255);
constexpr double kC2 = (0.03 * 255) * (0.03 * 255);
constexpr std::size_t kChannels = 3;

/// WindowSums over some samples of both pictures; whole numbers below 2^22.
struct WindowSums {
  std::int64_t x = 0, y = 0, xx = 0, yy = 0, xy = 0;

  void add(int a, int b, int sign) {
    x += sign * a;
    y += sign * b;
    xx += sign * a * a;
    yy += sign * b * b;
    xy += sign * a * b;
  }
  void add(const WindowSums& o, int sign) {
    x += sign * o.x;
    y += sign * o.y;
    xx += sign * o.xx;
    yy += sign * o.yy;
    xy += sign * o.xy;
  }
};

// 49 * sum of products - product of sums is a whole number too.
double covariance(std::int64_t products, std::int64_t a, std::int64_t b) {
  return static_cast<double>(static_cast<std::int64_t>(kCount) * products - a * b) / (kCount * (kCount - 1));
}

double similarity(const WindowSums& s) {
  const double mx = static_cast<double>(s.x) / kCount;
  const double my = static_cast<double>(s.y) / kCount;
  const double spread = covariance(s.xx, s.x, s.x) + covariance(s.yy, s.y, s.y);
  return (2 * mx * my + kC1) * (2 * covariance(s.xy, s.x, s.y) + kC2) / ((mx * mx + my * my + kC1) * (spread + kC2));
}

/// Of one channel: sums of a window's height for each column, slid down, then sums of a window, slid to the right.
class Channel {
 public:
  Channel(std::span<const std::uint8_t> x, std::span<const std::uint8_t> y, std::size_t columns, std::size_t channel)
      : x_(x), y_(y), columns_(columns), channel_(channel), sums_(columns) {}

  void add_row(std::size_t row, int sign) {
    for (std::size_t c = 0; c < columns_; ++c) {
      const std::size_t at = (row * columns_ + c) * kChannels + channel_;
      sums_[c].add(x_[at], y_[at], sign);
    }
  }

  [[nodiscard]] double row_of_windows() const {
    WindowSums window;
    double total = 0;
    for (std::size_t c = 0; c < columns_; ++c) {
      window.add(sums_[c], 1);
      if (c >= kSide) window.add(sums_[c - kSide], -1);
      if (c + 1 >= kSide) total += similarity(window);
    }
    return total;
  }

 private:
  std::span<const std::uint8_t> x_, y_;
  std::size_t columns_;
  std::size_t channel_;
  std::vector<WindowSums> sums_;
};

}  // namespace

double structural_similarity(std::span<const std::uint8_t> x, std::span<const std::uint8_t> y, int row_count,
                             int column_count) {
  const auto rows = static_cast<std::size_t>(row_count);
  const auto columns = static_cast<std::size_t>(column_count);
  if (rows < kSide || columns < kSide) return std::numeric_limits<double>::quiet_NaN();
  double mean = 0;
  for (std::size_t c = 0; c < kChannels; ++c) {
    Channel channel(x, y, columns, c);
    double total = 0;
    for (std::size_t row = 0; row < rows; ++row) {
      channel.add_row(row, 1);
      if (row >= kSide) channel.add_row(row - kSide, -1);
      if (row + 1 >= kSide) total += channel.row_of_windows();
    }
    mean += total / static_cast<double>((rows - kSide + 1) * (columns - kSide + 1));
  }
  return mean / kChannels;
}

}  // namespace tessera::cli
