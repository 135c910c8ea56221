#include "core/report/markup.h"

#include <fmt/format.h>

#include <cmath>
#include <cstdint>

namespace trails {

namespace {

constexpr std::uint32_t kReplacement = 0xFFFD;

// Takes the next character off `text`; kReplacement for one byte that begins none.
std::uint32_t NextCharacter(std::string_view *text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>((*text)[i]); };
  const std::uint8_t first = byte(0);
  std::size_t length = 1;
  std::uint32_t character = first;
  if (first >= 0xF0 && first < 0xF8) {
    length = 4;
    character = first & 0x07U;
  } else if (first >= 0xE0 && first < 0xF0) {
    length = 3;
    character = first & 0x0FU;
  } else if (first >= 0xC0 && first < 0xE0) {
    length = 2;
    character = first & 0x1FU;
  } else if (first >= 0x80) {
    character = kReplacement;
  }
  for (std::size_t i = 1; i < length; ++i) {
    if (i >= text->size() || (byte(i) & 0xC0U) != 0x80) {
      text->remove_prefix(1);
      return kReplacement;
    }
    character = character << 6 | (byte(i) & 0x3FU);
  }
  text->remove_prefix(length);
  constexpr std::uint32_t kFirstOfLength[] = {0, 0x80, 0x800, 0x10000};
  return character < kFirstOfLength[length - 1] ? kReplacement : character;
}

bool XmlHolds(std::uint32_t character) {
  if (character < 0x20) return character == '\t' || character == '\n' || character == '\r';
  return character < 0xD800 || (character >= 0xE000 && character < 0xFFFE) ||
         (character >= 0x10000 && character <= 0x10FFFF);
}

}  // namespace

std::string Escape(std::string_view utf8) {
  std::string escaped;
  escaped.reserve(utf8.size());
  while (!utf8.empty()) {
    std::uint32_t character = NextCharacter(&utf8);
    if (!XmlHolds(character)) character = kReplacement;
    switch (character) {
      case '&': escaped += "&amp;"; break;
      case '<': escaped += "&lt;"; break;
      case '>': escaped += "&gt;"; break;
      case '"': escaped += "&quot;"; break;
      case '\'': escaped += "&#39;"; break;
      default:
        if (character < 0x7F) {
          escaped += static_cast<char>(character);
        } else {
          fmt::format_to(std::back_inserter(escaped), "&#{};", character);
        }
    }
  }
  return escaped;
}

std::string CountText(double value) {
  std::string digits = fmt::format("{:.0f}", std::abs(value));
  for (std::size_t at = digits.size(); at > 3;) digits.insert(at -= 3, 1, ',');
  return value < 0 ? "-" + digits : digits;
}

std::string CountedText(std::size_t count, std::string_view one) {
  return fmt::format("{} {}{}", CountText(static_cast<double>(count)), one, count == 1 ? "" : "s");
}

std::string EpochsText(double epochs) {
  const std::string count = fmt::format("{:.3g}", epochs);
  return count + (count == "1" ? " epoch" : " epochs");
}

std::string MetricText(double value) {
  if (std::isnan(value)) return "none";
  if (std::abs(value) >= 10'000 && std::abs(value) < 1e15) return CountText(value);
  if (std::abs(value) >= 1 || value == 0) return fmt::format("{:.5g}", value);
  return fmt::format("{:.4f}", value);
}

std::string SecondsText(double seconds) {
  if (std::isnan(seconds)) return "none";
  if (seconds < 0.1) return fmt::format("{:.3f} s", seconds);
  if (seconds < 10) return fmt::format("{:.2f} s", seconds);
  if (seconds < 120) return fmt::format("{:.1f} s", seconds);
  const double whole = std::round(seconds);
  return fmt::format("{:.0f} min {:.0f} s", std::floor(whole / 60), std::fmod(whole, 60));
}

}  // namespace trails
