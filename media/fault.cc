#include "media/fault.h"

#include <cstdio>

#include "kernels/error.h"

namespace tessera::media {

void fail(const std::string& name, const char* reason, const std::string& what) {
  throw InputError(reason, name + ": " + what);
}

std::string seconds_text(double seconds) {
  char text[64];
  std::snprintf(text, sizeof text, "%.3f", seconds);
  std::string result = text;
  while (result.back() == '0' && result[result.size() - 2] != '.') result.pop_back();
  return result + " s";
}

std::string seconds_text(std::int64_t samples, int sample_rate) {
  return seconds_text(static_cast<double>(samples) / sample_rate);
}

std::string ends_early(std::int64_t held, std::int64_t claimed, int sample_rate) {
  const std::string text = "the sound ends at " + seconds_text(held, sample_rate);
  if (claimed < 0) return text;
  return text + " (" + std::to_string(held) + " of " + std::to_string(claimed) + " samples)";
}

}  // namespace tessera::media
