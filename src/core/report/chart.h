// One chart in SVG: two axes, and lines, dots and rules between them.
//
// May touch: the C++ standard library only.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace trails {

// What an axis shows. low < high; logarithmic needs low > 0.
struct Axis {
  std::string label;
  double low = 0;
  double high = 1;
  bool logarithmic = false;
};

// An axis that shows all of `values` (NaN left out) with a little room on both sides; logarithmic
// where all are positive and the largest is a hundred times the smallest or more and `may_bend`.
// Never empty, however few or equal the values.
Axis AxisOver(std::string label, const std::vector<double> &values, bool may_bend);

// Where an axis is labelled: round numbers within it, some five of them, ascending.
std::vector<double> Ticks(const Axis &axis);

// Texts given to it are escaped already; `style` is a class of the page's style sheet. What lies
// outside of the axes is cut off.
class Chart {
 public:
  // `title` says what the chart shows, for those who do not see it.
  Chart(std::string title, Axis x, Axis y);

  // A line through the points in their order. A point that falls on the pixel of the one before is
  // left out.
  void Line(const std::vector<std::pair<double, double>> &points, std::string_view style,
            std::string_view tip);
  void Dot(double x, double y, std::string_view style, std::string_view tip);
  // Lines across the chart with a word beside.
  void RuleAt(double y, std::string_view style, std::string_view label);
  void RuleUpAt(double x, std::string_view style, std::string_view label);

  std::string Svg() const;

 private:
  double X(double value) const;
  double Y(double value) const;

  std::string title_;
  Axis x_;
  Axis y_;
  std::string marks_;
};

// One row of a bar chart: a label, parts from left to right, and what is said at their end.
struct BarPart {
  double length = 0;
  std::string style;
  std::string tip;
};
struct BarRow {
  std::string label;
  std::vector<BarPart> parts;
  std::vector<BarPart> below;  // a second, thinner bar under the first; empty for none
  std::string value;
};

// Horizontal bars, the longest as wide as the chart. `title` as for Chart.
std::string BarsSvg(std::string_view title, const std::vector<BarRow> &rows);

}  // namespace trails
