#include "cli/text_stops.h"

#include <algorithm>
#include <utility>

namespace tessera::cli {

std::size_t TextStops::first_stop() const {
  std::size_t first = std::string::npos;
  for (const std::string& stop : stops_) first = std::min(first, held_.find(stop));
  return first;
}

// The longest end of the text that begins a stop.
std::size_t TextStops::held_length() const {
  std::size_t longest = 0;
  for (const std::string& stop : stops_) {
    for (std::size_t n = std::min(stop.size() - 1, held_.size()); n > longest; --n) {
      if (held_.compare(held_.size() - n, n, stop, 0, n) == 0) longest = n;
    }
  }
  return longest;
}

std::string TextStops::push(const std::string& piece) {
  if (found_) return "";
  held_ += piece;
  const std::size_t stop = first_stop();
  found_ = stop != std::string::npos;
  const std::size_t safe = found_ ? stop : held_.size() - held_length();
  std::string out = held_.substr(0, safe);
  held_.erase(0, found_ ? held_.size() : safe);
  return out;
}

std::string TextStops::finish() { return std::exchange(held_, ""); }

}  // namespace tessera::cli
