#pragma once

#include <string>
#include <vector>

namespace tessera::cli {

/// Finds the first of some texts in a text that comes in pieces, and holds back what may be the beginning of one.
class TextStops {
 public:
  explicit TextStops(std::vector<std::string> stops) : stops_(std::move(stops)) {}

  /// What is safe to print of all that came; nothing once a stop was found, which is not printed itself.
  [[nodiscard]] std::string push(const std::string& piece);
  /// What was held back.
  [[nodiscard]] std::string finish();
  [[nodiscard]] bool found() const noexcept { return found_; }

 private:
  [[nodiscard]] std::size_t first_stop() const;
  [[nodiscard]] std::size_t held_length() const;

  std::vector<std::string> stops_;
  std::string held_;
  bool found_ = false;
};

}  // namespace tessera::cli
