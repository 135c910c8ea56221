#include "core/report/chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace trails {

namespace {

constexpr double kWidth = 760;
constexpr double kHeight = 320;
constexpr double kLeft = 76;
constexpr double kRight = 12;
constexpr double kTop = 10;
constexpr double kBottom = 44;
constexpr double kPlotWidth = kWidth - kLeft - kRight;
constexpr double kPlotHeight = kHeight - kTop - kBottom;

double Place(const Axis &axis, double value) {
  if (!axis.logarithmic) return (value - axis.low) / (axis.high - axis.low);
  if (value <= 0) return -1;
  return std::log(value / axis.low) / std::log(axis.high / axis.low);
}

std::string TickText(double value) {
  const double size = std::abs(value);
  if (size >= 1e6 || (size < 1e-4 && size > 0)) return fmt::format("{:.3g}", value);
  // Nine digits tell 0.93125 from 0.9312 and hide what binary fractions add.
  return fmt::format("{:.9g}", value);
}

std::vector<double> LogarithmicTicks(const Axis &axis) {
  const double decades = std::log10(axis.high / axis.low);
  const int stride = std::max(1, static_cast<int>(std::lround(decades / 6)));
  std::vector<double> ticks;
  for (int power = static_cast<int>(std::floor(std::log10(axis.low)));
       std::pow(10, power) <= axis.high; power += stride) {
    for (const double digit : {1.0, 2.0, 5.0}) {
      const double tick = digit * std::pow(10, power);
      if (tick >= axis.low && tick <= axis.high && (digit == 1 || decades < 3)) {
        ticks.push_back(tick);
      }
    }
  }
  return ticks;
}

void AppendTip(std::string_view tip, std::string *svg) {
  if (!tip.empty()) fmt::format_to(std::back_inserter(*svg), "<title>{}</title>", tip);
}

}  // namespace

Axis AxisOver(std::string label, const std::vector<double> &values, bool may_bend) {
  Axis axis{std::move(label), 0, 1, false};
  bool any = false;
  for (const double value : values) {
    if (!std::isfinite(value)) continue;
    axis.low = any ? std::min(axis.low, value) : value;
    axis.high = any ? std::max(axis.high, value) : value;
    any = true;
  }
  if (!any) return {std::move(axis.label), 0, 1, false};
  axis.logarithmic = may_bend && axis.low > 0 && axis.high >= 100 * axis.low;
  if (axis.logarithmic) {
    axis.low /= 1.2;
    axis.high *= 1.2;
    return axis;
  }
  double room = 0.04 * (axis.high - axis.low);
  if (room <= 1e-9 * std::max(std::abs(axis.low), std::abs(axis.high))) {
    room = axis.high == 0 ? 1 : 0.01 * std::abs(axis.high);
  }
  axis.low -= room;
  axis.high += room;
  return axis;
}

std::vector<double> Ticks(const Axis &axis) {
  if (axis.logarithmic) return LogarithmicTicks(axis);
  const double rough = (axis.high - axis.low) / 5;
  const double power = std::pow(10, std::floor(std::log10(rough)));
  double step = 10 * power;
  for (const double digit : {1.0, 2.0, 5.0}) {
    if (digit * power >= rough) {
      step = digit * power;
      break;
    }
  }
  std::vector<double> ticks;
  for (double i = std::ceil(axis.low / step); i * step <= axis.high && ticks.size() < 20; ++i) {
    ticks.push_back(i == 0 ? 0 : i * step);  // not -0
  }
  return ticks;
}

Chart::Chart(std::string title, Axis x, Axis y)
    : title_(std::move(title)), x_(std::move(x)), y_(std::move(y)) {}

double Chart::X(double value) const {
  return std::clamp(Place(x_, value), -2.0, 3.0) * kPlotWidth;
}

double Chart::Y(double value) const {
  return (1 - std::clamp(Place(y_, value), -2.0, 3.0)) * kPlotHeight;
}

void Chart::Line(const std::vector<std::pair<double, double>> &points, std::string_view style,
                 std::string_view tip) {
  std::string path;
  long last_x = -1'000'000;
  long last_y = -1'000'000;
  for (const auto &[x, y] : points) {
    if (std::isnan(x) || std::isnan(y)) continue;
    const long pixel_x = std::lround(X(x));
    const long pixel_y = std::lround(Y(y));
    if (pixel_x == last_x && pixel_y == last_y) continue;
    fmt::format_to(std::back_inserter(path), "{}{:.1f},{:.1f}", path.empty() ? "" : " ", X(x),
                   Y(y));
    last_x = pixel_x;
    last_y = pixel_y;
  }
  if (path.empty()) return;
  fmt::format_to(std::back_inserter(marks_), "<polyline class=\"{}\" points=\"{}\">", style, path);
  AppendTip(tip, &marks_);
  marks_ += "</polyline>\n";
}

void Chart::Dot(double x, double y, std::string_view style, std::string_view tip) {
  if (std::isnan(x) || std::isnan(y)) return;
  fmt::format_to(std::back_inserter(marks_),
                 "<circle class=\"{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"4\">", style, X(x), Y(y));
  AppendTip(tip, &marks_);
  marks_ += "</circle>\n";
}

