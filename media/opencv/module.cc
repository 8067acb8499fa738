#include <opencv2/core.hpp>

#include <opencv2/imgcodecs.hpp>

#include "media/opencv_module.h"

namespace tessera::media {
namespace {

/// OpenCV's order is blue, green, red.
int source_channel(int channel, int channels) { return channels >= 3 && channel < 3 ? 2 - channel : channel; }

template <class T>
void copy(const cv::Mat& from, int shift, Pixels& to) {
  for (int row = 0; row < to.rows; ++row) {
    const T* in = from.ptr<T>(row);
    std::uint8_t* out = to.row(row);
    for (int column = 0; column < to.columns; ++column, in += to.channels) {
      for (int c = 0; c < to.channels; ++c) {
        *out++ = static_cast<std::uint8_t>(in[source_channel(c, to.channels)] >> shift);
      }
    }
  }
}

bool decode(const std::uint8_t* bytes, std::size_t size, Pixels& out) {
  const cv::Mat encoded(1, static_cast<int>(size), CV_8UC1, const_cast<std::uint8_t*>(bytes));
  const cv::Mat decoded = cv::imdecode(encoded, cv::IMREAD_UNCHANGED);
  const int depth = decoded.depth();
  if (decoded.empty() || (depth != CV_8U && depth != CV_16U) || decoded.channels() > 4) return false;
  out = Pixels(decoded.rows, decoded.cols, decoded.channels());
  if (depth == CV_8U) copy<std::uint8_t>(decoded, 0, out);
  if (depth == CV_16U) copy<std::uint16_t>(decoded, 8, out);
  return true;
}

cv::Mat to_bgr(const Image& image) {
  cv::Mat result(image.rows, image.columns, CV_8UC3);
  for (int row = 0; row < image.rows; ++row) {
    const std::uint8_t* in = image.row(row);
    std::uint8_t* out = result.ptr(row);
    for (int i = 0; i < image.columns * 3; ++i) out[i] = in[i - i % 3 + 2 - i % 3];
  }
  return result;
}

}  // namespace
}  // namespace tessera::media

// OpenCV's exceptions come from a library that the caller cannot see: they end here.

extern "C" __attribute__((visibility("default"))) bool tessera_opencv_decode(const std::uint8_t* bytes,
                                                                             std::size_t size,
                                                                             tessera::media::Pixels& out) try {
  return tessera::media::decode(bytes, size, out);
} catch (const cv::Exception&) {
  return false;
}

extern "C" __attribute__((visibility("default"))) bool tessera_opencv_encode_webp(const tessera::media::Image& image,
                                                                                  int quality,
                                                                                  std::vector<std::uint8_t>& out) try {
  return cv::imencode(".webp", tessera::media::to_bgr(image), out, {cv::IMWRITE_WEBP_QUALITY, quality});
} catch (const cv::Exception&) {
  return false;
}
