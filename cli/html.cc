#include "cli/html.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>

namespace tessera::cli {
namespace {

std::string base64(const std::string& bytes) {
  constexpr const char* digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j) {
      group = group << 8 | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0U);
    }
    for (int shift = 18; shift >= 0; shift -= 6) text += digits[group >> shift & 63];
  }
  const std::size_t missing = (3 - bytes.size() % 3) % 3;
  text.replace(text.size() - missing, missing, missing, '=');
  return text;
}

std::string little_endian(std::uint32_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> 8 * i & 0xff);
  return text;
}

/// 16-bit WAV in memory.
std::string wav_bytes(std::span<const float> samples, int sample_rate, int channel_count) {
  const auto rate = static_cast<std::uint32_t>(sample_rate);
  const auto channels = static_cast<std::uint32_t>(channel_count);
  const auto bytes = static_cast<std::uint32_t>(samples.size() * 2);
  std::string wav = "RIFF" + little_endian(36 + bytes, 4) + "WAVEfmt " + little_endian(16, 4) + little_endian(1, 2) +
                    little_endian(channels, 2) + little_endian(rate, 4) + little_endian(rate * channels * 2, 4) +
                    little_endian(channels * 2, 2) + little_endian(16, 2) + "data" + little_endian(bytes, 4);
  for (const float sample : samples) {
    const long value = std::lrint(std::clamp(sample * 32768.0F, -32768.0F, 32767.0F));
    wav += little_endian(static_cast<std::uint32_t>(value), 2);
  }
  return wav;
}

}  // namespace

std::string html_text(const std::string& text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '&':
        result += "&amp;";
        break;
      case '"':
        result += "&quot;";
        break;
      default:
        result += c;
    }
  }
  return result;
}

std::string html_number(double value, int digits) {
  if (!std::isfinite(value)) return "–";
  char text[32];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::string html_image(const std::string& name, const std::string& png) {
  return "<img alt=\"" + html_text(name) + "\" src=\"data:image/png;base64," + base64(png) + "\">";
}

std::string html_figure(const std::string& caption, const std::string& html, const std::string& css) {
  const std::string type = css.empty() ? "" : " class=\"" + css + "\"";
  return "<figure" + type + "><figcaption>" + html_text(caption) + "</figcaption>" + html + "</figure>";
}

std::string html_player(std::span<const float> samples, int sample_rate, int channels) {
  return "<audio controls src=\"data:audio/wav;base64," + base64(wav_bytes(samples, sample_rate, channels)) +
         "\"></audio>";
}

std::string html_row(const std::vector<std::string>& cells, bool head) {
  const std::string tag = head ? "th>" : "td>";
  std::string row = "<tr>";
  for (const std::string& cell : cells) row += "<" + tag + cell + "</" + tag;
  return row + "</tr>\n";
}

}  // namespace tessera::cli
