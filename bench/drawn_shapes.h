// Data sets drawn in the shape of two public ones, as the engine encodes them: diabetes_ids (43
// categorical columns of integers, 76 fields) and frappe (10 such columns, 18 fields, some 5,400
// ids), both trained in batches of 1,024 rows.
//
// May touch: src/core/data, src/core/random.h.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/data/dataset.h"
#include "core/random.h"

namespace trails {

struct Shape {
  std::string_view name;
  std::vector<std::int64_t> distinct;  // values of each column
  std::int64_t rows;
};
inline const std::vector<Shape> kShapes = {
    {"diabetes_ids",
     {6, 3, 10, 8, 26, 17, 6, 73, 14, 7, 9, 9, 9, 9, 22, 22, 22, 16, 4, 4, 4, 4,
      4, 4, 4,  2, 4,  4,  2, 4,  4,  4, 4, 2, 3, 4, 4,  2,  2,  2,  2, 2, 2},
     101'766},
    {"frappe", {913, 4'082, 7, 7, 2, 3, 2, 9, 76, 227}, 86'582},
};

struct Drawn {
  Dataset data;
  kernels::FieldPlan plan;
};

// Integer columns, and a label that a sum of one effect a value explains for the better part.
inline Drawn Draw(const Shape &shape) {
  RandomStream random(1);
  Table table;
  table.relation = std::string(shape.name);
  std::vector<double> signal(static_cast<std::size_t>(shape.rows));
  for (std::size_t c = 0; c < shape.distinct.size(); ++c) {
    const std::int64_t distinct = shape.distinct[c];
    std::vector<double> effects(static_cast<std::size_t>(distinct));
    for (double &effect : effects) effect = random.Normal();
    std::string name = "c";
    name += std::to_string(c);
    Column column(name, ColumnKind::kInteger, "integer");
    for (double &sum : signal) {
      // Squared: some values are frequent, most are rare, as in real tables.
      const double u = random.Uniform();
      const auto value = static_cast<std::int64_t>(u * u * static_cast<double>(distinct));
      column.AppendInteger(value);
      sum += effects[static_cast<std::size_t>(value)];
    }
    table.features.push_back(std::move(column));
  }
  table.target = Column("target", ColumnKind::kInteger, "integer");
  for (const double sum : signal) table.target.AppendInteger(sum + random.Normal() > 0 ? 1 : 0);
  std::vector<Notice> notices;
  Drawn drawn;
  drawn.data = BuildDataset(std::move(table), SelectionOptions{}, &notices);
  drawn.plan = drawn.data.fields.Plan();
  return drawn;
}

}  // namespace trails
