// Data sets drawn in the shape of two public ones: adult (11 categories, 8 numbers, 39,000 training
// rows) and frappe (18 categories with some 5,400 ids).
//
// May touch: src/core/data.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/data/dataset.h"
#include "core/random.h"

namespace trails {

struct DrawnData {
  Dataset data;
  kernels::FieldPlan plan;
};

// Columns of `distinct` categories each, and `numbers` numbers; the target is binary, and noise.
inline DrawnData DrawData(const std::vector<std::int64_t> &distinct, int numbers,
                          std::int64_t rows) {
  RandomStream random(1);
  Table table;
  table.relation = "drawn";
  for (std::size_t c = 0; c < distinct.size(); ++c) {
    Column column("category" + std::to_string(c), ColumnKind::kText, "text");
    for (std::int64_t row = 0; row < rows; ++row) {
      // Squared: some values are frequent, most are rare, as in real tables.
      const double u = random.Uniform();
      column.AppendText(std::to_string(static_cast<int>(u * u * static_cast<double>(distinct[c]))));
    }
    table.features.push_back(std::move(column));
  }
  for (int n = 0; n < numbers; ++n) {
    Column column("number" + std::to_string(n), ColumnKind::kFloat, "double precision");
    for (std::int64_t row = 0; row < rows; ++row) column.AppendFloat(random.Symmetric(2));
    table.features.push_back(std::move(column));
  }
  table.target = Column("target", ColumnKind::kInteger, "integer");
  for (std::int64_t row = 0; row < rows; ++row) table.target.AppendInteger(random.Below(2));
  std::vector<Notice> notices;
  DrawnData drawn;
  drawn.data = BuildDataset(std::move(table), SelectionOptions{}, &notices);
  drawn.plan = drawn.data.fields.Plan();
  return drawn;
}

inline DrawnData DrawAdult() {
  return DrawData({9, 16, 7, 15, 6, 5, 2, 42, 74, 99, 20}, 8, 48'842);
}
inline DrawnData DrawFrappe() {
  return DrawData({957, 4'082, 7, 7, 2, 3, 2, 9, 80, 233, 3, 4, 2, 2, 2, 2, 2, 2}, 0, 288'609);
}

}  // namespace trails
