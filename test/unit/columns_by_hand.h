// Columns and tables written out in a test.
//
// May touch: include/trails.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <numeric>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "trails/columns.h"

namespace trails::test {

inline constexpr double kNull = std::numeric_limits<double>::quiet_NaN();

// std::nullopt is NULL.
inline Column IntegerColumn(const std::string &name,
                            const std::vector<std::optional<std::int64_t>> &values,
                            const std::string &sql_type = "integer") {
  Column column(name, ColumnKind::kInteger, sql_type);
  for (const auto &value : values) {
    if (value) {
      column.AppendInteger(*value);
    } else {
      column.AppendNull();
    }
  }
  return column;
}

// kNull is NULL.
inline Column FloatColumn(const std::string &name, const std::vector<double> &values,
                          const std::string &sql_type = "double precision") {
  Column column(name, ColumnKind::kFloat, sql_type);
  for (const double value : values) {
    if (std::isnan(value)) {
      column.AppendNull();
    } else {
      column.AppendFloat(value);
    }
  }
  return column;
}

inline Column TextColumn(const std::string &name,
                         const std::vector<std::optional<std::string>> &values) {
  Column column(name, ColumnKind::kText, "text");
  for (const auto &value : values) {
    if (value) {
      column.AppendText(*value);
    } else {
      column.AppendNull();
    }
  }
  return column;
}

// `value` `times` times behind what is there.
template <typename T, typename Value>
void Repeat(std::vector<T> *values, Value value, std::size_t times) {
  values->insert(values->end(), times, T(value));
}

inline std::vector<std::int32_t> AllRows(std::int64_t rows) {
  std::vector<std::int32_t> all(static_cast<std::size_t>(rows));
  std::iota(all.begin(), all.end(), 0);
  return all;
}

template <typename... Columns>
std::vector<Column> Features(Columns &&...columns) {
  std::vector<Column> features;
  (features.push_back(std::forward<Columns>(columns)), ...);
  return features;
}

}  // namespace trails::test