void Chart::RuleAt(double y, std::string_view style, std::string_view label) {
  if (std::isnan(y)) return;
  // Above the line, unless that is outside.
  const double word = Y(y) < 18 ? Y(y) + 15 : Y(y) - 5;
  fmt::format_to(
      std::back_inserter(marks_),
      "<line class=\"{0}\" x1=\"0\" x2=\"{1:.0f}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\"/>"
      "<text class=\"word\" x=\"{3:.0f}\" y=\"{4:.1f}\" text-anchor=\"end\">{5}</text>\n",
      style, kPlotWidth, Y(y), kPlotWidth - 36, word, label);
}

void Chart::RuleUpAt(double x, std::string_view style, std::string_view label) {
  if (std::isnan(x)) return;
  // Half-way up, since the best metric runs along the top or the bottom.
  fmt::format_to(
      std::back_inserter(marks_),
      "<line class=\"{0}\" x1=\"{1:.1f}\" x2=\"{1:.1f}\" y1=\"0\" y2=\"{2:.0f}\"/>"
      "<text class=\"word\" x=\"{3:.1f}\" y=\"{4:.0f}\" text-anchor=\"end\">{5}</text>\n",
      style, X(x), kPlotHeight, X(x) - 5, kPlotHeight / 2, label);
}

std::string Chart::Svg() const {
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" role=\"img\" "
      "aria-label=\"{}\">\n",
      kWidth, kHeight, title_);
  const auto append = std::back_inserter(svg);
  for (const double tick : Ticks(y_)) {
    const double y = kTop + Y(tick);
    fmt::format_to(append,
                   "<line class=\"grid\" x1=\"{0}\" x2=\"{1}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\"/>"
                   "<text x=\"{3}\" y=\"{4:.1f}\" text-anchor=\"end\">{5}</text>\n",
                   kLeft, kWidth - kRight, y, kLeft - 8, y + 4, TickText(tick));
  }
  for (const double tick : Ticks(x_)) {
    fmt::format_to(append, "<text x=\"{:.1f}\" y=\"{}\" text-anchor=\"middle\">{}</text>\n",
                   kLeft + X(tick), kHeight - kBottom + 18, TickText(tick));
  }
  fmt::format_to(append,
                 "<line class=\"axis\" x1=\"{0}\" x2=\"{1}\" y1=\"{2}\" y2=\"{2}\"/>\n"
                 "<text x=\"{3}\" y=\"{4}\" text-anchor=\"middle\">{5}</text>\n"
                 "<text x=\"16\" y=\"{6}\" text-anchor=\"middle\" transform=\"rotate(-90 16 {6})\">"
                 "{7}</text>\n",
                 kLeft, kWidth - kRight, kHeight - kBottom, kLeft + kPlotWidth / 2, kHeight - 6,
                 x_.label, kTop + kPlotHeight / 2, y_.label);
  // An inner svg cuts off what leaves the axes.
  fmt::format_to(
      append,
      "<svg x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" overflow=\"hidden\">\n{}</svg>\n"
      "</svg>\n",
      kLeft, kTop, kPlotWidth, kPlotHeight, marks_);
  return svg;
}

std::string BarsSvg(std::string_view title, const std::vector<BarRow> &rows) {
  constexpr double kLabels = 190;
  constexpr double kValues = 190;
  constexpr double kRow = 26;
  constexpr double kGap = 2;  // of background between two parts
  double longest = 0;
  for (const BarRow &row : rows) {
    double sum = 0, below = 0;
    for (const BarPart &part : row.parts) sum += part.length;
    for (const BarPart &part : row.below) below += part.length;
    longest = std::max({longest, sum, below});
  }
  const double scale = longest > 0 ? (kWidth - kLabels - kValues) / longest : 0;
  std::string svg = fmt::format(
      "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" role=\"img\" "
      "aria-label=\"{}\">\n",
      kWidth, kRow * static_cast<double>(rows.size()) + 4, title);
  const auto append = std::back_inserter(svg);
  const auto bar = [&](const std::vector<BarPart> &parts, double top, double height) {
    double at = 0;
    for (const BarPart &part : parts) {
      const double width = part.length * scale;
      if (!(width > 0)) continue;
      fmt::format_to(append,
                     "<rect class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" "
                     "height=\"{:.1f}\">",
                     part.style, kLabels + at, top, std::max(0.5, width - kGap), height);
      AppendTip(part.tip, &svg);
      svg += "</rect>";
      at += width;
    }
    return at;
  };
  double top = 2;
  for (const BarRow &row : rows) {
    const bool two = !row.below.empty();
    const double above = bar(row.parts, top + 3, two ? 10 : 16);
    const double under = bar(row.below, top + 14, 6);
    fmt::format_to(append,
                   "<text x=\"{}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>"
                   "<text x=\"{:.1f}\" y=\"{:.1f}\">{}</text>\n",
                   kLabels - 8, top + 15, row.label, kLabels + std::max(above, under) + 6, top + 15,
                   row.value);
    top += kRow;
  }
  return svg + "</svg>\n";
}

}  // namespace trails
