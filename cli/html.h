#pragma once

#include <span>
#include <string>
#include <vector>

namespace tessera::cli {

/// Pieces of a page that needs no other file.

/// With what HTML takes for markup escaped.
[[nodiscard]] std::string html_text(const std::string& text);
/// A dash for what is not finite.
[[nodiscard]] std::string html_number(double value, int digits);
/// One row of a table; the cells are HTML.
[[nodiscard]] std::string html_row(const std::vector<std::string>& cells, bool head = false);
/// A picture, the PNG inside. `name` is what it is called where it cannot be shown.
[[nodiscard]] std::string html_image(const std::string& name, const std::string& png);
/// HTML under a caption of plain text; `css` is its class, if not empty.
[[nodiscard]] std::string html_figure(const std::string& caption, const std::string& html, const std::string& css = "");
/// An audio player of interleaved samples, inside as 16-bit WAV.
[[nodiscard]] std::string html_player(std::span<const float> samples, int sample_rate, int channels);

}  // namespace tessera::cli
