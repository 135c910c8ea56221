// Tables drawn for the engine's tests: categories, numbers, NULLs, and a target that can be learnt.
//
// May touch: include/trails, src/core.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/data/dataset.h"
#include "core/random.h"
#include "trails/columns.h"
#include "trails/options.h"

namespace trails::test {

enum class TargetShape : std::uint8_t {
  kInteraction,  // products and exclusive-ors: a linear model sees next to nothing of it
  kLinear,       // a sum of one effect a column
};

struct GeneratedOptions {
  std::int64_t rows = 3'000;
  Task task = Task::kBinary;  // kMulticlass: 'high', 'low', 'middle'
  TargetShape shape = TargetShape::kInteraction;
  double noise = 0.3;  // standard deviation, where the signal's is about 1
  bool nulls = true;
  std::uint64_t seed = 1;
};

// Columns: colour and shape (text), x, y and scatter (double precision), count (integer 0 .. 9),
// and the target. colour and y hold NULLs, which mean something. scatter means nothing.
inline Table GenerateTable(const GeneratedOptions &options) {
  constexpr std::array<const char *, 4> kColours = {"red", "green", "blue", "white"};
  constexpr std::array<const char *, 3> kShapes = {"round", "square", "long"};
  RandomStream random = RandomStream::ForPurpose(options.seed, 1);
  Column colour("colour", ColumnKind::kText, "text");
  Column shape("shape", ColumnKind::kText, "text");
  Column x("x", ColumnKind::kFloat, "double precision");
  Column y("y", ColumnKind::kFloat, "double precision");
  Column scatter("scatter", ColumnKind::kFloat, "double precision");
  Column count("count", ColumnKind::kInteger, "integer");
  const bool number = options.task == Task::kRegression;
  const bool text = options.task == Task::kMulticlass;
  Column target("target",
                number ? ColumnKind::kFloat : (text ? ColumnKind::kText : ColumnKind::kInteger),
                number ? "double precision" : (text ? "text" : "integer"));
  for (std::int64_t row = 0; row < options.rows; ++row) {
    const auto c = static_cast<std::size_t>(random.Below(std::ssize(kColours)));
    const auto s = static_cast<std::size_t>(random.Below(std::ssize(kShapes)));
    const double a = 4 * random.Uniform() - 2;
    const double b = 4 * random.Uniform() - 2;
    const std::int64_t n = random.Below(10);
    const bool no_colour = options.nulls && random.Uniform() < 0.1;
    const bool no_b = options.nulls && random.Uniform() < 0.05;
    no_colour ? colour.AppendNull() : colour.AppendText(kColours[c]);
    shape.AppendText(kShapes[s]);
    x.AppendFloat(a);
    no_b ? y.AppendNull() : y.AppendFloat(b);
    scatter.AppendFloat(std::exp(3 * random.Normal()));
    count.AppendInteger(n);
    double signal = 0;
    if (options.shape == TargetShape::kInteraction) {
      const bool odd = (no_colour || c % 2 == 0) != (s == 0);
      signal = (no_b ? 1.0 : std::tanh(2 * a) * std::tanh(2 * b)) + (odd ? 0.7 : -0.7);
    } else {
      signal = 0.6 * a - (no_b ? 1.0 : 0.4 * b) + (no_colour ? 1.0 : 0.3 * static_cast<double>(c)) +
               0.1 * static_cast<double>(n) - 0.9;
    }
    const double value = signal + options.noise * random.Normal();
    if (number) {
      target.AppendFloat(500 + 120 * value);
    } else if (text) {
      target.AppendText(value < -0.5 ? "low" : (value < 0.5 ? "middle" : "high"));
    } else {
      target.AppendInteger(value > 0 ? 1 : 0);
    }
  }
  Table table;
  table.relation = "generated";
  for (Column *column : {&colour, &shape, &x, &y, &scatter, &count}) {
    table.features.push_back(std::move(*column));
  }
  table.target = std::move(target);
  return table;
}

// The small space of most tests: 1 or 2 layers of 8, 16 or 32 units, 12 candidates.
inline SearchSpace SmallSpace() {
  return {.name = "small", .widths = {8, 16, 32}, .min_layers = 1, .max_layers = 2};
}

inline SelectionOptions OptionsFor(const GeneratedOptions &generated) {
  SelectionOptions options;
  options.task = generated.task;
  options.space = SmallSpace();
  return options;
}

inline Dataset GenerateDataset(const GeneratedOptions &generated,
                               Encoding encoding = Encoding::kPiecewiseLinear) {
  SelectionOptions options = OptionsFor(generated);
  options.encoding = encoding;
  std::vector<Notice> notices;
  return BuildDataset(GenerateTable(generated), options, &notices);
}

}  // namespace trails::test
